//! The growth as an SVG: for each size the ratio of processor time and the memory, as bars.

use std::fmt::Write;

use super::Cost;

const WIDTH: f64 = 720.0;
const ROW: f64 = 34.0;
const TOP: f64 = 46.0;
/// Where the bars of the two panels begin, and their longest.
const PANELS: [f64; 2] = [170.0, 460.0];
const LONGEST: f64 = 190.0;

/// The plot of these sizes.
pub fn svg(costs: &[Cost]) -> String {
    let height = TOP + ROW * costs.len() as f64 + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>Processor time per poll as a multiple of libmodbus alone, and memory, by the number of meters</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let memory: Vec<_> = costs.iter().map(|cost| cost.memory[0] as f64 / 1e6).collect();
    let ratios: Vec<_> = costs.iter().map(Cost::ratio).collect();
    panel(&mut svg, PANELS[0], "CPU per poll, libmodbus alone = 1", "#2563a8", &ratios, |ratio| format!("{ratio:.2}"));
    panel(&mut svg, PANELS[1], "Memory, MB", "#9a5b13", &memory, |mb| format!("{mb:.0}"));
    for (index, cost) in costs.iter().enumerate() {
        let (y, meters, gateways, poll) = (middle(index), cost.meters, cost.gateways, cost.poll_s);
        let text = format!("{meters} on {gateways}, {poll} s");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{text}</text>", PANELS[0] - 10.0);
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, x: f64, title: &str, fill: &str, values: &[f64], label: fn(f64) -> String) {
    let most = values.iter().copied().fold(f64::EPSILON, f64::max);
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"24\" font-weight=\"bold\">{title}</text>");
    for (index, value) in values.iter().enumerate() {
        let (y, width) = (middle(index), value / most * LONGEST);
        let _ =
            writeln!(svg, "<rect x=\"{x}\" y=\"{}\" width=\"{width:.1}\" height=\"20\" fill=\"{fill}\"/>", y - 15.0);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{y}\">{}</text>", x + width + 6.0, label(*value));
    }
}

/// The base line of a row's text.
fn middle(index: usize) -> f64 {
    TOP + ROW * index as f64 + 15.0
}
