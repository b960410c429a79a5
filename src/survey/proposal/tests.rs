//! Configuration lines for units that were found.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::{Environment, parse};
use crate::meter::library;
use crate::modbus::{LinkSettings, SerialSettings};
use crate::units::{Parity, UnitId};

fn found(link: Link, unit: i64) -> FoundUnit {
    let timeout = Duration::from_millis(150);
    let settings =
        LinkSettings { link, timeout, request_gap: Duration::ZERO, connect_delay: Duration::ZERO, lender: None };
    FoundUnit { settings, unit: UnitId::new(unit).unwrap(), any_unit: false }
}

fn serial(baud: u32) -> Link {
    Link::Serial(SerialSettings { path: "/dev/no-such\"device".into(), baud, parity: Parity::Even, stop_bits: 1 })
}

fn config(text: &str) -> Config {
    parse(Path::new("arkmeter.toml"), text, &Environment::default()).unwrap().0
}

fn text(proposals: &[Result<Proposal, Name>]) -> String {
    let whole = |proposal: &Proposal| format!("{}\n{}", proposal.bus_lines.clone().unwrap_or_default(), proposal.lines);
    proposals.iter().flatten().map(whole).collect()
}

#[test]
fn proposed_lines_pass_the_check() {
    let profile = &library().find("eastron-sdm630").unwrap().profile;
    let all = [found(serial(19_200), 7), found(serial(19_200), 8), found(Link::RtuOverTcp("10.0.0.7:23".into()), 7)];
    let units: Vec<_> = all.iter().map(|found| (found, Some(&**profile))).collect();
    let proposals = propose(None, &units, Some(Milliwatts(20_000_000)));
    assert!(proposals.iter().flatten().all(|proposal| proposal.lacks.is_none()));
    let config = config(&text(&proposals));
    let meters: Vec<_> = config.meters.values().map(|it| (it.name.as_str(), it.bus.as_str(), it.unit.get())).collect();
    assert_eq!(meters, [("meter_7", "bus_1", 7), ("meter_7_2", "bus_2", 7), ("meter_8", "bus_1", 8)]);
    assert_eq!(config.buses["bus_1"].link, serial(19_200));
    assert_eq!(config.buses["bus_2"].link, Link::RtuOverTcp("10.0.0.7:23".into()));

    let again = propose(Some(&config), &units, None);
    assert_eq!(again.iter().filter(|known| known.is_err()).count(), 3);
    let other = found(serial(9600), 9);
    let other = propose(Some(&config), &[(&other, Some(&**profile))], None);
    let Ok(other) = &other[0] else { panic!("{other:?}") };
    assert_eq!((other.meter.as_str(), other.bus.as_str(), &other.bus_lines), ("meter_9", "bus_1", &None));
    assert!(other.lacks.is_some_and(|why| why.contains("another baud rate")), "{other:?}");
}

#[test]
fn an_unknown_model_is_a_comment() {
    let found = found(serial(9600), 3);
    let unknown = propose(None, &[(&found, None)], None);
    let Ok(unknown) = &unknown[0] else { panic!("{unknown:?}") };
    assert!(unknown.lacks.is_some() && unknown.lines.contains("arkmeter inspect"), "{unknown:?}");
    assert!(unknown.lines.parse::<toml::Table>().is_ok(), "the lines are TOML");
}

#[test]
fn answers_complete_the_lines_and_the_meter_of_the_example_does_not_count() {
    let profile = &library().find("eastron-sdm630").unwrap().profile;
    let example = config(&format!(
        "[account.main]\ntoken_file = \"main.token\"\n[bus.cabinet]\ntcp = \"10.0.0.7:502\"\n[meter.meter_1]\nbus = \"cabinet\"\nunit = 1\n\
         profile = \"eastron-sdm630\"\nclient_id = \"0x{}\"\nmax_power = \"20kW\"\n",
        "0".repeat(64)
    ));
    let found = found(Link::Tcp("10.0.0.7:502".into()), 1);
    let proposals = propose(Some(&example), &[(&found, Some(&**profile))], None);
    let Ok(mut proposal) = proposals[0].clone() else { panic!("{proposals:?}") };
    assert_eq!(
        (proposal.meter.as_str(), proposal.bus.as_str(), proposal.lacks_max_power()),
        ("meter_1", "cabinet", true)
    );
    let id = ClientId::parse(&format!("0x{}", "7".repeat(64))).unwrap();
    proposal.set_max_power(Milliwatts(17_250_000));
    proposal.set_client(id);
    assert_eq!(proposal.lacks, None);
    assert_eq!(
        proposal.lines,
        format!(
            "[meter.meter_1]\nbus = \"cabinet\"\nunit = 1\nprofile = \"eastron-sdm630\"\nmax_power = \"17250W\"\nclient_id = \"{}\"\n",
            id.to_hex()
        )
    );
}
