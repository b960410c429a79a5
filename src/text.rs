//! Makes foreign text (of a meter or the endpoint) safe to show: printable ASCII, bounded, secrets masked.

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
    replace_hex_runs(text, |run| (run.len() >= 64).then(|| format!("{}...{}", &run[..4], &run[run.len() - 4..])))
}

/// `text` with each run of hex digits replaced by the result of `replacement`, if there is one.
pub(crate) fn replace_hex_runs(text: &str, replacement: impl Fn(&str) -> Option<String>) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|character: char| character.is_ascii_hexdigit()) {
        let run = &rest[start..];
        let (run, after) =
            run.split_at(run.find(|character: char| !character.is_ascii_hexdigit()).unwrap_or(run.len()));
        replaced.push_str(&rest[..start]);
        replaced.push_str(replacement(run).as_deref().unwrap_or(run));
        rest = after;
    }
    replaced + rest
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
