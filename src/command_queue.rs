//! The commands of one task: received while the task awaits other work, and carried out one after the other.

use std::collections::VecDeque;

use tokio::sync::mpsc;

/// The maximum number of commands that wait during other work: a few operators at once. A further command is dropped, and its sender sees
/// that the reply channel closes.
const MAX_WAITING: usize = 16;

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

    /// A command that was received during other work.
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

    /// Awaits `work` and receives commands during it.
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
                    if self.waiting.len() < MAX_WAITING {
                        self.waiting.push_back(command);
                    }
                }
                output = &mut work => return Ok(output),
            }
        }
    }
}

#[cfg(test)]
mod tests;
