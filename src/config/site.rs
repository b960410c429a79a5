//! `[site]`: the labels that all metrics of this site have.

use std::collections::BTreeMap;

use super::model::SiteConfig;
use crate::form::{Field, Form, names_a_secret};
use crate::text::foreign;

/// How many labels a site can have.
const MAX_LABELS: usize = 16;
/// The longest name of a label, in bytes.
const MAX_NAME: usize = 64;
/// The longest value, in characters.
const MAX_VALUE: usize = 128;
/// The labels of arkmeter's own metrics, and those that Prometheus sets itself.
pub const RESERVED_LABELS: [&str; 16] = [
    "account", "bus", "client", "code", "hash", "hour", "instance", "job", "le", "meter", "outcome", "quantile",
    "shard", "state", "verdict", "version",
];

pub(super) fn read(form: Option<Form<'_>>) -> Option<SiteConfig> {
    let Some(form) = form else { return Some(SiteConfig::default()) };
    let labels = form.or("labels", BTreeMap::new(), labels);
    form.finish();
    Some(SiteConfig { labels: labels? })
}

fn labels(field: &Field<'_>) -> Option<BTreeMap<String, String>> {
    let form = field.table()?;
    let fields = form.fields();
    if fields.len() > MAX_LABELS {
        return field.fail(
            &format!("has {} labels", fields.len()),
            format!("at most {MAX_LABELS}: each is on every metric, and makes a new time series when it changes"),
        );
    }
    // All are read before any is dropped, so that every problem is reported.
    let labels: Vec<_> =
        fields.into_iter().map(|(name, field)| Some((label_name(name, &field)?, value(&field)?))).collect();
    labels.into_iter().collect()
}

fn label_name(name: &str, field: &Field<'_>) -> Option<String> {
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if !first || !characters.all(|character| character.is_ascii_alphanumeric() || character == '_') {
        return field
            .fail_hidden("is not a name of a label", "letters, digits and `_`, not a digit first: site, floor_2");
    }
    if name.len() > MAX_NAME {
        return field.fail_hidden("has too long a name", format!("at most {MAX_NAME} letters, digits and `_`"));
    }
    if names_a_secret(name) {
        return field
            .fail_hidden("has the name of a secret", "labels are public: everybody who reads the metrics sees them");
    }
    if name.starts_with("__") {
        return field.fail("has a name that Prometheus keeps for itself", "no name of a label begins with `__`");
    }
    if RESERVED_LABELS.contains(&name) {
        return field.fail(
            "has the name of a label that the metrics have already",
            format!("another name, such as `site_{}`", foreign(name, MAX_NAME)),
        );
    }
    Some(name.to_owned())
}

fn value(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.is_empty() {
        return field.fail("is empty", "Prometheus drops an empty label: write a text, or remove the label");
    }
    if text.chars().count() > MAX_VALUE {
        return field.fail("is too long", format!("at most {MAX_VALUE} characters"));
    }
    let printable =
        |character: char| matches!(character, ' '..='~') || (!character.is_ascii() && character.is_alphanumeric());
    if !text.chars().all(printable) {
        return field.fail("has a character that cannot be printed", "letters, digits, spaces and punctuation");
    }
    if super::mask::shortened(text) != text {
        return field.fail_hidden("looks like a token", "labels are public: everybody who reads the metrics sees them");
    }
    Some(text.to_owned())
}
