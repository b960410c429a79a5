//! The median of several rounds, and the comparison of a number with its limit.

/// The median of several measurements.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The mark for a number with an upper limit.
pub fn at_most(value: f64, limit: f64) -> &'static str {
    if value <= limit { "within" } else { "OVER" }
}

/// The mark for a number with a lower limit.
pub fn at_least(value: f64, limit: f64) -> &'static str {
    if value >= limit { "within" } else { "UNDER" }
}
