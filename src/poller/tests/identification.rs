//! Meters of another model, with a wrong setting, or with several possible maps.

use super::*;

const IDENTITY: (u8, u16, u16) = (3, 11, 1);
const SETTING: (u8, u16, u16) = (3, 12, 1);

/// A meter with [`PROFILE`] and more tables. NAME in them is the name of the profile.
fn with_tables(more: &str) -> MeterConfig {
    MeterConfig {
        profile: profile(&format!("{PROFILE}{}", more.replace("NAME", "profile.acme-100"))),
        ..meter(1, RARELY)
    }
}

fn identified() -> MeterConfig {
    with_tables(
        r#"
    [[NAME.identity]]
    register = 11
    function = "holding"
    type = "u16"
    values = [112, 113]
    [[NAME.settings]]
    register = 12
    function = "holding"
    type = "u16"
    values = [7]
    set = "application H (menu 7)"
    "#,
    )
}

fn identifiable(identity: u16, setting: u16) -> SimulatedUnit {
    let unit = simulated(1);
    unit.set(Function::Holding, 11, &[identity, setting]);
    unit
}

async fn error(running: &mut Running, part: &str) -> String {
    let error = |report: &BusReport| {
        let meter = report.meters.get(&name("meter_1"));
        meter.and_then(|meter| meter.error.clone()).unwrap_or_default()
    };
    error(&running.report(|report| error(report).contains(part)).await)
}

async fn assert_no_reading(running: &mut Running) {
    running.read_now(&[]).await;
    assert!(running.readings.try_recv().is_err(), "no reading goes to the ledger");
}

#[tokio::test]
async fn the_identity_is_read_at_the_start_and_after_a_silence() {
    let unit = identifiable(113, 7);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![identified()], 8);
    let reading = running.reading().await;
    assert!(reading.values.register.is_some() && reading.definition.is_none());
    running.read_now(&[]).await;
    assert_eq!(unit.take_requests(), [IDENTITY, SETTING, SERIAL, VALUES, VALUES]);
    unit.fault_next(1, UnitFault::Silent);
    running.read_now(&[]).await;
    unit.take_requests();
    running.read_now(&[]).await;
    assert_eq!(unit.take_requests()[..2], [IDENTITY, SETTING], "the meter may have been replaced");
}

#[tokio::test]
async fn another_model_is_refused_until_it_is_replaced() {
    let unit = identifiable(4711, 7);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![identified()], 8);
    let message = error(&mut running, "not read").await;
    assert!(
        message.contains("this is not acme-100: holding 0x000B holds 4711, where the profile expects 112 or 113"),
        "{message}"
    );
    assert!(message.contains("no built-in profile matches its answers"), "{message}");
    assert_no_reading(&mut running).await;
    assert!(!unit.take_requests().contains(&VALUES), "the values are not read");
    unit.set(Function::Holding, 11, &[112]);
    running.read_now(&[]).await;
    assert!(running.reading().await.values.register.is_some());
}

#[tokio::test]
async fn a_meter_that_is_replaced_during_a_silence_gives_no_reading() {
    let unit = identifiable(112, 7);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![identified()], 8);
    running.reading().await;
    unit.fault_next(1, UnitFault::Silent);
    running.read_now(&[]).await;
    unit.set(Function::Holding, 11, &[1]);
    assert_no_reading(&mut running).await;
    error(&mut running, "this is not acme-100").await;
}

#[tokio::test]
async fn a_meter_without_the_identity_register_is_another_model() {
    let gateway = SimulatedGateway::start([simulated(1)]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![identified()], 8);
    let message = error(&mut running, "not read").await;
    assert!(
        message.contains("the meter has no holding 0x000B (exception 2), where the profile expects 112 or 113"),
        "{message}"
    );
    assert_no_reading(&mut running).await;
}

#[tokio::test]
async fn a_wrong_setting_is_refused_and_the_error_names_the_right_one() {
    let unit = identifiable(112, 3);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![identified()], 8);
    let message = error(&mut running, "a setting of the meter is wrong").await;
    assert!(
        message.contains("holding 0x000C holds 3, where the profile expects 7; set application H (menu 7)"),
        "{message}"
    );
    assert_no_reading(&mut running).await;
    unit.set(Function::Holding, 12, &[7]);
    running.read_now(&[]).await;
    assert!(running.reading().await.values.register.is_some());
}

/// A profile with two maps. The second has its counter in registers 30 and 31.
fn two_maps(first: &str, second: &str) -> MeterConfig {
    with_tables(&format!(
        r#"
    [NAME.map.first]
    note = "the manual message so"
    {first}
    [NAME.map.second]
    {second}
    [NAME.map.second.energy]
    register = 30
    function = "input"
    type = "u32"
    unit = "Wh"
    rollover = 1000000
    "#
    ))
}

