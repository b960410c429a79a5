//! What time it is, in the three ways that matter: since the boot (through suspend), on the wall, and whether the wall is to be trusted.
//!
//! This is the only room that asks the system for the time.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// One boot of one box. Two stamps of the same boot are compared by the boot's clock, which no one sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootId(u128);

/// As `journalctl --boot` takes it.
impl std::fmt::Display for BootId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

/// One instant, said in every way that is needed to compare it with another, also across a restart of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    pub boot: BootId,
    /// Since the boot, time in suspend included (CLOCK_BOOTTIME).
    pub since_boot: Duration,
    pub wall: Timestamp,
    /// Whether the wall clock was known to be right.
    pub trusted: bool,
}

impl ClockReading {
    /// How much later this is than `earlier`, never negative; `None` where nothing tells it: the box started again in between and one
    /// of the two wall clocks was not trusted.
    pub fn since(&self, earlier: &ClockReading) -> Option<Duration> {
        if self.boot == earlier.boot {
            return Some(self.since_boot.saturating_sub(earlier.since_boot));
        }
        let between = self.wall.duration_since(earlier.wall).max(SignedDuration::ZERO);
        (self.trusted && earlier.trusted).then(|| between.unsigned_abs())
    }
}

/// Where stamps come from. Cheap to clone; one a process.
#[derive(Clone)]
pub struct Clock(Arc<Source>);

enum Source {
    System(System),
    Simulated { boot: BootId, start: Timestamp, epoch: tokio::time::Instant, trusted: AtomicBool, slept_ms: AtomicU64 },
}

struct System {
    boot: BootId,
    /// The verdict on the wall clock, asked again when older than [`ASK_EVERY`] (milliseconds since boot, verdict).
    asked: Mutex<Option<(Duration, bool)>>,
    /// Milliseconds since the boot plus one at which a TLS-verified answer confirmed the wall clock; 0 for never.
    confirmed_at: AtomicU64,
}

/// How often the system is asked whether its wall clock is synchronised.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// How far a TLS-verified `Date` may be from the wall clock for it to be confirmed.
const CONFIRMED_WITHIN: SignedDuration = SignedDuration::from_secs(60);
/// For how long a confirmation holds: a quartz drifts less than a second a day.
const CONFIRMED_FOR: Duration = Duration::from_secs(24 * 3600);
/// systemd-timesyncd makes this file once it has synchronised the clock in this boot.
const TIMESYNC_FLAG: &str = "/run/systemd/timesync/synchronized";

impl Clock {
    /// The system's clocks.
    pub fn system() -> Self {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        // Without /proc no boot can be told from another; each start then counts as a boot of its own.
        let boot = BootId(u128::from_str_radix(&digits, 16).unwrap_or_else(|_| rand::random()));
        let system = System { boot, asked: Mutex::new(None), confirmed_at: AtomicU64::new(0) };
        Clock(Arc::new(Source::System(system)))
    }

    /// A clock that goes with tokio's, paused or not: boot `boot` began an hour before now, and the wall says `start`.
    pub fn simulated(boot: u128, start: Timestamp) -> Self {
        let epoch = tokio::time::Instant::now();
        let (trusted, slept_ms) = (AtomicBool::new(true), AtomicU64::new(0));
        Clock(Arc::new(Source::Simulated { boot: BootId(boot), start, epoch, trusted, slept_ms }))
    }

    pub fn now(&self) -> ClockReading {
        match &*self.0 {
            Source::System(system) => system.now(),
            Source::Simulated { boot, start, epoch, trusted, slept_ms } => {
                let elapsed = epoch.elapsed() + Duration::from_millis(slept_ms.load(Ordering::Relaxed));
                let wall = start.saturating_add(elapsed).unwrap_or(*start);
                let since_boot = Duration::from_secs(3600) + elapsed;
                ClockReading { boot: *boot, since_boot, wall, trusted: trusted.load(Ordering::Relaxed) }
            }
        }
    }

    /// For how long the box has slept, up to a constant: timers, which go by CLOCK_MONOTONIC, did not see that time.
    pub fn slept(&self) -> Duration {
        match &*self.0 {
            Source::System(_) => reads(libc::CLOCK_BOOTTIME).saturating_sub(reads(libc::CLOCK_MONOTONIC)),
            Source::Simulated { slept_ms, .. } => Duration::from_millis(slept_ms.load(Ordering::Relaxed)),
        }
    }

