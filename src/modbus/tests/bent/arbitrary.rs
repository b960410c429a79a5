//! Arbitrary devices with arbitrary faults: no wrong answer is taken.

use proptest::prelude::*;

use super::*;

/// Reads of one case of the property test.
const READS: usize = 100;
/// Reads of a usual run. `ARKMETER_REQUESTS` sets another number.
const USUAL_REQUESTS: usize = 4000;

fn bend() -> impl Strategy<Value = Bend> {
    let ids = prop_oneof![
        1 => Just(Id::Same),
        3 => Just(Id::Constant(0)),
        2 => any::<u16>().prop_map(Id::Shifted),
        2 => Just(Id::ZeroOnExceptions),
    ];
    let units = prop::option::of(prop::sample::select(vec![0, 1, 255]));
    let packet = || prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(any::<u8>(), 1..9)];
    let closes = prop::sample::select(vec![(false, false), (false, true), (true, false), (true, true)]);
    let on_tcp = (ids, units, 0usize..2, packet(), packet(), closes);
    let on_tcp = on_tcp.prop_map(|(id, unit, extra, registration, before, (closes, crosses))| Bend {
        unit,
        extra,
        registration,
        before,
        closes,
        crosses,
        ..tcp(id)
    });
    let rtu = (packet(), packet(), 0usize..9).prop_map(|(before, after, echo)| {
        let before = before.into_iter().take(8 - echo % 8).collect();
        Bend { before, after, echo, ..Bend::default() }
    });
    prop_oneof![2 => on_tcp, 1 => rtu]
}

/// The latest answer on a link that identifies answers by their order, in milliseconds: see `hostile`.
const LATEST_ON_RTU: u64 = 1090;
const LATEST_ON_TCP: u64 = 600_000;
/// A second answer comes within this time where answers are identified by their order: later it cannot be told from the answer to a request
/// of the same shape, as on RTU.
const LATEST_TWIN: u64 = 90;

fn fault(bend: &Bend) -> impl Strategy<Value = Fault> + use<> {
    let identified = bend.tcp && !matches!(bend.id, Id::Constant(_));
    let latest = if bend.tcp && !bend.crosses { LATEST_ON_TCP } else { LATEST_ON_RTU };
    let twin = match (bend.tcp, identified) {
        (true, true) => LATEST_ON_TCP,
        (true, false) => LATEST_TWIN,
        (false, _) => 1,
    };
    let lost = if bend.tcp { 1 } else { 0 };
    prop_oneof![
        12 => Just(Fault::Well),
        lost => (0..LATEST_ON_RTU).prop_map(Fault::Lost),
        1 => Just(Fault::Silent),
        3 => (0..latest).prop_map(Fault::Late),
        1 => (990u64..1200.min(latest)).prop_map(Fault::Late),
        2 => (0..twin).prop_map(Fault::Twice),
        1 => Just(Fault::Foreign),
        2 => (1u8..12).prop_map(Fault::Exception),
    ]
}

/// Reads once for each fault. Returns the reads that gave values.
fn survives(bend: Bend, faults: Vec<Fault>) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let reads = faults.len();
        let mut device = Bent::new(bend, faults).await;
        let mut good = 0;
        for step in 0..reads {
            let range = [block(0, 2), block(2, 2), block(0, 6), block(7, 1)][step * step % 7 % 4];
            good += usize::from(device.read(range).await.is_ok());
        }
        good
    })
}

/// Every tolerance, with late, duplicated and foreign answers in between: no wrong value.
#[test]
#[allow(clippy::print_stderr)]
fn no_tolerance_lets_a_wrong_answer_through() {
    let wanted = std::env::var("ARKMETER_REQUESTS").map_or(USUAL_REQUESTS, |number| number.parse().unwrap());
    let good = AtomicU64::new(0);
    let cases = wanted.div_ceil(READS) as u32;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases));
    let case = bend().prop_flat_map(|bend| {
        let faults = prop::collection::vec(fault(&bend), READS);
        (Just(bend), faults)
    });
    let run = runner.run(&case, |(bend, faults)| {
        good.fetch_add(survives(bend, faults) as u64, Ordering::Relaxed);
        Ok(())
    });
    run.unwrap();
    let good = good.into_inner();
    eprintln!("{} reads, {good} with values, none of them wrong", cases as usize * READS);
    assert!(good > u64::from(cases) * READS as u64 / 3, "only {good} reads gave values");
}
