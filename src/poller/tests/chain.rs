//! Meters with a chain of SunSpec models: its base address, its models, and changes of it.

use super::*;
use crate::meter::library;
use crate::poller::PollReply;

const NOT_IMPLEMENTED: u16 = 0x8000;
const COMMON: (u16, u16) = (1, 65);
const INVERTER: (u16, u16) = (103, 50);
const INTEGER: (u16, u16) = (203, 105);
const FLOAT: (u16, u16) = (213, 124);

fn installed(profile: &str, chain_meter: Option<u8>) -> MeterConfig {
    let profile = library().find(profile).unwrap().profile.clone();
    let installation = crate::meter::Installation { chain_meter, ..Default::default() };
    MeterConfig { profile, installation, max_power: Milliwatts(1_000_000_000), ..meter(1, RARELY) }
}

fn sunspec() -> MeterConfig {
    installed("sunspec-meter", None)
}

/// Writes a chain with its end mark, and returns the addresses of its models. All registers hold plausible values.
fn set_chain(unit: &SimulatedUnit, base: u16, models: &[(u16, u16)]) -> Vec<u16> {
    let (starts, end) = set_models(unit, base, models);
    unit.set(Function::Holding, end, &[0xFFFF, 0]);
    starts
}

/// The same without the end mark, and the address where it would be.
fn set_models(unit: &SimulatedUnit, base: u16, models: &[(u16, u16)]) -> (Vec<u16>, u16) {
    unit.set(Function::Holding, base, &[0x5375, 0x6E53]);
    let (mut address, mut starts) = (base + 2, Vec::new());
    for (id, length) in models {
        unit.set(Function::Holding, address, &[*id, *length]);
        unit.set(Function::Holding, address + 2, &vec![3; usize::from(*length)]);
        if *id == 1 {
            let text = |at: u16, text: &str| {
                let mut bytes = text.as_bytes().to_vec();
                bytes.resize(32, 0);
                let words: Vec<_> = bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
                unit.set(Function::Holding, address + at, &words);
            };
            text(2, "Acme");
            text(18, "WND");
            text(50, &format!("SN{address}"));
        }
        starts.push(address);
        address += 2 + length;
    }
    (starts, address)
}

/// Sets power and energy of an integer model.
fn set_values(unit: &SimulatedUnit, start: u16, watts: i16, kilowatt_hours: u32) {
    unit.set(Function::Holding, start + 18, &[(watts / 10) as u16]);
    unit.set(Function::Holding, start + 22, &[1]);
    unit.set_u32(Function::Holding, start + 46, kilowatt_hours, WordOrder::Big);
    unit.set(Function::Holding, start + 54, &[3]);
}

fn set_float_values(unit: &SimulatedUnit, start: u16, watts: f32, watt_hours: f32) {
    unit.set_f32(Function::Holding, start + 28, watts);
    unit.set_f32(Function::Holding, start + 68, watt_hours);
}

fn kilowatt_hours(values: &Values) -> Option<u64> {
    Some(values.register?.value.get() / 1_000_000)
}

async fn once(unit: &SimulatedUnit, meter: MeterConfig) -> PollReply {
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    read_once(&tcp(&gateway).link_settings(), &[meter], &clock()).await.remove(0).1
}

#[tokio::test]
async fn a_chain_is_found_at_each_base_and_read_in_one_request() {
    for base in [40000, 50000, 0, 40001] {
        let unit = SimulatedUnit::new(1);
        let starts = set_chain(&unit, base, &[COMMON, INVERTER, COMMON, INTEGER]);
        set_values(&unit, starts[3], -1230, 77);
        let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
        let mut running = Running::start(tcp(&gateway), vec![sunspec()], 8);
        let reading = running.reading().await;
        assert_eq!(reading.values.power, Some(Milliwatts(-1_230_000)), "{base}");
        assert_eq!(kilowatt_hours(&reading.values), Some(77));
        assert_eq!(reading.values.serial, Some(format!("SN{}", starts[2])), "of the Common model before it");
        unit.take_requests();
        running.read_now(&[]).await;
        assert_eq!(unit.take_requests(), [(3, starts[3], 55)], "one request, which includes the model's id");
    }
}

