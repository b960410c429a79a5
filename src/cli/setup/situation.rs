//! What the set-up finds on this box: lines, an existing configuration, the service or a running daemon.

use std::path::Path;

use super::{adapters, files, service};
use crate::cli::context::path_as_written;
use crate::config::{Config, ConfigError, DEFAULT_URL, Environment};
use crate::ledger::store::in_use;
use crate::setup::{AccountAnswers, ConfigurationPaths, ExistingConfiguration, SetupAnswers, SetupSituation};

/// The annotated example, which is installed as a first configuration.
const EXAMPLE: &str = include_str!("../../../config/arkmeter.toml");

/// What this box is like.
pub(super) fn situation(path: &Path, environment: &Environment, answers: Option<&SetupAnswers>) -> SetupSituation {
    let account = answers.map(|answers| answers.account.clone()).unwrap_or_default();
    let token = ConfigurationPaths::new(path, account.name().as_str()).token;
    let existing = existing(path, environment);
    let has_service = service::runs_with(path);
    SetupSituation {
        lines: match answers {
            Some(_) => Vec::new(),
            None => adapters::offered_lines(existing.config(), environment),
        },
        kept: existing.config().map(|config| kept(config, path)).unwrap_or_default(),
        saved: None,
        has_token: files::has_token(&token),
        may_write: files::may_write(path),
        has_service,
        is_running: !has_service && existing.config().is_some_and(|config| in_use(&config.state.path).is_some()),
        existing,
    }
}

/// What a new configuration takes over from this one: nobody is asked for it.
fn kept(config: &Config, path: &Path) -> SetupAnswers {
    let account = config.accounts.values().next().filter(|_| config.accounts.len() == 1);
    let url = account.map(|account| account.url.to_string()).filter(|url| url != DEFAULT_URL);
    let written = |table, key| path_as_written(path, table, key).map(|path| path.to_string_lossy().into_owned());
    SetupAnswers {
        state: written("state", "path"),
        socket: written("status", "socket"),
        listen: config.status.listen.map(|address| address.to_string()),
        account: AccountAnswers { url, ..AccountAnswers::default() },
        ..SetupAnswers::default()
    }
}

fn existing(path: &Path, environment: &Environment) -> ExistingConfiguration {
    match Config::load(path, environment) {
        _ if Config::text(path).is_ok_and(|text| text == EXAMPLE) => ExistingConfiguration::Example,
        Ok((config, _)) => ExistingConfiguration::Valid(Box::new(config)),
        Err(ConfigError::Missing(_)) => ExistingConfiguration::Absent,
        Err(error) => ExistingConfiguration::Broken(error.render(false).trim_end().to_owned()),
    }
}
