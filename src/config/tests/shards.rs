//! Configurations of which each of several daemons runs a part.

use super::*;
use crate::shard::{ShardCount, Sharding};
use crate::units::Name;

const GATEWAYS: &str = r#"
[account.main]
token_file = "/etc/arkmeter/main.token"
[account.other]
token_file = "/etc/arkmeter/other.token"
[bus.one]
tcp = "10.0.0.1"
shard = 1
[bus.two]
tcp = "10.0.0.2"
[bus.three]
tcp = "10.0.0.3"
shard = 2
[meter.a]
bus = "one"
unit = 1
profile = "eastron-sdm630"
max_power = "20kW"
[meter.b]
bus = "two"
unit = 1
profile = "eastron-sdm630"
max_power = "20kW"
[meter.c]
bus = "three"
unit = 1
profile = "eastron-sdm630"
max_power = "20kW"
account = "other"
client_id = "0x1111111111111111111111111111111111111111111111111111111111111111"
[client.building]
client_id = "0x2222222222222222222222222222222222222222222222222222222222222222"
account = "main"
meters = ["a", "b"]
"#;

/// The configuration of shard `number`, or of all if it is 0.
fn of_shard(text: &str, number: u16, count: u16) -> Result<(Config, Problems), Problems> {
    let count = ShardCount::new(count).unwrap();
    let sharding = Some(count.shard(number).map_or(Sharding::All(count), Sharding::One));
    parse(Path::new("arkmeter.toml"), text, &Environment { sharding, ..environment() })
}

#[test]
fn a_shard_has_its_buses_with_all_that_is_on_them_and_all_accounts() {
    let part = |number| of_shard(GATEWAYS, number, 2).unwrap().0;
    let names = |config: &Config| {
        let buses: Vec<_> = config.buses.keys().map(Name::to_string).collect();
        let meters: Vec<_> = config.meters.keys().map(Name::to_string).collect();
        let clients: Vec<_> = config.clients.keys().map(Name::to_string).collect();
        (buses.join(" "), meters.join(" "), clients.join(" "), config.accounts.len())
    };
    let (first, second, all) = (part(1), part(2), part(0));
    assert_eq!(names(&first), ("one two".into(), "a b".into(), "building".into(), 2));
    assert_eq!(names(&second), ("three".into(), "c".into(), "c".into(), 2));
    assert_eq!(names(&all), ("one three two".into(), "a b c".into(), "building c".into(), 2));
    assert_eq!(second.state.path, Path::new("/var/lib/arkmeter/shard-2"));
    assert_eq!(second.status.socket, Path::new("/run/arkmeter/control-shard-2.sock"));
    assert_eq!((second.shard.map(|shard| shard.to_string()), all.shard), (Some("2 of 2".to_owned()), None));
    assert_eq!(all.state.path, Path::new("/var/lib/arkmeter"));
    // Without shards the pins have no effect.
    assert_eq!(names(&valid(GATEWAYS)), names(&all));
}

#[test]
fn what_no_shard_can_run_is_an_error_with_its_place() {
    let message = |text: &str, count| of_shard(text, 1, count).unwrap_err().to_string();
    assert_eq!(
        message(GOOD, 4),
        "error: [bus.cabinet] is a serial line, and which shard has it is not said
 --> arkmeter.toml:4:6
  |
4 | [bus.cabinet]
  |      ^^^^^^^ add `shard = 1`, with the number of the shard that runs where this line ends

arkmeter.toml: 1 error
"
    );
    let pinned = GOOD.replace("serial = ", "shard = 3\nserial = ");
    assert_eq!(of_shard(&pinned, 3, 4).unwrap().0.meters.len(), 1);
    assert_eq!(of_shard(&pinned, 1, 4).unwrap().0.meters.len(), 0);
    assert_eq!(
        message(&pinned, 2),
        "error: [bus.cabinet] is pinned to shard 3, but the last shard is 2
 --> arkmeter.toml:4:6
  |
4 | [bus.cabinet]
  |      ^^^^^^^ a `shard` from 1 to 2, or none: then its name decides

arkmeter.toml: 1 error
"
    );
    let torn = GATEWAYS.replace("meters = [\"a\", \"b\"]", "meters = [\"a\", \"b\", \"c\"]");
    let torn = torn.replace("client_id = \"0x1", "# ").replace("account = \"other\"", "");
    let problem = message(&torn, 2);
    let conflict = "error: buses one and three are pinned to shards 1 and 2, but share a client (building)\n  --> arkmeter.toml:11:6";
    assert!(problem.contains(conflict), "{problem}");
    let zero = GOOD.replace("serial = ", "shard = 0\nserial = ");
    assert!(read(&zero).unwrap_err().to_string().contains("`bus.cabinet.shard`"));
}

#[test]
fn the_suffix_of_the_shard_fits_into_the_path_of_a_socket() {
    let text = |length: usize| format!("{GATEWAYS}[status]\nsocket = \"/{}\"\n", "s".repeat(length - 1));
    assert!(of_shard(&text(97), 1, 2).is_ok());
    assert!(of_shard(&text(98), 1, 2).unwrap_err().to_string().contains("at most 97 bytes"));
    assert!(parse(Path::new("arkmeter.toml"), &text(107), &environment()).is_ok());
}
