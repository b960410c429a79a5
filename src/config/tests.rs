//! Valid configurations, and the exact messages for invalid ones, because the messages are an interface.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::units::Milliwatts;

mod messages;
mod parts;
mod secrets;
mod shards;
mod wild;

/// A minimal configuration with a report.
const GOOD: &str = r#"
[account.main]
token_file = "/etc/arkmeter/main.token"
[bus.cabinet]
serial = "/dev/ttyUSB0"
[meter.house]
bus = "cabinet"
unit = 1
profile = "eastron-sdm630"
client_id = "0x1111111111111111111111111111111111111111111111111111111111111111"
max_power = "20kW"
"#;

fn environment() -> Environment {
    Environment { folder: PathBuf::from("/etc/arkmeter"), ..Environment::default() }
}

fn read(text: &str) -> Result<(Config, Problems), Problems> {
    parse(Path::new("arkmeter.toml"), text, &environment())
}

/// The configuration of a text without any problem.
fn valid(text: &str) -> Config {
    let (config, warnings) = read(text).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(warnings.is_empty(), "{warnings}");
    config
}

#[test]
fn absent_keys_have_their_defaults() {
    let config = valid(GOOD);
    let account = &config.accounts["main"];
    assert_eq!(account.url.as_str(), "https://api.arkreen.com/v1");
    assert_eq!(account.token, TokenSource::File("/etc/arkmeter/main.token".into()));
    assert_eq!((account.report_every, account.timeout), (Duration::from_secs(120), Duration::from_secs(20)));
    assert_eq!((account.batch, account.batch_max.get()), (Batch::Auto, 100));
    assert_eq!((&account.proxy, &account.ca_file), (&None, &None));
    let bus = &config.buses["cabinet"];
    let line = SerialSettings { path: "/dev/ttyUSB0".into(), baud: 9600, parity: Parity::None, stop_bits: 1 };
    assert_eq!(bus.link, Link::Serial(line));
    assert_eq!(bus.timeout, Duration::from_secs(1));
    assert_eq!((bus.request_gap, bus.connect_delay), (Duration::ZERO, Duration::ZERO));
    let meter = &config.meters["house"];
    assert_eq!((meter.poll_every, meter.energy_start), (Duration::from_secs(10), EnergyStart::Register));
    assert_eq!((meter.max_power, meter.unit.get()), (Milliwatts(20_000_000), 1));
    assert_eq!(meter.installation, crate::meter::Installation::default());
    let client = &config.clients["house"];
    assert_eq!((client.account.as_str(), client.meters.len()), ("main", 1));
    assert_eq!(config.state.path, Path::new("/var/lib/arkmeter"));
    assert_eq!(config.status.socket, Path::new("/run/arkmeter/control.sock"));
    assert_eq!((config.status.listen, config.status.hosts.len()), (None, 0));
}

#[test]
fn systemd_gives_the_folders_and_the_file_overrides_them() {
    let systemd = Environment {
        state_directory: Some("/srv/state".into()),
        runtime_directory: Some("/run/unit".into()),
        ..environment()
    };
    let file = Path::new("arkmeter.toml");
    let (config, _) = parse(file, GOOD, &systemd).unwrap();
    assert_eq!(config.state.path, Path::new("/srv/state"));
    assert_eq!(config.status.socket, Path::new("/run/unit/control.sock"));
    let user = Environment { user_runtime: Some("/run/user/1000".into()), ..environment() };
    let (config, _) = parse(file, GOOD, &user).unwrap();
    assert_eq!(config.status.socket, Path::new("/run/user/1000/arkmeter.sock"));
    let written = format!("{GOOD}[state]\npath = \"here\"\n[status]\nsocket = \"/run/own.sock\"\n");
    let (config, _) = parse(file, &written, &systemd).unwrap();
    assert_eq!(config.state.path, Path::new("/etc/arkmeter/here"));
    assert_eq!(config.status.socket, Path::new("/run/own.sock"));
}