#[tokio::test]
async fn anything_but_a_header_ends_a_chain() {
    let codes = [1, 2, 3, 4, 6, 0x0B].map(UnitFault::Exception);
    for fault in codes.into_iter().chain([UnitFault::Silent, UnitFault::WrongLength]) {
        let unit = SimulatedUnit::new(1);
        let (starts, _) = set_models(&unit, 40000, &[COMMON, INTEGER]);
        set_values(&unit, starts[1], 1230, 77);
        unit.fault_missing(fault);
        let values = once(&unit, sunspec()).await.whole().unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(kilowatt_hours(&values), Some(77), "{fault:?}");
    }
}

/// A silence before the meter's model is the silence of the meter, not the end of its chain.
#[tokio::test]
async fn a_silence_within_the_chain_is_no_end_of_it() {
    let unit = SimulatedUnit::new(1);
    set_models(&unit, 40000, &[COMMON]);
    unit.fault_missing(UnitFault::Silent);
    let error = once(&unit, sunspec()).await.whole().unwrap_err();
    assert!(error.contains("no answer from unit 1") && !error.contains("this is not"), "{error}");
}

#[tokio::test]
async fn scale_factors_are_read_with_the_values() {
    let unit = SimulatedUnit::new(1);
    let start = set_chain(&unit, 40000, &[COMMON, INTEGER])[1];
    set_values(&unit, start, 100, 5);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![sunspec()], 8);
    running.reading().await;
    unit.set(Function::Holding, start + 18, &[1234]);
    unit.set(Function::Holding, start + 22, &[(-1_i16) as u16]);
    unit.set(Function::Holding, start + 54, &[4]);
    running.read_now(&[]).await;
    let values = running.reading().await.values;
    assert_eq!((values.power, kilowatt_hours(&values)), (Some(Milliwatts(123_400)), Some(50)));
}

#[tokio::test]
async fn chain_meter_selects_one_of_several_meters() {
    let unit = SimulatedUnit::new(1);
    let starts = set_chain(&unit, 40000, &[COMMON, INVERTER, COMMON, INTEGER, COMMON, INTEGER]);
    set_values(&unit, starts[3], 100, 11);
    set_values(&unit, starts[5], 200, 22);
    let error = once(&unit, sunspec()).await.whole().unwrap_err();
    assert!(error.contains("several meters are in the chain at 40000. Write chain_meter = 1 (or 2, ..)"), "{error}");
    let second = format!("2 is model 203 at {} (Acme, WND, SN{})", starts[5], starts[4]);
    assert!(error.contains("1 is model 203 at 40188 (Acme, WND, SN40121); ") && error.contains(&second), "{error}");
    for (number, kilowatts) in [(1, 11), (2, 22)] {
        let values = once(&unit, installed("sunspec-meter", Some(number))).await.whole().unwrap();
        assert_eq!(kilowatt_hours(&values), Some(kilowatts));
    }
    let error = once(&unit, installed("sunspec-meter", Some(3))).await.whole().unwrap_err();
    assert!(error.contains("there is no meter 3 in the chain"), "{error}");
}

#[tokio::test]
async fn a_chain_of_another_manufacturer_is_another_meter() {
    let unit = SimulatedUnit::new(1);
    let starts = set_chain(&unit, 40000, &[COMMON, INTEGER]);
    set_values(&unit, starts[1], 100, 11);
    let error = once(&unit, installed("solaredge-meter-1", None)).await.whole().unwrap_err();
    assert!(
        error.contains("the chain's manufacturer is \"Acme\", where the profile expects \"SolarEdge..\""),
        "{error}"
    );
}

#[tokio::test]
async fn a_chain_in_another_meter_is_named_in_the_error() {
    let unit = SimulatedUnit::new(1);
    let starts = set_chain(&unit, 40000, &[COMMON, INTEGER]);
    set_values(&unit, starts[1], 100, 11);
    let error = once(&unit, installed("carlo-gavazzi-em24", None)).await.whole().unwrap_err();
    assert!(error.contains("it has a chain of SunSpec models: try the profile sunspec-meter"), "{error}");
}

