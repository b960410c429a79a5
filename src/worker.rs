//! A thread for work that may block: one job at a time, in order. A disk, driver or file that hangs then delays its owner only.

use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};

#[cfg(not(test))]
use tokio::sync::oneshot as running;

type Job = Box<dyn FnOnce() + Send>;

/// The thread of one owner. It starts with the first job, and ends when the worker is dropped and the last job is done.
#[derive(Debug)]
pub(crate) struct Worker {
    name: String,
    queue: Option<mpsc::Sender<Job>>,
}

/// Why a job has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no thread left: raise TasksMax in the unit, or the limit of processes (ulimit -u)")]
pub(crate) struct NoThread;

/// A job that waits or runs. Its result can be awaited again after the wait was dropped.
#[derive(Debug)]
#[must_use = "the result is lost"]
pub(crate) struct Work<T>(running::Receiver<T>);

impl Worker {
    /// `name` is shown by the system's tools; at most 15 bytes of it.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Worker { name: name.into(), queue: None }
    }

    /// Starts the thread if it does not run yet.
    ///
    /// # Errors
    /// The system has no thread left. It can be tried again.
    pub(crate) fn ready(&mut self) -> Result<(), NoThread> {
        if self.queue.is_none() {
            let (queue, jobs) = mpsc::channel::<Job>();
            let work = move || jobs.into_iter().for_each(|job| job());
            std::thread::Builder::new().name(self.name.clone()).spawn(work).map_err(|_| NoThread)?;
            self.queue = Some(queue);
        }
        Ok(())
    }

    /// Does the job after those that it has.
    pub(crate) fn run<T: Send + 'static>(&mut self, job: impl FnOnce() -> T + Send + 'static) -> Work<T> {
        let (result, work) = running::channel();
        if self.ready().is_ok()
            && let Some(queue) = &self.queue
        {
            // Nobody may wait for the result any more. The thread itself runs as long as the queue.
            let _ = queue.send(Box::new(move || drop(result.send(job()))));
        }
        Work(work)
    }
}

/// Does one job in a thread of its own.
pub(crate) fn once<T: Send + 'static>(name: &str, job: impl FnOnce() -> T + Send + 'static) -> Work<T> {
    Worker::new(name).run(job)
}

impl<T> Future for Work<T> {
    type Output = Result<T, NoThread>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|_| NoThread)
    }
}

/// The paused clock of tokio's tests stands still only for tokio's own threads: one of them waits for the result.
#[cfg(test)]
mod running {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    #[derive(Debug)]
    pub(super) struct Receiver<T>(JoinHandle<Result<T, oneshot::error::RecvError>>);

    pub(super) fn channel<T: Send + 'static>() -> (oneshot::Sender<T>, Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (sender, Receiver(tokio::task::spawn_blocking(|| receiver.blocking_recv())))
    }

    impl<T> Future for Receiver<T> {
        type Output = Result<T, oneshot::error::RecvError>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            Pin::new(&mut self.0).poll(cx).map(|joined| joined.expect("it only waits"))
        }
    }
}

#[cfg(test)]
mod tests;
