//! A timer that is precise enough for the silence between two frames.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::stream::Stream;

/// Waits to a few hundredths of a millisecond. tokio's own timer rounds up to the next millisecond, which a line would lose with
/// each request.
#[derive(Debug)]
pub(super) struct Timer(Option<AsyncFd<File>>);

impl Timer {
    /// Precise where the system has a timer descriptor left, else tokio's timer.
    pub(super) fn new() -> Self {
        Timer(timer_fd().ok())
    }

    /// For requests over this stream. A stream in memory follows tokio's clock, which may be paused.
    pub(super) fn for_stream(stream: &Stream) -> Self {
        match stream {
            #[cfg(test)]
            Stream::Memory(_) => Timer(None),
            _ => Timer::new(),
        }
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
    // SAFETY: the descriptor is new and has no other owner.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    // SAFETY: a File keeps one descriptor, and keeps it open, for as long as it lives.
    Ok(unsafe { AsyncFd::register(file) }?)
}

/// Sets the timer to expire once after `wait`, which is not zero; an expiry that was not read is dropped.
#[allow(unsafe_code)]
fn arm(timer: &File, wait: Duration) -> io::Result<()> {
    // With musl on 32 bits a timespec has padding, so that no literal can be written.
    // SAFETY: an all-zero itimerspec is valid: no interval, not armed.
    let mut spec: libc::itimerspec = unsafe { std::mem::zeroed() };
    spec.it_value.tv_sec = wait.as_secs() as _;
    spec.it_value.tv_nsec = wait.subsec_nanos() as _;
    // SAFETY: the descriptor is open, the new value lives through the call, and the old value is not requested.
    let result = unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &spec, std::ptr::null_mut()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_timer_is_never_early_and_drops_an_abandoned_expiry() {
        let timer = Timer::new();
        assert!(timer.0.is_some());
        let abandoned = timer.until(Instant::now() + Duration::from_secs(60));
        assert!(tokio::time::timeout(Duration::ZERO, abandoned).await.is_err());
        for _ in 0..5 {
            let when = Instant::now() + Duration::from_micros(3646);
            timer.until(when).await;
            assert!(Instant::now() >= when);
        }
    }
}