#[tokio::test]
async fn a_model_that_moved_is_not_read_at_its_old_address() {
    let unit = SimulatedUnit::new(1);
    let before = set_chain(&unit, 40000, &[COMMON, INTEGER])[1];
    set_values(&unit, before, 100, 11);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![sunspec()], 8);
    let first = running.reading().await;
    // After a firmware update, an inverter's model comes before the meter.
    let after = set_chain(&unit, 40000, &[COMMON, INVERTER, COMMON, INTEGER])[3];
    set_values(&unit, after, 100, 12);
    let error = running.read_now(&[]).await.remove(0).1.unwrap_err();
    assert!(error.contains("where model 203 at 40069 was, with 105 registers, there are 103 and 50 now"), "{error}");
    assert!(running.readings.try_recv().is_err(), "no reading goes to the ledger");
    running.read_now(&[]).await;
    let second = running.reading().await;
    assert_eq!(kilowatt_hours(&second.values), Some(12));
    assert_eq!(first.definition, second.definition, "it is the same counter at another address");
    assert!(second.definition.unwrap().text.contains("models 201 202 203 204, meter 1: [holding 0x002e u32"));
}

#[tokio::test]
async fn a_change_from_integers_to_floats_is_followed() {
    let unit = SimulatedUnit::new(1);
    let start = set_chain(&unit, 40000, &[COMMON, INTEGER])[1];
    set_values(&unit, start, 100, 11);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![sunspec()], 16);
    let first = running.reading().await;
    set_chain(&unit, 40000, &[COMMON, FLOAT]);
    set_float_values(&unit, start, 150.5, 12_000.0);
    let error = running.read_now(&[]).await.remove(0).1;
    assert!(error.is_err() && running.readings.try_recv().is_err(), "no reading goes to the ledger");
    running.read_now(&[]).await;
    let second = running.reading().await;
    let says = |report: &BusReport| report.meters[&name("meter_1")].map.clone();
    running.report(|report| says(report).as_deref() == Some("map float, model 213 at 40069")).await;
    assert_eq!((second.values.power, kilowatt_hours(&second.values)), (Some(Milliwatts(150_500)), Some(12)));
    let texts = [&first, &second].map(|reading| reading.definition.as_ref().unwrap().text.clone());
    assert!(texts[0].contains("u32") && texts[1].contains("f32"), "the ledger gets the new definition: {texts:?}");
    // Back to integers.
    set_chain(&unit, 40000, &[COMMON, INTEGER]);
    set_values(&unit, start, 100, 13);
    running.read_now(&[]).await;
    running.read_now(&[]).await;
    assert_eq!(kilowatt_hours(&running.reading().await.values), Some(13));
}

#[tokio::test]
async fn a_model_with_another_header_gives_no_reading() {
    let unit = SimulatedUnit::new(1);
    let start = set_chain(&unit, 40000, &[COMMON, INTEGER])[1];
    set_values(&unit, start, 100, 11);
    // The header may change between the identification and the read: only the identified header is accepted.
    for header in [[0, 0], [204, 105], [203, 104], [0xFFFF, 0]] {
        let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
        let mut running = Running::start(tcp(&gateway), vec![sunspec()], 8);
        running.reading().await;
        unit.set(Function::Holding, start, &header);
        running.read_now(&[]).await;
        assert!(running.readings.try_recv().is_err(), "{header:?}");
        unit.set(Function::Holding, start, &[203, 105]);
    }
}

#[tokio::test]
async fn a_value_that_is_not_implemented_is_missing() {
    let unit = SimulatedUnit::new(1);
    let start = set_chain(&unit, 40000, &[COMMON, INTEGER])[1];
    let set = |offset: u16, words: &[u16]| unit.set(Function::Holding, start + offset, words);
    for (offset, words, has_power, has_energy) in [
        (18, vec![NOT_IMPLEMENTED], false, true),
        (22, vec![NOT_IMPLEMENTED], false, true),
        (46, vec![0, 0], true, false),
        (54, vec![NOT_IMPLEMENTED], true, false),
        (22, vec![77], false, true),
    ] {
        set_values(&unit, start, 100, 11);
        set(offset, &words);
        let values = once(&unit, sunspec()).await.values;
        assert_eq!((values.power.is_some(), values.register.is_some()), (has_power, has_energy), "{offset}");
    }
    let unit = SimulatedUnit::new(1);
    let start = set_chain(&unit, 40000, &[COMMON, FLOAT])[1];
    set_float_values(&unit, start, f32::NAN, 1000.0);
    let values = once(&unit, sunspec()).await.values;
    assert_eq!((values.power, kilowatt_hours(&values)), (None, Some(1)));
}

