//! The promises as properties, over readings and sites that nobody chose.

use std::time::Duration;

use arkmeter::clock::ClockReading;
use arkmeter::guard::{GuardEvent, GuardState, MeterSettings, Reason, Verdict, judge};
use arkmeter::reading::{Register, Values};
use arkmeter::units::{MilliwattHours, Milliwatts};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::audit::{Expected, Surplus, audit};
use crate::healthy;
use crate::load::{HOUR, Load, MINUTE, SECOND, Shape};
use crate::referee::{Guard, Publisher};
use crate::site::{Fault, FaultKind, Site, Stop};
use crate::world::{Interruption, KWH, WH};

/// Something that happens to the daemon.
#[derive(Clone, Debug)]
enum Happening {
    /// It reads these values after so many ms.
    Reads(u64, Option<u64>, Option<i64>, Option<&'static str>),
    /// It commits, stops and starts, or is killed.
    Slot,
    Restart,
    Crash,
    /// The box boots. Its wall clock is off by so many seconds, and trusted or not.
    Boots(i64, bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    let after = prop_oneof![4 => 1_000..30_000_u64, 2 => 30_000..900_000_u64, 1 => 0..200_000_000_u64];
    // Near the last register, or anywhere.
    let register = prop_oneof![
        6 => (0..100_u64).prop_map(|steps| 180 * KWH + steps * 10 * WH),
        1 => Just(0),
        1 => 0..200 * KWH,
        1 => any::<u64>().prop_map(|value| value >> 8),
    ];
    let power = prop_oneof![4 => 0..20_000_000_i64, 1 => -20_000_000..0_i64, 1 => any::<i64>()];
    let serial = prop_oneof![Just("A1"), Just("B2")];
    let reads = (after, prop::option::weighted(0.9, register), prop::option::of(power), prop::option::of(serial));
    prop_oneof![
        20 => reads.prop_map(|(after, register, power, serial)| Happening::Reads(after, register, power, serial)),
        3 => Just(Happening::Slot),
        1 => Just(Happening::Restart),
        1 => Just(Happening::Crash),
        1 => (-1_000_000..1_000_000_i64, any::<bool>()).prop_map(|(off, trusted)| Happening::Boots(off, trusted)),
    ]
}

/// The box and its daemon while things happen to them.
struct Daemon {
    settings: MeterSettings,
    state: GuardState,
    disk: Guard,
    guard: Guard,
    now: u64,
    booted: u64,
    boots: u64,
    off: i64,
    trusted: bool,
}

impl Daemon {
    fn new() -> Self {
        let settings = Site::new("any".to_owned(), 0).settings();
        let (state, disk, guard) = (GuardState::default(), Guard::default(), Guard::default());
        Daemon { settings, state, disk, guard, now: HOUR, booted: 0, boots: 1, off: 0, trusted: true }
    }

    fn clock(&self) -> ClockReading {
        ClockReading {
            boot: serde_json::from_value(serde_json::json!(self.boots)).unwrap(),
            since_boot: Duration::from_millis(self.now - self.booted),
            wall: Timestamp::from_millisecond(1_700_000_000_000 + self.now as i64 + self.off * 1000).unwrap(),
            trusted: self.trusted,
        }
    }

    fn read(&mut self, register: Option<u64>, power: Option<i64>, serial: Option<&str>) -> Option<GuardEvent<Reason>> {
        let step = MilliwattHours::new(10 * WH).unwrap();
        let register = register.and_then(MilliwattHours::new).map(|value| Register { value, step });
        let values = Values { power: power.map(Milliwatts), register, serial: serial.map(str::to_owned) };
        let before = self.state.clone();
        let judged = judge(before.clone(), &self.settings, &self.clock(), &values);
        assert!(judged.state.published() >= before.published(), "the figure fell");
        let rose = judged.state.published() > before.published();
        let corrected = judged.state.figure.offset != before.figure.offset;
        let ordinary = matches!(judged.verdict, Verdict::Advanced | Verdict::Unchanged) && !corrected;
        assert!(!rose && !corrected || ordinary || judged.entry.is_some(), "a decision without an entry");
        let (_, committed) = self.guard.read(&self.settings, &self.clock(), &values);
        self.state = judged.state;
        if committed {
            self.disk = self.guard.stored(false);
        }
        judged.entry
    }

    fn starts(&mut self) {
        self.guard = self.disk.reload();
        self.state = self.guard.state().clone();
    }
}

/// A site without any fault, whatever its load, resolution, polls, outages and stops. Its load has shown itself before an outage: an idle
/// meter that carries three quarters of full power for the first time in an outage, and only there, waits for ten minutes.
fn ordinary_site() -> impl Strategy<Value = Site> {
    let poll = prop_oneof![Just(SECOND), Just(5 * SECOND), Just(10 * SECOND), Just(30 * SECOND), Just(MINUTE)];
    let step = prop_oneof![Just(WH / 10), Just(WH), Just(10 * WH), Just(100 * WH)];
    let load = prop_oneof![
        (50..20_000_i64).prop_map(Load::constant),
        (0..2_000_i64, 2_000..20_000_i64, 1..12_u64).prop_map(|(low, high, minutes)| {
            let shape = Shape::Square(minutes * MINUTE, minutes * MINUTE / 2 + SECOND);
            Load { low, shape, ..Load::constant(high) }
        }),
        (0..500_i64, 500..20_000_i64).prop_map(|(low, high)| {
            let shape = Shape::Restless(MINUTE);
            Load { low, shape, ..Load::constant(high) }
        }),
    ];
    let outage = prop::option::of((20..200_u64, 1..60_u64));
    let stop = prop::option::of((20..200_u64, 1..60_u64, any::<bool>()));
    (poll, step, load, 0..10_000 * KWH, outage, stop, any::<u32>()).prop_map(
        |(poll, step, load, base, outage, stop, seed)| {
            let mut site = Site::new("ordinary".to_owned(), u64::from(seed));
            (site.poll, site.step, site.load, site.base) = (poll, step, load, base + KWH);
            site.outages = outage.map(|(from, lasts)| (from * MINUTE, (from + lasts) * MINUTE)).into_iter().collect();
            let stop = stop.map(|(at, down, crash)| {
                let how = if crash { Interruption::Crash } else { Interruption::Restart };
                Stop { at: at * MINUTE + 777, down: down * SECOND, how, boot: None }
            });
            site.stops = stop.into_iter().collect();
            site
        },
    )
}

/// A meter whose power is read all along, and whose register reads too much or too little for a while, again and again.
fn site_with_a_fault_that_repeats() -> impl Strategy<Value = (Site, u64)> {
    let load = prop_oneof![20..100_i64, 100..3_000_i64];
    let steps = prop_oneof![3..12_u64, 20..400_u64];
    (load, steps, 2..12_u64, 2..6_u64, any::<bool>()).prop_map(|(watts, steps, minutes, times, up)| {
        let mut site = Site::new("repeats".to_owned(), steps);
        site.load = Load::constant(watts);
        let amount = steps * site.step;
        site.faults = (0..times)
            .map(|time| {
                let from = (40 + 60 * time) * MINUTE + 3 * SECOND;
                let kind = if up { FaultKind::Above(amount) } else { FaultKind::Below(amount) };
                Fault { from, to: from + minutes * MINUTE, kind }
            })
            .collect();
        site.lasts = (60 + 60 * times) * MINUTE;
        (site, amount)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Promises 1 and 4.
    #[test]
    fn whatever_is_read_the_figure_never_falls_and_each_decision_has_an_entry(
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let mut daemon = Daemon::new();
        // Most of the time, there is a figure.
        for _ in 0..4 {
            daemon.now += 10 * SECOND;
            daemon.read(Some(180 * KWH), None, None);
        }
        for happening in happenings {
            match happening {
                Happening::Reads(after, register, power, serial) => {
                    daemon.now += after;
                    daemon.read(register, power, serial);
                }
                Happening::Slot => daemon.disk = daemon.guard.stored(false),
                Happening::Restart => {
                    daemon.disk = daemon.guard.stored(true);
                    daemon.starts();
                }
                Happening::Crash => daemon.starts(),
                Happening::Boots(off, trusted) => {
                    (daemon.booted, daemon.boots) = (daemon.now, daemon.boots + 1);
                    (daemon.off, daemon.trusted) = (if trusted { 0 } else { off }, trusted);
                    daemon.starts();
                }
            }
        }
    }

    /// Promises 2, 3 and 5.
    #[test]
    fn an_ordinary_site_is_counted_exactly_and_never_held(site in ordinary_site()) {
        let findings = audit::<Guard>(&site, healthy::EXPECTED, false);
        prop_assert!(findings.broken.is_empty(), "{:?}", findings.broken);
    }

    /// Promise 6: what it costs, it costs once.
    #[test]
    fn a_fault_that_repeats_costs_at_most_once((site, amount) in site_with_a_fault_that_repeats()) {
        let expected = Expected { quiet: false, complete: true, surplus: Surplus::Mwh(amount), holds: u64::MAX };
        let findings = audit::<Guard>(&site, expected, false);
        prop_assert!(findings.broken.is_empty(), "{:?}", findings.broken);
    }
}
