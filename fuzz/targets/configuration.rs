//! Any configuration: every problem has a place in the file, and no token in the file is ever shown.

#![no_main]

use std::path::Path;

use arkmeter::config::{self, Environment, Problems};
use libfuzzer_sys::fuzz_target;

const TOKEN: &str = "7c1e93b05fd2a8467c1e93b05fd2a8467c1e93b05fd2a8467c1e93b05fd2a846";

fuzz_target!(|text: &str| {
    // `@TOKEN` in the input becomes a token.
    let text = text.replace("@TOKEN", TOKEN);
    let environment = Environment { folder: "/etc/arkmeter".into(), ..Environment::default() };
    let read = config::parse(Path::new("arkmeter.toml"), &text, &environment);
    let (valid, problems) = match &read {
        Ok((config, problems)) => {
            assert_eq!(problems.errors(), 0);
            check(config);
            (true, problems)
        }
        Err(problems) => (false, problems),
    };
    assert!(valid || problems.errors() > 0, "refused without a reason");
    check_places(problems, &text);
    let shown = config::shown_text(&text, &environment);
    assert_eq!(shown.matches('\n').count(), text.matches('\n').count(), "the number of lines changed");
    for output in [problems.render(false), problems.render(true), format!("{problems:?}"), shown] {
        let output = output.to_ascii_lowercase();
        assert!(!output.contains(&TOKEN[..40]), "{output}");
    }
    assert!(read == config::parse(Path::new("arkmeter.toml"), &text, &environment), "the second result differs");
});

/// What the rest of the program relies on.
fn check(config: &config::Config) {
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

fn check_places(problems: &Problems, text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    for problem in problems.iter() {
        assert!((1..=lines.len()).contains(&problem.line), "{problem:?}");
        // A mask (`***`) may be a little longer than the text that it hides.
        let last = lines[problem.line - 1].chars().count() + 4;
        assert!((1..=last).contains(&problem.column), "{problem:?}");
        assert!(!problem.message.is_empty());
    }
}