#[tokio::test]
async fn an_unusable_chain_is_refused_with_the_reason() {
    let nothing = SimulatedUnit::new(1);
    nothing.set(Function::Holding, 40000, &[1, 2]);
    let error = once(&nothing, sunspec()).await.whole().unwrap_err();
    assert!(
        error.contains("this is not sunspec-meter: no chain of models (SunS) starts at its base addresses"),
        "{error}"
    );

    let inverter = SimulatedUnit::new(1);
    set_chain(&inverter, 40000, &[COMMON, INVERTER]);
    let error = once(&inverter, sunspec()).await.whole().unwrap_err();
    assert!(error.contains("the chain at 40000 has the models 1, 103, but none of 201, 202"), "{error}");

    let endless = SimulatedUnit::new(1);
    set_chain(&endless, 40000, &[(7, 0); 150]);
    let error = once(&endless, sunspec()).await.whole().unwrap_err();
    assert!(error.contains("it has no end: more than 100 models"), "{error}");

    let short = SimulatedUnit::new(1);
    let start = set_chain(&short, 40000, &[COMMON, (203, 40)])[1];
    set_values(&short, start, 100, 11);
    let error = once(&short, sunspec()).await.whole().unwrap_err();
    assert!(error.contains("has 40 registers, but sunspec-meter needs 53"), "{error}");

    let beyond = SimulatedUnit::new(1);
    set_chain(&beyond, 40000, &[COMMON]);
    beyond.set(Function::Holding, 40069, &[203, 65000]);
    let error = once(&beyond, sunspec()).await.whole().unwrap_err();
    assert!(error.contains("model 203 at 40069 ends beyond register 65535"), "{error}");
}

#[tokio::test]
async fn an_unusable_chain_is_read_again_only_for_a_command() {
    let inverter = SimulatedUnit::new(1);
    set_chain(&inverter, 40000, &[COMMON, INVERTER]);
    let gateway = SimulatedGateway::start([inverter.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![MeterConfig { poll_every: OFTEN, ..sunspec() }], 8);
    let polls = |count: u64| move |report: &BusReport| report.meters.values().any(|meter| meter.polls >= count);
    running.report(polls(1)).await;
    let requests = gateway.requests();
    let report = running.report(polls(5)).await;
    assert!(
        report.meters.values().all(|meter| meter.error.as_ref().is_some_and(|error| error.contains("models 1, 103")))
    );
    assert_eq!(gateway.requests(), requests, "no request during the wait");
    running.read_now(&[]).await;
    assert!(gateway.requests() > requests);
}

#[tokio::test]
async fn a_chain_without_an_end_mark_is_read_to_its_last_model() {
    let unit = SimulatedUnit::new(1);
    unit.set(Function::Holding, 40000, &[0x5375, 0x6E53, 203, 105]);
    unit.set(Function::Holding, 40004, &[3; 105]);
    set_values(&unit, 40002, 100, 11);
    let values = once(&unit, sunspec()).await.whole().unwrap();
    assert_eq!((kilowatt_hours(&values), values.serial), (Some(11), None), "it has no Common model");
    // The device has fewer registers than the header says: the values are refused.
    let cut = SimulatedUnit::new(1);
    cut.set(Function::Holding, 40000, &[0x5375, 0x6E53, 203, 105]);
    cut.set(Function::Holding, 40004, &[3; 30]);
    let error = once(&cut, sunspec()).await.whole().unwrap_err();
    assert!(error.contains("exception 2"), "{error}");
}

#[tokio::test]
async fn after_silence_at_one_base_address_the_next_poll_tries_another() {
    let unit = SimulatedUnit::new(1);
    let start = set_chain(&unit, 50000, &[COMMON, INTEGER])[1];
    set_values(&unit, start, 100, 11);
    unit.fault_next(1, UnitFault::Silent);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![sunspec()], 8);
    running.report(|report| report.meters.values().any(|meter| meter.failures > 0)).await;
    assert_eq!(unit.take_requests(), [(3, 40000, 2)], "only one timeout in a poll: other meters wait");
    running.read_now(&[]).await;
    assert_eq!(kilowatt_hours(&running.reading().await.values), Some(11));
    assert_eq!(unit.take_requests()[0], (3, 50000, 2));
}
