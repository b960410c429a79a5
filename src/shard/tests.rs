use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;

use super::*;
use crate::units::Name;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn count(shards: u16) -> ShardCount {
    ShardCount::new(shards).unwrap()
}

fn given(name: &'static str, text: &str) -> Option<GivenNumber> {
    Some(GivenNumber { name, text: text.to_owned() })
}

/// From the environment; an empty text for a variable that is not set.
fn numbers(shards: &str, shard: &str, index: &str) -> Result<Option<Sharding>, String> {
    let of = |name, text: &str| (!text.is_empty()).then(|| given(name, text)).flatten();
    let numbers = ShardNumbers {
        shards: of("ARKMETER_SHARDS", shards),
        shard: of("ARKMETER_SHARD", shard),
        index: of("ARKMETER_SHARD_INDEX", index),
    };
    numbers.sharding().map_err(|error| error.to_string())
}

#[test]
fn a_shard_is_known_by_its_number_from_1_or_its_index_from_0() {
    let second = Ok(count(4).shard(2).map(Sharding::One));
    assert_eq!(numbers("4", "2", ""), second);
    assert_eq!(numbers("4", "", "1"), second);
    assert_eq!(numbers("4", "2", "1"), second);
    assert_eq!(numbers("4", "", ""), Ok(Some(Sharding::All(count(4)))));
    assert_eq!(numbers("", "", ""), Ok(None));
    assert_eq!(numbers("1", "1", ""), Ok(count(1).shard(1).map(Sharding::One)));
}

#[test]
fn wrong_numbers_are_named_with_what_they_must_be() {
    let message = |shards, shard, index| numbers(shards, shard, index).unwrap_err();
    assert_eq!(message("4", "0", ""), "ARKMETER_SHARD is 0, but there are 4 shards: it must be a number from 1 to 4");
    assert_eq!(message("4", "5", ""), "ARKMETER_SHARD is 5, but there are 4 shards: it must be a number from 1 to 4");
    assert_eq!(
        message("4", "", "4"),
        "ARKMETER_SHARD_INDEX is 4, but there are 4 shards: it must be a number from 0 to 3"
    );
    assert_eq!(message("1", "2", ""), "ARKMETER_SHARD is 2, but there is 1 shard: it must be a number from 1 to 1");
    assert_eq!(message("0", "1", ""), "ARKMETER_SHARDS is \"0\": it must be a whole number from 1 to 256");
    assert_eq!(message("257", "1", ""), "ARKMETER_SHARDS is \"257\": it must be a whole number from 1 to 256");
    assert_eq!(message("+4", "1", ""), "ARKMETER_SHARDS is \"+4\": it must be a whole number from 1 to 256");
    assert_eq!(
        message("4", "{{.Task.Slot}}", ""),
        "ARKMETER_SHARD is \"{{.Task.Slot}}\": it must be a whole number from 1 to 4"
    );
    assert_eq!(
        message("4", "2", "2"),
        "ARKMETER_SHARD is 2 and ARKMETER_SHARD_INDEX is 2, which is shard 3: the first counts from 1, the second from 0; give only one of \
         them"
    );
    let missing = "is given, but not how many shards there are: set ARKMETER_SHARDS, or add --shards";
    assert_eq!(message("", "2", ""), format!("ARKMETER_SHARD {missing}"));
    assert_eq!(message("", "", "2"), format!("ARKMETER_SHARD_INDEX {missing}"));
}

#[test]
fn an_empty_variable_is_an_error() {
    let numbers = ShardNumbers { shards: given("ARKMETER_SHARDS", ""), ..ShardNumbers::default() };
    assert!(numbers.sharding().is_err());
}

#[test]
fn each_shard_has_its_folder_its_socket_and_its_owner() {
    let shard = count(4).shard(2).unwrap();
    assert_eq!(shard.state_folder(Path::new("/state")), Path::new("/state/shard-2"));
    assert_eq!(shard.socket(Path::new("/run/arkmeter/control.sock")), Path::new("/run/arkmeter/control-shard-2.sock"));
    assert_eq!(shard.socket(Path::new("/run/ark")), Path::new("/run/ark-shard-2"));
    assert_eq!((shard.to_string(), shard.owner()), ("2 of 4".to_owned(), "shard 2 of 4".to_owned()));
    assert_eq!(Shard::of_owner(&shard.owner()), Some(shard));
    for other in ["0123abcd", "shard 5 of 4", "shard 0 of 4", "shard 2", ""] {
        assert_eq!(Shard::of_owner(other), None, "{other}");
    }
    assert_eq!((count(4).shard(0), count(4).shard(5)), (None, None));
    assert_eq!((ShardCount::new(0), ShardCount::new(257)), (None, None));
}

type Clients = BTreeMap<Name, BTreeSet<Name>>;

fn assigned(shards: u16, buses: &BTreeMap<Name, Option<u16>>, clients: &Clients) -> Result<Assignment, PinConflict> {
    let buses: Vec<_> = buses
        .iter()
        .map(|(name, pin)| ShardedBus { name, pin: pin.map(|pin| count(shards).shard(pin).unwrap()) })
        .collect();
    let clients = clients.iter().map(|(client, buses)| (client, buses.iter().collect())).collect();
    assign(count(shards), &buses, &clients)
}

