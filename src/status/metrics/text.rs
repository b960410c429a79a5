//! The text format of Prometheus, version 0.0.4: families of samples with labels.
//!
//! By hand, because it is a page of code: the usual crate writes OpenMetrics, whose counters have other names, and needs most of the time
//! of a scrape of thousands of meters.

use std::fmt::Write;

/// One label with its value.
pub(super) type Label<'v> = (&'static str, &'v str);

/// The text as far as it is written.
#[derive(Debug)]
pub(super) struct MetricsText {
    text: String,
    /// The labels of the site, as they are on every sample: `site="north",`.
    site: String,
}

/// What is counted in the buckets of one series.
pub(super) struct Buckets<B> {
    /// Of all values, in seconds.
    pub(super) sum: f64,
    /// How many values each bucket has, the last one those above all bounds.
    pub(super) counts: B,
}

impl MetricsText {
    /// Nothing but the labels of the site.
    pub(super) fn new<'s>(site: impl Iterator<Item = (&'s str, &'s str)>) -> Self {
        let mut labels = String::new();
        site.for_each(|(name, value)| label(&mut labels, name, value));
        MetricsText { text: String::new(), site: labels }
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// One value without labels of its own.
    pub(super) fn plain_gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauge(name, help, [([], value)]);
    }

    /// The same that only rises.
    pub(super) fn plain_counter(&mut self, name: &str, help: &str, value: u64) {
        self.describe("counter", name, help);
        self.series(name, "", &[]);
        let _ = writeln!(self.text, "{value}");
    }

    /// A family of values. Without a sample it is not written.
    pub(super) fn gauge<'v, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([Label<'v>; N], f64)>,
    ) {
        self.family("gauge", name, help, samples);
    }

    /// The same of values that only rise.
    pub(super) fn counter<'v, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([Label<'v>; N], f64)>,
    ) {
        self.family("counter", name, help, samples);
    }

    fn family<'v, const N: usize>(
        &mut self,
        kind: &str,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([Label<'v>; N], f64)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_some() {
            self.describe(kind, name, help);
        }
        for (labels, value) in samples {
            self.series(name, "", &labels);
            number(&mut self.text, value);
            self.text.push('\n');
        }
    }

    /// A family of histograms with these upper bounds, in seconds; the last bucket has none.
    pub(super) fn histograms<'v, B: Iterator<Item = u64>>(
        &mut self,
        name: &str,
        help: &str,
        bounds: &[f64],
        series: impl IntoIterator<Item = (Label<'v>, Buckets<B>)>,
    ) {
        let bounds = bounds.iter().map(|bound| {
            let mut text = String::new();
            number(&mut text, *bound);
            text
        });
        let bounds: Vec<_> = bounds.chain(["+Inf".to_owned()]).collect();
        let mut series = series.into_iter().peekable();
        if series.peek().is_some() {
            self.describe("histogram", name, help);
        }
        for (label, buckets) in series {
            self.series(name, "_sum", &[label]);
            number(&mut self.text, buckets.sum);
            self.text.push('\n');
            let mut below = 0;
            for (bound, count) in bounds.iter().zip(buckets.counts) {
                below += count;
                self.series(name, "_bucket", &[("le", bound), label]);
                let _ = writeln!(self.text, "{below}");
            }
            self.series(name, "_count", &[label]);
            let _ = writeln!(self.text, "{below}");
        }
    }

    fn describe(&mut self, kind: &str, name: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP arkmeter_{name} {help}\n# TYPE arkmeter_{name} {kind}");
    }

    /// A sample's name and labels, and the space before its value.
    fn series(&mut self, name: &str, part: &str, labels: &[Label<'_>]) {
        for text in ["arkmeter_", name, part] {
            self.text.push_str(text);
        }
        if !labels.is_empty() || !self.site.is_empty() {
            self.text.push('{');
            self.text.push_str(&self.site);
            labels.iter().for_each(|(name, value)| label(&mut self.text, name, value));
            // The last comma.
            self.text.pop();
            self.text.push('}');
        }
        self.text.push(' ');
    }
}

/// `name="value",` with what the format escapes.
fn label(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str("=\"");
    if value.contains(['\\', '"', '\n']) {
        text.push_str(&value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    } else {
        text.push_str(value);
    }
    text.push_str("\",");
}

fn number(text: &mut String, value: f64) {
    /// Below this every whole number is exact.
    const EXACT: f64 = 1e15;
    let _ = match value.fract() == 0.0 && value.abs() < EXACT {
        true => write!(text, "{}.0", value as i64),
        false => write!(text, "{value:?}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_as_the_format_wants_it() {
        let mut text = MetricsText::new([("site", "a\\b\"c\nd")].into_iter());
        text.gauge("power_watts", "Power.", [([("meter", "one")], 1.5), ([("meter", "two")], -3.0)]);
        text.gauge::<1>("nothing", "Not written.", []);
        text.plain_counter("commits_total", "Commits.", 18_446_744_073_709_551_615);
        let counts = Buckets { sum: 0.25, counts: [1, 0, 2].into_iter() };
        text.histograms("response_seconds", "Times.", &[0.001, 0.002], [(("bus", "b"), counts)]);
        let site = r#"site="a\\b\"c\nd""#;
        let expected = format!(
            "# HELP arkmeter_power_watts Power.\n# TYPE arkmeter_power_watts gauge\n\
             arkmeter_power_watts{{{site},meter=\"one\"}} 1.5\narkmeter_power_watts{{{site},meter=\"two\"}} -3.0\n\
             # HELP arkmeter_commits_total Commits.\n# TYPE arkmeter_commits_total counter\n\
             arkmeter_commits_total{{{site}}} 18446744073709551615\n\
             # HELP arkmeter_response_seconds Times.\n# TYPE arkmeter_response_seconds histogram\n\
             arkmeter_response_seconds_sum{{{site},bus=\"b\"}} 0.25\n\
             arkmeter_response_seconds_bucket{{{site},le=\"0.001\",bus=\"b\"}} 1\n\
             arkmeter_response_seconds_bucket{{{site},le=\"0.002\",bus=\"b\"}} 1\n\
             arkmeter_response_seconds_bucket{{{site},le=\"+Inf\",bus=\"b\"}} 3\n\
             arkmeter_response_seconds_count{{{site},bus=\"b\"}} 3\n"
        );
        assert_eq!(text.finish(), expected);
    }
}
