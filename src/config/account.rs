//! `[account.NAME]`: where reports go, and where the token is kept.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::address;
use super::model::{AccountConfig, Batch, TokenSource};
use super::{tables, token};
use crate::finding::Finding;
use crate::form::{Field, Form, names_a_secret};
use crate::units::Name;

/// The endpoint without `url`.
pub const DEFAULT_URL: &str = "https://api.arkreen.com/v1";
/// Arkreen asks for real-time data at least this often.
const REPORT_AT_LEAST_EVERY: Duration = Duration::from_secs(180);

pub(super) fn read(name: &Name, form: Form<'_>, folder: &Path) -> Option<AccountConfig> {
    let seconds = Duration::from_secs;
    let default_url = Url::parse(DEFAULT_URL).expect("the default URL is valid");
    let url = form.or("url", default_url, address::endpoint);
    let token = token_source(&form, folder);
    let report_every = form.or("report_every", seconds(120), report_every);
    let words = [("auto", Batch::Auto), ("always", Batch::Always), ("never", Batch::Never)];
    let batch = form.or("batch", Batch::Auto, |field| field.one_of(&words));
    let batch_max = form.or("batch_max", NonZeroUsize::new(100), |field| {
        field.integer(1..=1000).map(|count| NonZeroUsize::new(count as usize))
    });
    let timeout = form.or("timeout", seconds(20), |field| field.duration(Duration::from_millis(100)..=seconds(300)));
    let proxy = form.maybe("proxy", address::proxy);
    let ca_file = form.maybe("ca_file", |field| tables::path(field, folder));
    form.finish();
    Some(AccountConfig {
        name: name.clone(),
        url: url?,
        token: token?,
        report_every: report_every?,
        batch: batch?,
        batch_max: batch_max??,
        timeout: timeout?,
        proxy: proxy?,
        ca_file: ca_file?,
    })
}

fn report_every(field: &Field<'_>) -> Option<Duration> {
    let every = field.duration(Duration::from_secs(1)..=Duration::from_secs(24 * 3600))?;
    if every > REPORT_AT_LEAST_EVERY {
        field.warn(
            "is longer than Arkreen allows",
            "Arkreen asks for a report at least every 3 minutes: \"3m\" or less",
        );
    }
    Some(every)
}

fn token_source(form: &Form<'_>, folder: &Path) -> Option<TokenSource> {
    const HELP: &str =
        "either `token_file` (a separate file, root:arkmeter, mode 0640) or `token_credential` (a systemd credential)";
    match (form.field("token_file"), form.field("token_credential")) {
        (Some(file), None) => token_file(&file, folder).map(TokenSource::File),
        (None, Some(credential)) => token_credential(&credential).map(TokenSource::Credential),
        (Some(file), Some(credential)) => {
            let _ = (token_file(&file, folder), token_credential(&credential));
            credential.fail("cannot be used with `token_file`", HELP)
        }
        (None, None) => {
            // The token itself in the file is reported as an unknown key, with the keys to use instead.
            if form.keys().any(|(key, _)| names_a_secret(key)) {
                return None;
            }
            let message = format!("[{}] lacks `token_file` or `token_credential`", form.path());
            form.findings().doubt(Finding::error(form.span(), message).help(HELP));
            None
        }
    }
}

fn token_file(field: &Field<'_>, folder: &Path) -> Option<PathBuf> {
    let help = "write the path of a file that holds the token, such as \"/etc/arkmeter/main.token\"";
    if looks_like_a_token(text_or_hidden(field)?) {
        return field.fail_hidden("holds a token, not a path", help);
    }
    tables::path(field, folder)
}

fn token_credential(field: &Field<'_>) -> Option<String> {
    let help = "the name of a systemd credential: letters, digits, `_`, `-` and `.`, as in LoadCredential=NAME:PATH";
    let text = text_or_hidden(field)?;
    if looks_like_a_token(text) {
        return field.fail_hidden("holds a token, not a name", help);
    }
    if !token::is_credential_name(text) {
        return field.fail_hidden("is not the name of a credential", help);
    }
    Some(text.to_owned())
}

/// The text of a field that may hold a token by mistake. Other values are hidden.
fn text_or_hidden<'t>(field: &Field<'t>) -> Option<&'t str> {
    let text = field.text();
    if text.is_none() {
        field.hide();
    }
    text
}

/// A long hexadecimal number is what Arkreen issues, not a path or a name.
fn looks_like_a_token(text: &str) -> bool {
    let text = text.trim_start_matches("Bearer").trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    digits.len() >= 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}
