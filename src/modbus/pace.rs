//! How long a line must be silent, and a timer precise enough to wait no longer than that.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use crate::config::{BusConfig, Link, Parity, SerialSettings};

/// The least silence between two frames at any speed. Source: Modbus over Serial Line V1.02, section 2.5.1.1.
const LEAST_SILENCE: Duration = Duration::from_micros(1750);
/// After a failure a serial line must be silent for so long: USB adapters hand bytes on in lumps up to 16 ms apart (FTDI's default
/// latency timer), so a shorter pause may lie within one late answer.
const SETTLED_SERIAL: Duration = Duration::from_millis(50);
/// A converter waits for more before it sends a packet (up to some 50 ms), and the network adds its own.
const SETTLED_CONVERTER: Duration = Duration::from_millis(100);
/// What is assumed of a line behind a converter: the speed that most meters are delivered with.
const CONVERTER_BAUD: u32 = 9600;

/// The times of one RTU line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// One character, start to stop.
    character: Duration,
    /// Silence before each request.
    pub(super) gap: Duration,
    /// Silence that shows that nothing more comes after a failure.
    pub(super) settled: Duration,
    /// Whether the characters are sent by this box, so that a written request is not yet a sent one.
    local: bool,
}

impl Pace {
    pub(super) fn new(bus: &BusConfig) -> Self {
        let (character, local) = match &bus.link {
            Link::Serial(line) => (character(line), true),
            Link::Tcp(_) | Link::RtuOverTcp(_) => (Duration::from_secs(10) / CONVERTER_BAUD, false),
        };
        let silence = if local { LEAST_SILENCE.max(character * 7 / 2) } else { LEAST_SILENCE };
        let gap = silence + bus.request_gap;
        let settled = gap.max(if local { SETTLED_SERIAL } else { SETTLED_CONVERTER });
        Pace { character, gap, settled, local }
    }

    /// How long `bytes` that were just written are on the line.
    pub(super) fn sending(&self, bytes: usize) -> Duration {
        if self.local { self.character * bytes as u32 } else { Duration::ZERO }
    }

    /// How long `bytes` take to arrive once the meter speaks.
    pub(super) fn receiving(&self, bytes: usize) -> Duration {
        self.character * bytes as u32
    }
}

fn character(line: &SerialSettings) -> Duration {
    let parity = u32::from(line.parity != Parity::None);
    Duration::from_secs(1) * (9 + parity + u32::from(line.stop_bits)) / line.baud.max(1)
}

/// Waits to a few hundredths of a millisecond, where tokio's own timer rounds up to the next millisecond: at 9600 baud that is
/// what a line loses with each request.
#[derive(Debug)]
pub(super) struct Timer(Option<AsyncFd<File>>);

impl Timer {
    /// Precise where the system gives a timer, else as precise as tokio's.
    pub(super) fn new() -> Self {
        Timer(timer_fd().ok())
    }

    /// That goes with tokio's clock, paused or not.
    #[cfg(test)]
    pub(super) fn simulated() -> Self {
        Timer(None)
    }

    pub(super) async fn until(&self, when: Instant) {
        let wait = when.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return;
        }
        let precise = match &self.0 {
            Some(timer) => expired(timer, wait).await.is_ok(),
            None => false,
        };
        if !precise {
            tokio::time::sleep_until(when).await;
        }
    }
}

async fn expired(timer: &AsyncFd<File>, wait: Duration) -> io::Result<()> {
    arm(timer.get_ref(), wait)?;
    loop {
        let mut guard = timer.readable().await?;
        if let Ok(read) = guard.try_io(|timer| timer.get_ref().read(&mut [0; 8])) {
            return read.map(|_| ());
        }
    }
}

#[allow(unsafe_code)]
fn timer_fd() -> io::Result<AsyncFd<File>> {
    // SAFETY: timerfd_create takes no pointers.
    let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is fresh and nobody else's.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    // SAFETY: a File keeps one descriptor, and keeps it open, for as long as it lives.
    Ok(unsafe { AsyncFd::register(file) }?)
}

/// Sets the timer to expire once after `wait`, which is not zero; an expiry that nobody read is forgotten.
#[allow(unsafe_code)]
fn arm(timer: &File, wait: Duration) -> io::Result<()> {
    let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let once = libc::timespec { tv_sec: wait.as_secs() as libc::time_t, tv_nsec: wait.subsec_nanos() as _ };
    let spec = libc::itimerspec { it_interval: never, it_value: once };
    // SAFETY: the descriptor is open, the new value lives through the call, and the old one is not asked for.
    let result = unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &spec, std::ptr::null_mut()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Name;

    fn bus(link: Link) -> BusConfig {
        BusConfig {
            name: Name::new("cabinet").unwrap(),
            link,
            timeout: Duration::from_secs(1),
            request_gap: Duration::from_millis(2),
            connect_delay: Duration::ZERO,
        }
    }

    fn serial(baud: u32, parity: Parity) -> Pace {
        Pace::new(&bus(Link::Serial(SerialSettings { path: "/dev/null".into(), baud, parity, stop_bits: 1 })))
    }

    #[test]
    fn a_line_is_silent_for_3_5_characters_and_never_less_than_1_75_ms() {
        let setting = Duration::from_millis(2);
        assert_eq!((serial(9600, Parity::None).gap - setting).as_micros(), 3645);
        assert_eq!((serial(9600, Parity::Even).gap - setting).as_micros(), 4010);
        assert_eq!((serial(115_200, Parity::Even).gap - setting).as_micros(), 1750);
        assert_eq!(serial(9600, Parity::None).sending(8).as_micros(), 8333);
    }

    #[test]
    fn after_a_failure_silence_outlasts_an_adapters_latency() {
        assert!(serial(115_200, Parity::None).settled > Duration::from_millis(16));
        assert!(serial(300, Parity::None).settled > Duration::from_secs(35) / 300);
        assert_eq!(Pace::new(&bus(Link::RtuOverTcp("a:1".into()))).sending(8), Duration::ZERO);
    }

    #[tokio::test]
    async fn the_timer_is_never_early_and_forgets_what_nobody_awaited() {
        let timer = Timer::new();
        assert!(timer.0.is_some());
        let abandoned = timer.until(Instant::now() + Duration::from_millis(30));
        assert!(tokio::time::timeout(Duration::ZERO, abandoned).await.is_err());
        for _ in 0..5 {
            let when = Instant::now() + Duration::from_micros(3646);
            timer.until(when).await;
            assert!(Instant::now() >= when);
        }
    }
}
