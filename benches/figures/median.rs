//! Several rounds made one number, and a number set beside its limit.

/// The middle of several measurements.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// For a number that is to be no higher.
pub fn at_most(value: f64, limit: f64) -> &'static str {
    if value <= limit { "within" } else { "OVER" }
}

/// For a number that is to be no lower.
pub fn at_least(value: f64, limit: f64) -> &'static str {
    if value >= limit { "within" } else { "UNDER" }
}
