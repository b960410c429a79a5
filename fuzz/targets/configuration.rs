//! Whatever stands in the configuration: problems point into the file, and no token in it is ever shown.

#![no_main]

use std::path::Path;

use arkmeter::config::{self, Environment, Problems};
use libfuzzer_sys::fuzz_target;

const TOKEN: &str = "7c1e93b05fd2a8467c1e93b05fd2a8467c1e93b05fd2a8467c1e93b05fd2a846";

fuzz_target!(|text: &str| {
    // Where the input says so, a token stands.
    let text = text.replace("@TOKEN", TOKEN);
    let environment = Environment { folder: "/etc/arkmeter".into(), ..Environment::default() };
    let read = config::parse(Path::new("arkmeter.toml"), &text, &environment);
    let (valid, problems) = match &read {
        Ok((config, problems)) => {
            assert_eq!(problems.errors(), 0);
            sound(config);
            (true, problems)
        }
        Err(problems) => (false, problems),
    };
    assert!(valid || problems.errors() > 0, "refused without a reason");
    point_into(problems, &text);
    let shown = config::shown_text(&text, &environment);
    assert_eq!(shown.matches('\n').count(), text.matches('\n').count(), "lines stay lines");
    for said in [problems.render(false), problems.render(true), format!("{problems:?}"), shown] {
        let said = said.to_ascii_lowercase();
        assert!(!said.contains(&TOKEN[..40]), "{said}");
    }
    assert!(read == config::parse(Path::new("arkmeter.toml"), &text, &environment), "twice the same");
});

/// What the rest of the program relies on.
fn sound(config: &config::Config) {
    for meter in config.meters.values() {
        assert!(config.buses.contains_key(&meter.bus) && meter.max_power.0 > 0 && !meter.poll_every.is_zero());
    }
    for client in config.clients.values() {
        assert!(config.accounts.contains_key(&client.account) && !client.meters.is_empty());
        assert!(client.meters.iter().all(|meter| config.meters.contains_key(meter)));
    }
    for account in config.accounts.values() {
        assert!(account.url.scheme() == "https" || account.url.host_str().is_some_and(|host| !host.is_empty()));
        assert!(account.url.username().is_empty() && account.url.password().is_none());
    }
    if let Some(listen) = config.status.listen {
        assert!(listen.ip().is_loopback() || !config.status.hosts.is_empty());
    }
}

fn point_into(problems: &Problems, text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    for problem in problems.iter() {
        assert!((1..=lines.len()).contains(&problem.line), "{problem:?}");
        // Masked text may be longer than what it hides (`***`), never by more.
        let most = lines[problem.line - 1].chars().count() + 4;
        assert!((1..=most).contains(&problem.column), "{problem:?}");
        assert!(!problem.message.is_empty());
    }
}
