use std::sync::mpsc;

use super::*;

const AT_ONCE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(40);

/// A writer that writes nothing until it gets a permit, and then what the permit says.
struct SlowWriter {
    queue: WriterThread<u8>,
    permits: mpsc::Sender<io::Result<()>>,
    written: mpsc::Receiver<u8>,
    reports: mpsc::Receiver<u64>,
}

fn slow_writer(depth: usize) -> SlowWriter {
    let (permits, permitted) = mpsc::channel::<io::Result<()>>();
    let (write, written) = mpsc::channel();
    let (report, reports) = mpsc::channel();
    let queue = WriterThread::start(
        "slow",
        depth,
        move |item| {
            permitted.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
            write.send(item).map_err(io::Error::other)
        },
        move |dropped| report.send(dropped).unwrap(),
    )
    .unwrap();
    SlowWriter { queue, permits, written, reports }
}

impl<T> Shared<T> {
    fn waiting(&self) -> usize {
        self.lock().items.len()
    }
}

#[test]
fn a_writer_that_blocks_delays_nobody_and_what_does_not_fit_is_counted_and_reported_once() {
    let slow = slow_writer(2);
    slow.queue.put(1);
    slow.queue.put(2);
    // At most one of three is being written, and two wait.
    (3..=9).for_each(|item| slow.queue.put(item));
    let dropped = slow.queue.dropped().get();
    assert!((6..=7).contains(&dropped), "{dropped}");
    slow.queue.finish(AT_ONCE);
    assert!(slow.queue.0.waiting() > 0, "finish has given up");
    for _ in 0..9 - dropped {
        slow.permits.send(Ok(())).unwrap();
    }
    slow.queue.finish(LONG);
    assert_eq!(slow.written.try_iter().count() as u64, 9 - dropped, "everything that was queued is written");
    assert_eq!(slow.reports.recv_timeout(LONG), Ok(dropped));
    slow.queue.put(10);
    slow.permits.send(Ok(())).unwrap();
    slow.queue.finish(LONG);
    assert_eq!(slow.queue.dropped().get(), dropped);
    assert!(slow.reports.try_recv().is_err(), "each loss is reported once");
}

#[test]
fn a_failed_write_is_counted_and_reported_after_the_next_success() {
    let slow = slow_writer(2);
    slow.queue.put(1);
    slow.permits.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
    slow.queue.finish(LONG);
    assert_eq!(slow.queue.dropped().get(), 1);
    assert!(slow.reports.try_recv().is_err(), "a report would fail as well");
    slow.queue.put(2);
    slow.permits.send(Ok(())).unwrap();
    assert_eq!(slow.written.recv_timeout(LONG), Ok(2));
    assert_eq!(slow.reports.recv_timeout(LONG), Ok(1));
}
