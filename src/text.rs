//! Makes foreign text (of a meter or the endpoint) safe to show: printable ASCII, bounded, secrets masked.
#![deny(missing_docs)]

/// `text` with all but printable ASCII replaced by `?`, runs of 64 or more hex digits masked, and cut to `limit` bytes.
pub fn foreign(text: &str, limit: usize) -> String {
    let plain: String =
        text.chars().map(|character| if matches!(character, ' '..='~') { character } else { '?' }).collect();
    let mut masked = mask_hex(&plain);
    if masked.len() > limit {
        masked.truncate(limit.saturating_sub(3));
        masked.push_str("...");
    }
    masked
}

/// `text` with each run of 64 or more hex digits (a token, a whole client identifier) shortened to its first and last four.
pub fn mask_hex(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|character: char| character.is_ascii_hexdigit()) {
        let run = &rest[start..];
        let end = run.find(|character: char| !character.is_ascii_hexdigit()).unwrap_or(run.len());
        masked.push_str(&rest[..start]);
        if end >= 64 {
            masked.push_str(&run[..4]);
            masked.push_str("...");
            masked.push_str(&run[end - 4..end]);
        } else {
            masked.push_str(&run[..end]);
        }
        rest = &run[end..];
    }
    masked.push_str(rest);
    masked
}

/// An error and its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
