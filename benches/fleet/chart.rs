//! A chart as an SVG file: calls a second over time, as multiples of the mean.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 56.0;
const TOP: f64 = 36.0;

/// What is drawn.
pub struct Chart<'s> {
    pub title: &'s str,
    /// Multiples of the mean, one for each second.
    pub values: Vec<f64>,
    /// The first second, since the top of an hour.
    pub first: u64,
    /// When the event begins and ends.
    pub event: (u64, u64),
    /// The mean in calls a second.
    pub mean: f64,
}

impl Chart<'_> {
    /// The file's content. A column of pixels is as high as the lowest and the highest second in it.
    pub fn svg(&self) -> String {
        let highest = self.values.iter().copied().fold(2.2, f64::max);
        let y = |times: f64| TOP + HEIGHT * (1.0 - times / highest);
        let seconds = self.values.len().max(1) as f64;
        let x = |second: f64| LEFT + (WIDTH - LEFT - 16.0) * (second - self.first as f64) / seconds;
        let (width, height) = (WIDTH, TOP + HEIGHT + 44.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>\n",
            self.title, self.title
        );
        let (begin, end) = self.event;
        if end > begin {
            let wide = x(end as f64) - x(begin as f64);
            let _ = writeln!(
                svg,
                "<rect x=\"{:.1}\" y=\"{TOP}\" width=\"{wide:.1}\" height=\"{HEIGHT}\" fill=\"#eee\"/>",
                x(begin as f64)
            );
        }
        let step = if highest > 4.0 { 2.0 } else { 0.5 };
        for times in (0..).map(|number| f64::from(number) * step).take_while(|times| *times <= highest) {
            let (at, colour) = (y(times), if times == 2.0 { "#c33" } else { "#ccc" });
            let right = WIDTH - 16.0;
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"{colour}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{times}</text>",
                LEFT - 6.0,
                at + 4.0
            );
        }
        for minute in (self.first / 60..=(self.first + self.values.len() as u64) / 60).filter(|minute| minute % 10 == 0)
        {
            let at = x(minute as f64 * 60.0);
            let _ = writeln!(
                svg,
                "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}:{:02}</text>",
                TOP + HEIGHT + 18.0,
                minute / 60,
                minute % 60
            );
        }
        let per_column = (self.values.len() / 800).max(1);
        let points = self.values.chunks(per_column).enumerate().map(|(column, part)| {
            let low = part.iter().copied().fold(f64::INFINITY, f64::min);
            let high = part.iter().copied().fold(0.0, f64::max);
            let at = x((self.first as usize + column * per_column) as f64);
            format!("{at:.1},{:.1} {at:.1},{:.1}", y(low), y(high))
        });
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"#1a5fb4\" points=\"{}\"/>\n<text x=\"{LEFT}\" y=\"{:.1}\">hours and minutes; 1 = {:.0} calls a second</text>\n</svg>",
            points.collect::<Vec<_>>().join(" "),
            TOP + HEIGHT + 38.0,
            self.mean
        );
        svg
    }
}
