//! The service of systemd that runs arkmeter.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::config::Config;
use crate::ledger::store::in_use;

const UNIT: &str = "arkmeter.service";
const DEFAULT: &str = "/etc/arkmeter/arkmeter.toml";

/// Whether the service is installed and uses this configuration.
pub(super) fn runs_with(path: &Path) -> bool {
    let Ok(unit) = systemctl(&["cat", UNIT]) else { return false };
    let real =
        |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
    real(&configuration_of(&unit)) == real(path)
}

/// The configuration that a unit names: with `--config`, or in the environment.
fn configuration_of(unit: &str) -> PathBuf {
    let words = unit.lines().filter(|line| line.starts_with("ExecStart=") || line.starts_with("Environment="));
    let words: Vec<&str> = words.flat_map(|line| line.split([' ', '"'])).collect();
    let option = words.windows(2).filter(|pair| pair[0] == "--config").map(|pair| pair[1]).next_back();
    let joined = words.iter().filter_map(|word| word.strip_prefix("--config="));
    let variable = words.iter().filter_map(|word| word.rsplit_once("ARKMETER_CONFIG=").map(|(_, path)| path));
    option.or(joined.chain(variable).next_back()).unwrap_or(DEFAULT).into()
}

/// Starts the service now and at each start of the box. A running one reads its configuration again.
pub(super) fn start() -> Result<(), String> {
    systemctl(&["enable", UNIT])?;
    systemctl(&["reload-or-restart", UNIT]).map(drop)
}

/// Lets a running service read its configuration again.
pub(super) fn reload() -> Result<(), String> {
    match systemctl(&["is-active", "--quiet", UNIT]) {
        Ok(_) => systemctl(&["reload", UNIT]).map(drop),
        Err(_) => Ok(()),
    }
}

/// How a running daemon that is no service of systemd reads its configuration again, with the word for it.
pub(super) fn load_running(config: Option<&Config>) -> String {
    let process = config.and_then(|config| in_use(&config.state.path)).flatten();
    let process = process.map_or("PROCESS".to_owned(), |process| process.to_string());
    format!("load      kill -HUP {process}   the running arkmeter then reads the configuration")
}

/// The output of systemctl, or what it complains about.
fn systemctl(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("systemctl").args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("systemctl cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = crate::text::foreign(String::from_utf8_lossy(&output.stderr).trim(), 200);
    Err(format!("`systemctl {}` failed: {said}; see `journalctl -u arkmeter`", arguments.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_a_unit() {
        for (unit, path) in [
            ("[Service]\nExecStart=/usr/bin/arkmeter run\n", DEFAULT),
            ("ExecStart=/usr/bin/arkmeter run --config /srv/a.toml\n", "/srv/a.toml"),
            ("ExecStart=/usr/bin/arkmeter --config=/srv/b.toml run\n", "/srv/b.toml"),
            ("Environment=\"ARKMETER_CONFIG=/srv/c.toml\"\nExecStart=/usr/bin/arkmeter run\n", "/srv/c.toml"),
        ] {
            assert_eq!(configuration_of(unit), Path::new(path), "{unit}");
        }
    }
}
