//! The commands of one task: received while the task awaits other work, and carried out one after the other.

use std::collections::VecDeque;

use tokio::sync::mpsc;

/// The most commands that wait while other work is under way: a few operators at once. A further command is dropped, and its sender
/// sees that the reply channel closes.
const MOST_WAITING: usize = 16;

/// The receiving end of a task's commands.
#[derive(Debug)]
pub(crate) struct CommandQueue<T> {
    commands: mpsc::Receiver<T>,
    waiting: VecDeque<T>,
}

/// The last sender was dropped: the task must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueClosed;

impl<T> CommandQueue<T> {
    pub(crate) fn new(commands: mpsc::Receiver<T>) -> Self {
        CommandQueue { commands, waiting: VecDeque::new() }
    }

    /// A command that was received while other work was under way.
    pub(crate) fn take_waiting(&mut self) -> Option<T> {
        self.waiting.pop_front()
    }

    /// The next command.
    ///
    /// # Errors
    /// [`QueueClosed`] when the last sender was dropped.
    pub(crate) async fn next(&mut self) -> Result<T, QueueClosed> {
        match self.take_waiting() {
            Some(command) => Ok(command),
            None => self.commands.recv().await.ok_or(QueueClosed),
        }
    }

    /// Awaits `work` and receives commands meanwhile.
    ///
    /// # Errors
    /// [`QueueClosed`] when the last sender is dropped first; the work is then abandoned.
    pub(crate) async fn unless_closed<F: Future>(&mut self, work: F) -> Result<F::Output, QueueClosed> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => {
                    let command = command.ok_or(QueueClosed)?;
                    if self.waiting.len() < MOST_WAITING {
                        self.waiting.push_back(command);
                    }
                }
                output = &mut work => return Ok(output),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn commands_wait_during_other_work_up_to_the_limit() {
        let (sender, receiver) = mpsc::channel(100);
        let mut queue = CommandQueue::new(receiver);
        let mut replies = Vec::new();
        for _ in 0..20 {
            let (reply, answer) = oneshot::channel::<()>();
            sender.send(reply).await.unwrap();
            replies.push(answer);
        }
        queue.unless_closed(tokio::task::yield_now()).await.unwrap();
        let closed = Err(oneshot::error::TryRecvError::Closed);
        let dropped = replies.iter_mut().map(|answer| answer.try_recv()).filter(|reply| *reply == closed);
        assert_eq!(dropped.count(), 4);
        assert!(queue.next().await.is_ok());
    }

    #[tokio::test]
    async fn closing_the_queue_interrupts_the_work() {
        let (sender, receiver) = mpsc::channel::<()>(1);
        let mut queue = CommandQueue::new(receiver);
        drop(sender);
        assert_eq!(queue.unless_closed(std::future::pending::<()>()).await, Err(QueueClosed));
        assert_eq!(queue.next().await, Err(QueueClosed));
    }
}
