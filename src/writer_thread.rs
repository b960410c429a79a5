//! A thread that writes what nobody may wait for: a bounded queue in front of it drops and counts what does not fit.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How many items were not written since the start of the process. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct DroppedCount(Arc<AtomicU64>);

impl DroppedCount {
    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The queue of a writer thread. Clones share the queue; the thread runs as long as the process.
#[derive(Debug)]
pub(crate) struct WriterThread<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    depth: usize,
    queue: Mutex<Queue<T>>,
    /// Notified at every change of the queue.
    changed: Condvar,
    dropped: DroppedCount,
}

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<T>,
    /// The thread has taken an item out and writes it.
    writing: bool,
    /// Items dropped since the last report of them.
    dropped: u64,
}

impl<T> Clone for WriterThread<T> {
    fn clone(&self) -> Self {
        WriterThread(self.0.clone())
    }
}

impl<T: Send + 'static> WriterThread<T> {
    /// Starts the thread. `depth`: items that wait at most. `write` may block for ever. `drained` gets the number of dropped items when the
    /// queue is empty again after a successful write; it may put items.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(
        name: &str,
        depth: usize,
        mut write: impl FnMut(T) -> io::Result<()> + Send + 'static,
        drained: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Mutex::new(Queue { items: VecDeque::new(), writing: false, dropped: 0 });
        let shared = Arc::new(Shared { depth, queue, changed: Condvar::new(), dropped: DroppedCount::default() });
        let thread = WriterThread(shared.clone());
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            loop {
                let written = write(shared.next());
                if let Some(dropped) = shared.written(written.is_ok()) {
                    drained(dropped);
                }
            }
        })?;
        Ok(thread)
    }

    /// Queues an item, or drops and counts it. Never waits for the writing.
    pub(crate) fn put(&self, item: T) {
        let mut queue = self.0.lock();
        if queue.items.len() < self.0.depth {
            queue.items.push_back(item);
            self.0.changed.notify_all();
        } else {
            queue.dropped += 1;
            self.0.dropped.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The number of dropped items.
    pub(crate) fn dropped(&self) -> DroppedCount {
        self.0.dropped.clone()
    }

    /// Waits until everything is written, but not longer than `within`.
    pub(crate) fn finish(&self, within: Duration) {
        let queue = self.0.lock();
        let busy = |queue: &mut Queue<T>| queue.writing || !queue.items.is_empty();
        // What is not written by then is lost with the process.
        let _ = self.0.changed.wait_timeout_while(queue, within, busy);
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().expect("no panic while the lock is held")
    }

    /// Waits for the next item.
    fn next(&self) -> T {
        let mut queue = self.lock();
        loop {
            if let Some(item) = queue.items.pop_front() {
                queue.writing = true;
                return item;
            }
            queue = self.changed.wait(queue).expect("no panic while the lock is held");
        }
    }

    /// An item was written, or failed and counts as dropped. Returns the number of dropped items that is to be reported now.
    fn written(&self, well: bool) -> Option<u64> {
        let mut queue = self.lock();
        queue.writing = false;
        self.changed.notify_all();
        if !well {
            queue.dropped += 1;
            self.dropped.0.fetch_add(1, Ordering::Relaxed);
        }
        let report = well && queue.items.is_empty() && queue.dropped > 0;
        report.then(|| std::mem::take(&mut queue.dropped))
    }
}

#[cfg(test)]
mod tests;
