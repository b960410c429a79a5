//! The time: since boot (suspend included), on the wall clock, and whether the wall clock is trusted; and the box's time zone.
//!
//! Only this module reads the system's clocks.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The box's time zone: `TZ`, else `/etc/localtime`; UTC if neither says one.
pub fn time_zone_of_box() -> TimeZone {
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    // `Etc/UTC` by a file is UTC as well: its days are the same. In January and in July of 2026.
    let moments = [1_768_435_200, 1_784_073_600].map(|second| Timestamp::from_second(second).unwrap_or_default());
    if moments.iter().all(|at| zone.to_offset(*at).seconds() == 0) { TimeZone::UTC } else { zone }
}

/// One boot of one machine. Two readings of the same boot are compared by the time since boot, which cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootId(u128);

/// As `journalctl --boot` takes it.
impl std::fmt::Display for BootId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

/// One instant on all clocks, so that it can be compared with another one, even across a restart of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    /// The boot in which it was read.
    pub boot: BootId,
    /// Time since boot, suspend included (CLOCK_BOOTTIME).
    pub since_boot: Duration,
    /// The wall clock.
    pub wall: Timestamp,
    /// Whether the wall clock was known to be right.
    pub trusted: bool,
}

impl ClockReading {
    /// How much later this is than `earlier`, never negative. `None` if it is not known: the machine was restarted in between, or is another
    /// one, and one of the two wall clocks was not trusted or is wrong, because the later one shows an earlier time.
    pub fn since(&self, earlier: &ClockReading) -> Option<Duration> {
        if self.boot == earlier.boot {
            return Some(self.since_boot.saturating_sub(earlier.since_boot));
        }
        let between = self.wall.duration_since(earlier.wall);
        (self.trusted && earlier.trusted && !between.is_negative()).then(|| between.unsigned_abs())
    }
}

/// The source of clock readings. Cheap to clone; one per process.
#[derive(Clone)]
pub struct Clock(Arc<Source>);

enum Source {
    System(System),
    Simulated { boot: BootId, start: Timestamp, epoch: tokio::time::Instant, trusted: AtomicBool, slept_ms: AtomicU64 },
}

struct System {
    boot: BootId,
    /// The last check whether the wall clock is synchronised: its time since boot, and its result.
    checked: Mutex<Option<(Duration, bool)>>,
    /// Milliseconds since the boot plus one at which a TLS-verified answer confirmed the wall clock; 0 for never.
    confirmed_at: AtomicU64,
}

/// How often it is checked whether the wall clock is synchronised.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// The largest difference from a TLS-verified `Date` at which the wall clock is confirmed.
const CONFIRMED_WITHIN: SignedDuration = SignedDuration::from_secs(60);
/// How long a confirmation is valid: a quartz drifts by less than a second a day.
const CONFIRMED_FOR: Duration = Duration::from_secs(24 * 3600);
/// systemd-timesyncd makes this file once it has synchronised the clock in this boot.
const TIMESYNC_FLAG: &str = "/run/systemd/timesync/synchronized";

impl Clock {
    /// The system's clocks.
    pub fn system() -> Self {
        let text = crate::files::system_text("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        // Without /proc boots cannot be told apart: each start then counts as a boot.
        let boot = BootId(u128::from_str_radix(&digits, 16).unwrap_or_else(|_| rand::random()));
        let system = System { boot, checked: Mutex::new(None), confirmed_at: AtomicU64::new(0) };
        Clock(Arc::new(Source::System(system)))
    }

    /// A clock that follows tokio's, paused or not: `boot` began an hour ago, and the wall clock shows `start`.
    pub fn simulated(boot: u128, start: Timestamp) -> Self {
        let epoch = tokio::time::Instant::now();
        let (trusted, slept_ms) = (AtomicBool::new(true), AtomicU64::new(0));
        Clock(Arc::new(Source::Simulated { boot: BootId(boot), start, epoch, trusted, slept_ms }))
    }

    /// Reads all clocks.
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

    /// How long the machine has been suspended, up to a constant: timers use CLOCK_MONOTONIC and did not count that time.
    pub fn slept(&self) -> Duration {
        match &*self.0 {
            Source::System(_) => read_clock(libc::CLOCK_BOOTTIME).saturating_sub(read_clock(libc::CLOCK_MONOTONIC)),
            Source::Simulated { slept_ms, .. } => Duration::from_millis(slept_ms.load(Ordering::Relaxed)),
        }
    }

    /// Suspends a simulated machine for this time: its clocks advance, tokio's does not. Has no effect on the system's clocks.
    pub fn sleep_for(&self, time: Duration) {
        if let Source::Simulated { slept_ms, .. } = &*self.0 {
            slept_ms.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
        }
    }

    /// Compares the wall clock with the `Date` of a TLS-verified answer: if they agree, the wall clock is trusted for a day. Otherwise
    /// returns how far it is ahead of that date, negative if it is behind.
    pub fn confirm(&self, date: Timestamp) -> Option<SignedDuration> {
        let Source::System(system) = &*self.0 else { return None };
        let ahead = wall().duration_since(date);
        let agrees = ahead.abs() <= CONFIRMED_WITHIN;
        let mark = if agrees { boot_time().as_millis() as u64 + 1 } else { 0 };
        system.confirmed_at.store(mark, Ordering::Relaxed);
        (!agrees).then_some(ahead)
    }

    /// Sets whether a simulated clock is trusted. Has no effect on the system's clocks.
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
        let mut checked = self.checked.lock().expect("no panic while the lock is held");
        let fresh = checked.filter(|(at, _)| since_boot.saturating_sub(*at) < CHECK_EVERY);
        let (_, synchronised) = *checked.insert(fresh.unwrap_or_else(|| (since_boot, synchronised())));
        confirmed || synchronised
    }
}

/// Whether the wall clock is synchronised, according to the kernel or timesyncd.
fn synchronised() -> bool {
    kernel_synchronised() || std::path::Path::new(TIMESYNC_FLAG).exists()
}

#[allow(unsafe_code)]
fn kernel_synchronised() -> bool {
    // SAFETY: an all-zero timex is valid and only reads (modes = 0); the kernel writes within the struct.
    let (state, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut timex), timex.status)
    };
    state >= 0 && state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0
}

fn boot_time() -> Duration {
    read_clock(libc::CLOCK_BOOTTIME)
}

#[allow(unsafe_code)]
fn read_clock(clock: libc::clockid_t) -> Duration {
    // With musl on 32 bits a timespec has padding, so that no literal can be written.
    // SAFETY: an all-zero timespec is valid.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live timespec, and both clocks exist on every supported Linux.
    unsafe { libc::clock_gettime(clock, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[allow(clippy::disallowed_methods)]
fn wall() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests;