#[test]
fn every_key_is_read() {
    let config = valid(
        r#"
        [account.main]
        url = "http://127.0.0.2:8545/v1"
        token_credential = "main"
        report_every = "1s"
        batch = "never"
        batch_max = 1000
        timeout = "500ms"
        proxy = "http://10.0.0.1:3128"
        ca_file = "ca.pem"
        [account.other]
        url = "http://[::1]:1/"
        token_file = "/t"
        [bus.gateway]
        tcp = "Meter.lan"
        timeout = "50ms"
        request_gap = "200ms"
        connect_delay = "1s"
        [bus.six]
        tcp = "[fd00::20]:1502"
        [bus.converter]
        rtu_over_tcp = "192.168.10.21:4196"
        [meter.a]
        bus = "gateway"
        unit = 0xF7
        profile = "acme-100"
        poll_every = "3m"
        energy_start = "zero"
        ct_ratio = "200/5"
        [meter.b]
        bus = "six"
        unit = 1
        profile = "acme-100"
        account = "other"
        [meter.c]
        bus = "converter"
        unit = 247
        profile = "acme-100"
        max_power = "1MW"
        poll_every = "100ms"
        reversed = true
        [client.both]
        client_id = "0x2222222222222222222222222222222222222222222222222222222222222222"
        meters = ["b", "c"]
        [client.one]
        client_id = "0x2222222222222222222222222222222222222222222222222222222222222222"
        meters = ["a"]
        account = "main"
        [profile.acme-100]
        vendor = "Acme"
        model = "100"
        max_power = "23kW"
        power = { register = 12, function = "input", type = "f32", unit = "W" }
        energy = { register = 72, function = "input", type = "u32", unit = "kWh", scale = "0.01" }
        export_energy = { register = 74, function = "input", type = "u32", unit = "kWh", scale = "0.01" }
        [status]
        listen = "0.0.0.0:0"
        allow_remote = true
        hosts = ["Gateway.lan", "192.168.10.5", "[fd00::5]"]
        "#,
    );
    assert_eq!(config.buses["gateway"].link, Link::Tcp("meter.lan:502".into()));
    assert_eq!(config.buses["six"].link, Link::Tcp("[fd00::20]:1502".into()));
    assert_eq!(config.buses["converter"].link, Link::RtuOverTcp("192.168.10.21:4196".into()));
    assert_eq!(config.meters["a"].max_power, Milliwatts(920_000_000), "the rating behind 200/5");
    assert_eq!(config.meters["c"].max_power, Milliwatts(1_000_000_000));
    assert!(config.meters["c"].installation.reversed);
    assert_eq!(config.clients["both"].account.as_str(), "other");
    assert_eq!(config.clients["one"].account.as_str(), "main");
    assert_eq!(config.accounts["main"].ca_file.as_deref(), Some(Path::new("/etc/arkmeter/ca.pem")));
    assert_eq!(config.status.hosts, ["gateway.lan", "192.168.10.5", "[fd00::5]"]);
}