#[tokio::test]
async fn an_identity_register_selects_the_map() {
    let identity =
        |value| format!("identity = [{{ register = 11, function = \"holding\", type = \"u16\", values = [{value}] }}]");
    let meter = two_maps(&identity(1), &identity(2));
    let unit = identifiable(2, 0);
    unit.set_u32(Function::Input, 30, 77, WordOrder::Big);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![meter], 8);
    let reading = running.reading().await;
    assert_eq!(reading.values.register.map(|register| register.value), MilliwattHours::new(77_000));
    let definition = reading.definition.unwrap();
    assert!(definition.text.contains("input 0x001e u32"), "{}", definition.text);
    assert_eq!(definition.rollover, MilliwattHours::new(1_000_000_000));
    running.read_now(&[]).await;
    assert!(running.reading().await.definition.is_some(), "each reading has the definition");
    // A meter with the first map replaces it.
    unit.fault_next(1, UnitFault::Silent);
    running.read_now(&[]).await;
    unit.set(Function::Holding, 11, &[1]);
    running.read_now(&[]).await;
    assert!(running.reading().await.definition.unwrap().text.contains("input 0x0004 u32"));
    // A meter with neither map replaces it.
    unit.fault_next(1, UnitFault::Silent);
    running.read_now(&[]).await;
    unit.set(Function::Holding, 11, &[3]);
    running.read_now(&[]).await;
    let message = error(&mut running, "no map of acme-100 matches").await;
    assert!(
        message.contains("map first: holding 0x000B holds 3, where the profile expects 1; map second:"),
        "{message}"
    );
}

#[tokio::test]
async fn a_map_is_selected_when_the_others_are_impossible() {
    // Registers 30 and 31 do not exist: the second map is excluded, but only after several polls.
    let unit = simulated(1);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![two_maps("", "")], 8);
    let mut reply = running.read_now(&[]).await.remove(0).1;
    let message = reply.clone().unwrap_err();
    assert!(message.contains("several maps of acme-100 are possible. map first (the manual message so) reads 101 W and 1.001 kWh; map second"), "{message}");
    assert!(message.contains("write map = \"..\" in [meter.meter_1]"), "{message}");
    for _ in 0..2 {
        if reply.is_err() {
            assert!(running.readings.try_recv().is_err(), "no reading before a map is selected");
            reply = running.read_now(&[]).await.remove(0).1;
        }
    }
    let reading = running.reading().await;
    assert_eq!(reading.values.register.map(|register| register.value), MilliwattHours::new(1_001_000));
    assert!(reading.definition.unwrap().text.contains("input 0x0004 u32"));
}

#[tokio::test]
async fn no_map_is_selected_while_several_are_possible() {
    let unit = simulated(1);
    unit.set_u32(Function::Input, 30, 77, WordOrder::Big);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![two_maps("", "")], 8);
    for _ in 0..5 {
        assert_no_reading(&mut running).await;
    }
    error(&mut running, "map second reads 101 W and 0.077 kWh").await;
    // The installer selects the map.
    let installed = two_maps("", "");
    let profile = installed.profile.map("second").unwrap().profile.clone();
    let mut running = Running::start(tcp(&gateway), vec![MeterConfig { profile, ..installed }], 8);
    let register = running.reading().await.values.register;
    assert_eq!(register.map(|register| register.value), MilliwattHours::new(77_000));
}

#[tokio::test]
async fn the_first_map_is_used_when_all_give_the_same_values() {
    let unit = simulated(1);
    let gateway = SimulatedGateway::start([unit.clone()]).await.unwrap();
    let mut running = Running::start(tcp(&gateway), vec![two_maps("", "")], 8);
    for poll in 0..35 {
        let watt_hours = 1000 + poll / 4;
        unit.set_u32(Function::Input, 4, watt_hours, WordOrder::Big);
        unit.set_u32(Function::Input, 30, watt_hours, WordOrder::Big);
        running.read_now(&[]).await;
        assert!(poll > 25 || running.readings.try_recv().is_err(), "too early: {poll}");
    }
    assert!(running.reading().await.definition.unwrap().text.contains("input 0x0004 u32"));
    running.report(|report| report.meters[&name("meter_1")].map.as_deref() == Some("map first (undecided)")).await;

    // The register in which they differ moves alone: from this poll on no reading is used.
    while running.readings.try_recv().is_ok() {}
    unit.set_u32(Function::Input, 30, 1_080, WordOrder::Big);
    running.read_now(&[]).await;
    error(&mut running, "map second reads 101 W and 1.080 kWh").await;
    assert!(running.readings.try_recv().is_err(), "which map is right cannot be known");
}

#[tokio::test]
async fn read_once_polls_until_the_map_is_selected() {
    let gateway = SimulatedGateway::start([simulated(1)]).await.unwrap();
    let results = read_once(&tcp(&gateway).link_settings(), &[two_maps("", "")], &clock()).await;
    let register = results[0].1.values.register;
    assert_eq!(register.map(|register| register.value), MilliwattHours::new(1_001_000));
}