/// The shard of each of `gateway-0`, `gateway-1` ...
fn gateways(many: usize, shards: u16) -> BTreeMap<Name, u16> {
    let buses = (0..many).map(|bus| (name(&format!("gateway-{bus}")), None)).collect();
    let assignment = assigned(shards, &buses, &Clients::new()).unwrap();
    assignment.shards().into_iter().map(|(bus, shard)| (bus.clone(), shard.number())).collect()
}

#[test]
fn the_assignment_never_changes() {
    // The ledgers of running sites are where this put them.
    let shards: Vec<_> = (0..12).map(|bus| gateways(12, 4)[&name(&format!("gateway-{bus}"))]).collect();
    assert_eq!(shards, [2, 4, 1, 4, 4, 1, 3, 1, 4, 2, 3, 4]);
}

/// `ARKMETER_GATEWAYS` gateways, else 500.
#[test]
#[allow(clippy::print_stdout, reason = "prints the plan")]
fn the_plan_moves_only_the_part_of_the_new_shard() {
    let many = std::env::var("ARKMETER_GATEWAYS").map_or(500, |many| many.parse().unwrap());
    let mut before = gateways(many, 1);
    for shards in 2..=16 {
        let after = gateways(many, shards);
        let moved: Vec<_> = before.iter().filter(|(bus, shard)| after[*bus] != **shard).map(|(bus, _)| bus).collect();
        assert!(moved.iter().all(|bus| after[*bus] == shards), "{shards}");
        let mean = many as f64 / f64::from(shards);
        let largest = (1..=shards).map(|shard| after.values().filter(|other| **other == shard).count()).max().unwrap();
        let times = largest as f64 / mean;
        println!(
            "{shards} shards: largest {times:.2} of the mean, {} of {many} moved, {mean:.0} expected",
            moved.len()
        );
        assert!((0.6..1.4).contains(&(moved.len() as f64 / mean)) && times < 1.5, "{shards}");
        before = after;
    }
}

#[test]
fn a_pin_takes_the_whole_group_and_two_pins_can_contradict_each_other() {
    let clients = Clients::from([(name("building"), [name("a"), name("b")].into())]);
    let pinned = |a, b| assigned(4, &BTreeMap::from([(name("a"), a), (name("b"), b)]), &clients);
    for shard in 1..=4 {
        let groups = pinned(None, Some(shard)).unwrap().groups;
        let group = BusGroup {
            buses: [name("a"), name("b")].into(),
            clients: [name("building")].into(),
            pinned: Some(name("b")),
            shard: count(4).shard(shard).unwrap(),
        };
        assert_eq!(groups, [group]);
    }
    assert_eq!(
        pinned(Some(1), Some(2)).unwrap_err().to_string(),
        "buses a and b are pinned to shards 1 and 2, but share a client (building)"
    );
}

fn any_name() -> impl Strategy<Value = Name> {
    "[a-z]{1,3}".prop_map(|text| name(&text))
}

prop_compose! {
    fn any_site()(buses in btree_set(any_name(), 1..40))(
        clients in btree_map(any_name(), btree_set(proptest::sample::select(buses.iter().cloned().collect::<Vec<_>>()), 1..4), 0..12),
        buses in Just(buses),
    ) -> (BTreeSet<Name>, Clients) {
        (buses, clients)
    }
}

fn unpinned(buses: &BTreeSet<Name>) -> BTreeMap<Name, Option<u16>> {
    buses.iter().map(|bus| (bus.clone(), None)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn each_bus_is_in_one_shard_and_the_buses_of_a_client_are_together(
        (buses, clients) in any_site(), shards in 1_u16..20,
    ) {
        let assignment = assigned(shards, &unpinned(&buses), &clients).unwrap();
        let of_bus = assignment.shards();
        prop_assert_eq!(of_bus.keys().copied().collect::<Vec<_>>(), buses.iter().collect::<Vec<_>>());
        prop_assert_eq!(assignment.groups.iter().map(|group| group.buses.len()).sum::<usize>(), buses.len());
        for members in clients.values() {
            let shards: BTreeSet<_> = members.iter().map(|bus| of_bus[bus]).collect();
            prop_assert_eq!(shards.len(), 1);
        }
    }

    #[test]
    fn a_new_bus_moves_no_other((buses, clients) in any_site(), shards in 1_u16..20, new in any_name()) {
        let before = assigned(shards, &unpinned(&buses), &clients).unwrap();
        let mut more = buses.clone();
        prop_assume!(more.insert(new));
        let after = assigned(shards, &unpinned(&more), &clients).unwrap();
        let after = after.shards();
        for (bus, shard) in before.shards() {
            prop_assert_eq!(after[bus], shard);
        }
    }

    #[test]
    fn a_bus_that_joins_a_group_and_sorts_after_it_moves_no_other((buses, mut clients) in any_site(), shards in 1_u16..20) {
        let before = assigned(shards, &unpinned(&buses), &clients).unwrap();
        let mut more = buses.clone();
        more.insert(name("zzzz"));
        prop_assume!(!clients.is_empty());
        clients.first_entry().unwrap().get_mut().insert(name("zzzz"));
        let after = assigned(shards, &unpinned(&more), &clients).unwrap();
        let after = after.shards();
        for (bus, shard) in before.shards() {
            prop_assert_eq!(after[bus], shard);
        }
    }
}
