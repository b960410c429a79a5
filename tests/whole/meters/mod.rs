//! Every built-in meter, simulated from the facts about its registers (facts.toml, never its profile) and read by the real poller.

mod fact;
mod simulated;

use std::collections::BTreeSet;
use std::path::Path;

use arkmeter::clock::Clock;
use arkmeter::config::{self, Config, Environment};
use arkmeter::meter::{Installation, ReadPlan, library};
use arkmeter::poller::{PollReply, read_once};
use arkmeter::simulator::SimulatedGateway;
use arkmeter::units::Name;
use fact::Fact;
use simulated::{Scene, Simulated};

/// Each simulated meter with the poller's reply.
type Replies = Vec<(Simulated, PollReply)>;

#[test]
fn every_profile_has_its_facts_and_every_fact_its_profile() {
    let facts: BTreeSet<_> = fact::all().into_iter().map(|fact| fact.profile).collect();
    let profiles: BTreeSet<_> = library().names().map(str::to_owned).collect();
    assert_eq!(facts, profiles);
}

#[test]
fn a_poll_takes_as_many_requests_as_the_facts_say() {
    for fact in fact::all() {
        let profile = &library().find(&fact.profile).unwrap().profile;
        let requests = ReadPlan::new(profile, &Installation::default()).ranges().len();
        assert_eq!(requests, fact.requests, "{}", fact.profile);
    }
}

#[tokio::test]
async fn every_meter_is_read_as_its_facts_say() {
    for (meter, reply) in read(Scene::Importing, "").await {
        let values = reply.whole().unwrap_or_else(|error| panic!("{meter}: {error}"));
        assert_eq!(values.power.map(|power| power.0), Some(meter.power), "{meter}: power");
        assert_eq!(values.register.map(|register| register.value.get()), Some(meter.import), "{meter}: energy");
        assert_eq!(values.serial, meter.serial, "{meter}: serial number");
    }
}

#[tokio::test]
async fn exported_power_is_negative() {
    let mut signed = 0;
    for (meter, reply) in read(Scene::Exporting, "").await {
        let values = reply.whole().unwrap_or_else(|error| panic!("{meter}: {error}"));
        assert_eq!(values.power.map(|power| power.0), Some(meter.power), "{meter}: power");
        signed += usize::from(meter.power < 0);
    }
    assert!(signed > 90, "only {signed} meters have a sign");
}

#[tokio::test]
async fn a_meter_wired_in_reverse_counts_its_export() {
    for (meter, reply) in read(Scene::Importing, "reversed = true").await {
        let values = reply.whole().unwrap_or_else(|error| panic!("{meter}: {error}"));
        assert_eq!(values.power.map(|power| power.0), Some(-meter.power), "{meter}: power");
        assert_eq!(values.register.map(|register| register.value.get()), meter.export, "{meter}: energy");
    }
}

#[tokio::test]
async fn a_meters_pattern_for_no_value_gives_no_value() {
    for (meter, reply) in read(Scene::NoValue, "").await {
        assert!(has_no_value(&reply), "{meter}: {reply:?}");
    }
}

#[tokio::test]
async fn a_meter_with_another_identity_is_not_read() {
    let mut checked = 0;
    for (meter, reply) in read(Scene::Another, "").await {
        assert!(has_no_value(&reply), "{meter}: {reply:?}");
        checked += 1;
    }
    assert!(checked > 15, "only {checked} meters have an identity");
}

#[tokio::test]
async fn a_meter_with_a_wrong_setting_is_not_read() {
    for (meter, reply) in read(Scene::WronglySet, "").await {
        assert!(has_no_value(&reply), "{meter}: its registers mean something else: {reply:?}");
        assert!(reply.error.as_ref().is_some_and(|error| error.contains("= ")), "{meter}: {reply:?}");
    }
}

/// Whether the reply has no value, and an error.
fn has_no_value(reply: &PollReply) -> bool {
    reply.values.power.is_none() && reply.values.register.is_none() && reply.error.is_some()
}

/// Reads all meters of the library once, as units of one gateway. `setting` is added to each meter's table; meters that cannot have it are
/// left out.
async fn read(scene: Scene, setting: &str) -> Replies {
    let reversed = setting.contains("reversed");
    let facts = fact::all();
    let meters: Vec<_> = facts
        .iter()
        .flat_map(Fact::views)
        .filter(|view| scene.suits(view.fact) && (!reversed || view.can_reverse()))
        .collect();
    let meters: Vec<_> = (1..).zip(&meters).map(|(unit, view)| Simulated::new(unit, view, scene)).collect();
    let gateway = SimulatedGateway::start(meters.iter().map(|meter| meter.unit.clone())).await.unwrap();
    let mut text = format!("[bus.bus]\ntcp = \"{}\"\ntimeout = \"10s\"\n", gateway.address());
    for meter in &meters {
        let (unit, profile, map) = (meter.unit.unit(), &meter.profile, meter.map.as_ref());
        let map = map.map(|map| format!("map = \"{map}\"\n")).unwrap_or_default();
        text.push_str(&format!(
            "[meter.m{unit}]\nbus = \"bus\"\nunit = {unit}\nprofile = \"{profile}\"\nmax_power = \"1GW\"\n{map}{setting}\n"
        ));
    }
    let config = configuration(&text);
    let polled: Vec<_> = config.meters.values().cloned().collect();
    let bus = config.buses.values().next().unwrap();
    let mut reply = read_once(&bus.link_settings(), &polled, &Clock::system()).await;
    let mut of = |name: &Name| {
        let place = reply.iter().position(|(of, _)| of == name).unwrap();
        reply.swap_remove(place).1
    };
    meters
        .into_iter()
        .map(|meter| {
            let name = Name::new(&format!("m{}", meter.unit.unit())).unwrap();
            let reply = of(&name);
            (meter, reply)
        })
        .collect()
}

fn configuration(text: &str) -> Config {
    let environment = Environment::of_process();
    let (config, _) =
        config::parse(Path::new("meters.toml"), text, &environment).unwrap_or_else(|problems| panic!("{problems}"));
    config
}
