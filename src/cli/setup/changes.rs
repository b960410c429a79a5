//! Changes of an existing configuration: one key of a meter, or the token of an account.

use std::path::{Path, PathBuf};

use super::terminal::say;
use super::{files, service};
use crate::cli::exit;
use crate::cli::scan::write;
use crate::config::{AccountConfig, Config, ConfigError, ConfigFiles, Environment, Token, TokenSource, shown_path};
use crate::ledger::store::in_use;
use crate::setup::ConfigurationChange;
use crate::text::chain;

/// Changes one key of a meter; comments and order stay.
pub(super) fn change(path: &Path, change: &ConfigurationChange, environment: &Environment) -> Result<(), u8> {
    let text = Config::text(path).map_err(|error| failed(&chain(&error)))?;
    if let Some(part) = part_with(path, change).map_err(|error| failed(&chain(&error)))? {
        return Err(failed(&format!(
            "[meter.{}] has its {} from {}, and set-up changes {} only: write {} = {} there",
            change.meter,
            change.key,
            shown_path(&part),
            shown_path(path),
            change.key,
            change.value
        )));
    }
    let changed = changed(&text, change).ok_or_else(|| {
        failed(&format!(
            "[meter.{}] cannot be changed by a program: write {} = {} by hand",
            change.meter, change.key, change.value
        ))
    })?;
    write::put(path, Some(&text), &changed, environment).map_err(|error| failed(&chain(&error)))?;
    say(&format!("  written: {} of {} in {}", change.key, change.meter, path.display()));
    reload(path, environment)
}

/// The part that decides about this key: the last one that has it, or, where no file has it, the one that has the meter.
fn part_with(path: &Path, change: &ConfigurationChange) -> Result<Option<PathBuf>, ConfigError> {
    let files = ConfigFiles::read(path)?;
    let meter = |text: &str| {
        let document: toml::Table = text.parse().ok()?;
        document.get("meter")?.get(change.meter.as_str()).cloned()
    };
    let meters: Vec<_> = files.files().iter().map(|file| meter(&file.text)).collect();
    let with_key = meters.iter().rposition(|it| it.as_ref().is_some_and(|meter| meter.get(change.key).is_some()));
    let decides = with_key.or_else(|| meters.iter().position(|meter| meter.is_some()));
    Ok(decides.filter(|index| *index > 0).map(|index| files.files()[index].path.clone()))
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

/// Lets the service read the configuration again, or says how a daemon that is no service does it.
fn reload(path: &Path, environment: &Environment) -> Result<(), u8> {
    if !service::runs_with(path) {
        let config = Config::load(path, environment).ok().map(|(config, _)| config);
        if config.as_ref().is_some_and(|config| in_use(&config.state.path).is_some()) {
            say(&format!("  {}", service::load_running(config.as_ref())));
        }
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
    fn a_key_that_a_part_decides_is_not_changed_in_the_main_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("arkmeter.toml");
        std::fs::create_dir(folder.path().join("conf.d")).unwrap();
        std::fs::write(&path, "[meter.sauna]\nreversed = true\nunit = 1\n").unwrap();
        let part = folder.path().join("conf.d/10-power.toml");
        std::fs::write(&part, "[meter.sauna]\nmax_power = \"5kW\"\n[meter.pool]\nunit = 2\n").unwrap();
        let decides = |meter: &str, key| {
            let change = ConfigurationChange { meter: Name::new(meter).unwrap(), key, value: "true".into() };
            part_with(&path, &change).unwrap()
        };
        assert_eq!(decides("sauna", "reversed"), None);
        assert_eq!(decides("sauna", "client_id"), None);
        assert_eq!(decides("sauna", "max_power"), Some(part.clone()));
        assert_eq!(decides("pool", "reversed"), Some(part));
    }

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