#[test]
fn the_example_is_valid_and_its_commented_keys_are_the_defaults() {
    let example = include_str!("../../config/arkmeter.toml");
    let (config, warnings) = read(example).unwrap_or_else(|problems| panic!("{problems}"));
    let messages: Vec<_> = warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(messages, ["`meter.heat_pump.client_id` is still the placeholder of the example"]);
    let commented =
        |line: &str| line.starts_with('#') && line[1..].starts_with(|first: char| first.is_ascii_lowercase());
    let uncommented: Vec<_> = example.lines().map(|line| if commented(line) { &line[1..] } else { line }).collect();
    assert!(uncommented.iter().zip(example.lines()).filter(|(a, b)| *a != b).count() > 15);
    let (spelled_out, _) = read(&uncommented.join("\n")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(spelled_out, config);
}

#[test]
fn an_unreadable_file_is_reported_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let load = |path: &Path| {
        let error = Config::load(path, &Environment::default()).unwrap_err();
        error.render(false).replace(folder.path().to_str().unwrap(), "DIR")
    };
    let file = folder.path().join("arkmeter.toml");
    assert_eq!(
        load(&file),
        "there is no configuration at DIR/arkmeter.toml: make one with `arkmeter setup`, write one (see the annotated example), or name another with --config\n"
    );
    assert_eq!(load(folder.path()), "DIR is a folder: name the file in it with --config\n");
    assert_eq!(
        load(Path::new("/dev/null")),
        "/dev/null is a device, not a regular file: the configuration must be one\n"
    );
    std::fs::write(&file, b"# one\n# tw\xffo\n").unwrap();
    assert_eq!(load(&file), "DIR/arkmeter.toml, line 2: not UTF-8; save the file as UTF-8\n");
    std::fs::write(&file, "#".repeat((16 << 20) + 1)).unwrap();
    assert_eq!(
        load(&file),
        "DIR/arkmeter.toml is larger than 16 MiB, too large for a configuration: is it the right file?\n"
    );
    std::fs::write(&file, "colour = 1\n").unwrap();
    assert!(load(&file).contains("DIR/arkmeter.toml:1:1"), "{}", load(&file));
    std::fs::write(&file, GOOD.replace("/etc/arkmeter/main.token", "main.token")).unwrap();
    let (config, _) = Config::load(&file, &Environment::default()).unwrap();
    assert_eq!(config.accounts["main"].token, TokenSource::File(folder.path().join("main.token")));
}

#[test]
fn for_an_empty_file_the_minimum_is_shown() {
    let expected = "error: nothing to poll is configured: there is no [bus.NAME] and no [meter.NAME]
--> arkmeter.toml:1:1
 = help: the minimum is a bus and a meter on it:
         [bus.cabinet]
         serial = \"/dev/ttyUSB0\"
         [meter.house]
         bus = \"cabinet\"
         unit = 1
         profile = \"eastron-sdm630\"
         max_power = \"20kW\"
         to report it, add an [account.main] with a `token_file`, and the meter's `client_id`

arkmeter.toml: 1 error
";
    assert_eq!(read("").unwrap_err().to_string(), expected);
    assert!(
        read("# nothing\n[account.main]\ntoken_file = \"/t\"\n").unwrap_err().to_string().contains("nothing to poll")
    );
}

#[test]
fn the_minimum_is_valid_with_a_warning() {
    let least = GOOD.split_once("[bus").map(|(_, rest)| format!("[bus{rest}")).unwrap();
    let least: Vec<_> = least.lines().filter(|line| !line.starts_with("client_id")).collect();
    let (config, warnings) = read(&least.join("\n")).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(config.clients.is_empty() && config.accounts.is_empty());
    let messages: Vec<_> = warnings.iter().map(|warning| (warning.line, warning.message.as_str())).collect();
    assert_eq!(messages, [(1, "there is no [account.NAME]: meters are polled, and nothing is reported")]);
}

#[test]
fn a_bus_alone_is_enough_to_scan_it() {
    let (config, warnings) =
        read("[bus.cabinet]\nserial = \"/dev/ttyUSB0\"\n").unwrap_or_else(|problems| panic!("{problems}"));
    assert!(config.meters.is_empty());
    assert_eq!(warnings.warnings(), 1, "{warnings}");
}

#[test]
fn problems_are_in_the_order_of_the_file_and_limited_in_number() {
    let many: String = (0..2000).map(|index| format!("key_{index} = 1\n")).collect();
    let problems = read(&format!("{many}{GOOD}")).unwrap_err();
    assert!(problems.iter().map(|problem| problem.line).is_sorted());
    assert_eq!(problems.errors(), 1000);
    let text = problems.render(false);
    assert!(text.contains("... and 900 more"), "{}", &text[text.len() - 300..]);
    assert!(text.len() < 100_000, "{}", text.len());
}

#[test]
fn colours_are_optional() {
    let problems = read("").unwrap_err();
    assert!(!problems.render(false).contains('\u{1b}'));
    assert!(problems.render(true).contains('\u{1b}'));
}