    /// Lets a simulated box sleep for so long: its clocks go on, tokio's does not. The system's clock knows for itself.
    pub fn sleep_for(&self, time: Duration) {
        if let Source::Simulated { slept_ms, .. } = &*self.0 {
            slept_ms.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
        }
    }

    /// A TLS-verified answer carried this `Date`: where the wall clock agrees, it is trusted for a day.
    pub fn confirm(&self, date: Timestamp) {
        if let Source::System(system) = &*self.0 {
            let apart = wall().duration_since(date).abs();
            let mark = if apart <= CONFIRMED_WITHIN { boot_time().as_millis() as u64 + 1 } else { 0 };
            system.confirmed_at.store(mark, Ordering::Relaxed);
        }
    }

    /// Sets whether a simulated clock is trusted; the system's clock judges for itself.
    pub fn set_trusted(&self, verdict: bool) {
        if let Source::Simulated { trusted, .. } = &*self.0 {
            trusted.store(verdict, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

impl System {
    fn now(&self) -> ClockReading {
        let since_boot = boot_time();
        ClockReading { boot: self.boot, since_boot, wall: wall(), trusted: self.trusted(since_boot) }
    }

    fn trusted(&self, since_boot: Duration) -> bool {
        let confirmed = match self.confirmed_at.load(Ordering::Relaxed) {
            0 => false,
            mark => since_boot.saturating_sub(Duration::from_millis(mark - 1)) < CONFIRMED_FOR,
        };
        let mut asked = self.asked.lock().expect("asking the time cannot panic");
        let fresh = asked.filter(|(at, _)| since_boot.saturating_sub(*at) < ASK_EVERY);
        let (_, synchronised) = *asked.insert(fresh.unwrap_or_else(|| (since_boot, synchronised())));
        confirmed || synchronised
    }
}

/// Whether the kernel or timesyncd says that the wall clock is synchronised.
fn synchronised() -> bool {
    kernel_synchronised() || std::path::Path::new(TIMESYNC_FLAG).exists()
}

#[allow(unsafe_code)]
fn kernel_synchronised() -> bool {
    // SAFETY: an all-zero timex is valid and asks (modes = 0) without setting anything; the kernel writes within the struct.
    let (state, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut timex), timex.status)
    };
    state >= 0 && state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0
}

fn boot_time() -> Duration {
    reads(libc::CLOCK_BOOTTIME)
}

#[allow(unsafe_code)]
fn reads(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec, and the two clocks that are asked for exist on every Linux this can run on.
    unsafe { libc::clock_gettime(clock, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[allow(clippy::disallowed_methods)]
fn wall() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(boot: u128, since_boot: u64, wall: i64, trusted: bool) -> ClockReading {
        let wall = Timestamp::from_second(wall).unwrap();
        ClockReading { boot: BootId(boot), since_boot: Duration::from_secs(since_boot), wall, trusted }
    }

    #[test]
    fn within_a_boot_the_wall_clock_does_not_matter() {
        let later = stamp(1, 100, 5, false);
        assert_eq!(later.since(&stamp(1, 40, 1_000_000, true)), Some(Duration::from_secs(60)));
    }

    #[test]
    fn across_boots_only_two_trusted_wall_clocks_tell() {
        let later = stamp(2, 1, 1_000_060, true);
        assert_eq!(later.since(&stamp(1, 40, 1_000_000, true)), Some(Duration::from_secs(60)));
        assert_eq!(later.since(&stamp(1, 40, 1_000_000, false)), None);
        assert_eq!(
            later.since(&stamp(1, 40, 2_000_000, true)),
            Some(Duration::ZERO),
            "a wall clock set back is no time at all"
        );
    }

    #[test]
    fn the_system_clock_runs_and_takes_a_confirmation() {
        let clock = Clock::system();
        let first = clock.now();
        assert!(clock.now().since(&first).is_some());
        clock.confirm(first.wall);
        assert!(clock.now().trusted);
        let before = clock.now().wall;
        clock.confirm(before.saturating_sub(SignedDuration::from_hours(1)).unwrap());
        assert_eq!(clock.now().trusted, synchronised(), "a Date an hour off confirms nothing");
    }
}
