//! Changes of an existing configuration: one key of a meter, or the token of an account.

use std::path::Path;

use super::terminal::say;
use super::{files, service};
use crate::cli::exit;
use crate::cli::scan::write;
use crate::config::{AccountConfig, Config, Environment, Token, TokenSource};
use crate::setup::ConfigurationChange;
use crate::text::chain;

/// Changes one key of a meter; comments and order stay.
pub(super) fn change(path: &Path, change: &ConfigurationChange, environment: &Environment) -> Result<(), u8> {
    let text = Config::text(path).map_err(|error| failed(&chain(&error)))?;
    let changed = changed(&text, change).ok_or_else(|| {
        failed(&format!(
            "[meter.{}] cannot be changed by a program: write {} = {} by hand",
            change.meter, change.key, change.value
        ))
    })?;
    write::put(path, Some(&text), &changed, environment).map_err(|error| failed(&chain(&error)))?;
    say(&format!("  written: {} of {} in {}", change.key, change.meter, path.display()));
    reload(path)
}

fn failed(why: &str) -> u8 {
    say(&format!("{why}\nNothing was changed."));
    exit::CONFIG
}

/// The text with the new value.
fn changed(text: &str, change: &ConfigurationChange) -> Option<String> {
    let mut document: toml_edit::DocumentMut = text.parse().ok()?;
    let meter = document.get_mut("meter")?.as_table_like_mut()?.get_mut(change.meter.as_str())?.as_table_like_mut()?;
    let mut value: toml_edit::Value = change.value.parse().ok()?;
    // A comment behind the old value would speak of that.
    if let Some(old) = meter.get(change.key).and_then(toml_edit::Item::as_value)
        && change.key != "max_power"
    {
        *value.decor_mut() = old.decor().clone();
    }
    meter.insert(change.key, toml_edit::Item::Value(value));
    Some(document.to_string())
}

/// Replaces the token of an account. The former one is kept.
pub(super) fn replace_token(account: &AccountConfig, token: &Token) -> Result<(), u8> {
    let TokenSource::File(path) = &account.token else {
        say(
            "The token of this account is a credential of systemd: replace its source, then `systemctl restart arkmeter`.",
        );
        return Err(exit::FAILED);
    };
    let kept = files::replace_token(path, token).map_err(|error| {
        say(&format!("{} cannot be replaced: {error}. Nothing was changed.", path.display()));
        exit::FAILED
    })?;
    say(&format!("  written: {}. The former token is kept as {}.", path.display(), kept.display()));
    say("  A running daemon uses the new token with its next report: see `arkmeter status`.");
    Ok(())
}

/// Lets the service read the configuration again.
fn reload(path: &Path) -> Result<(), u8> {
    if !service::runs_with(path) {
        return Ok(());
    }
    service::reload().map_err(|error| {
        say(&format!("The configuration is written, but the service did not read it: {error}"));
        exit::FAILED
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Name;

    #[test]
    fn a_change_keeps_comments_and_order() {
        let text =
            "# top\n[meter.sauna] # hot\nunit = 2 # two\nmax_power = \"11040W\"   # 3 x 16 A\nbus = \"cabinet\"\n";
        let change =
            |key, value: &str| ConfigurationChange { meter: Name::new("sauna").unwrap(), key, value: value.into() };
        let other = changed(text, &change("max_power", "\"17250W\"")).unwrap();
        assert_eq!(other, text.replace("\"11040W\"   # 3 x 16 A", "\"17250W\""));
        let other = changed(text, &change("reversed", "true")).unwrap();
        assert_eq!(other, format!("{text}reversed = true\n"));
        assert_eq!(changed("[meter]\n", &change("reversed", "true")), None);
    }
}
