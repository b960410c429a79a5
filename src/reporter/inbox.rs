//! The commands of an account task: taken in while something else is awaited, so that the end is noticed at once.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::Command;

/// Commands that may wait while a round is under way; further ones are dropped, and whoever waits for a reply notices.
const ROOM: usize = 16;

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Inbox {
    commands: mpsc::Receiver<Command>,
    waiting: VecDeque<Command>,
}

/// The last sender was dropped: the task is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl Inbox {
    pub(crate) fn new(commands: mpsc::Receiver<Command>) -> Self {
        Inbox { commands, waiting: VecDeque::new() }
    }

    /// The next command.
    pub(crate) async fn next(&mut self) -> Result<Command, Closed> {
        match self.waiting.pop_front() {
            Some(command) => Ok(command),
            None => self.commands.recv().await.ok_or(Closed),
        }
    }

    /// Awaits `future`, unless the inbox is closed first: then it is abandoned.
    pub(crate) async fn unless_closed<F: Future>(&mut self, future: F) -> Result<F::Output, Closed> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => {
                    let command = command.ok_or(Closed)?;
                    if self.waiting.len() < ROOM {
                        self.waiting.push_back(command);
                    }
                }
                output = &mut future => return Ok(output),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn commands_wait_while_something_is_under_way_but_not_without_bound() {
        let (sender, receiver) = mpsc::channel(100);
        let mut inbox = Inbox::new(receiver);
        let mut replies = Vec::new();
        for _ in 0..20 {
            let (reply, answer) = oneshot::channel();
            sender.send(Command::DryRun { reply }).await.unwrap();
            replies.push(answer);
        }
        inbox.unless_closed(tokio::task::yield_now()).await.unwrap();
        let closed = Err(oneshot::error::TryRecvError::Closed);
        let dropped = replies.iter_mut().map(|answer| answer.try_recv()).filter(|reply| *reply == closed);
        assert_eq!(dropped.count(), 4);
        assert!(matches!(inbox.next().await, Ok(Command::DryRun { .. })));
    }

    #[tokio::test]
    async fn the_end_interrupts_what_is_under_way() {
        let (sender, receiver) = mpsc::channel(1);
        let mut inbox = Inbox::new(receiver);
        drop(sender);
        assert_eq!(inbox.unless_closed(std::future::pending::<()>()).await, Err(Closed));
    }
}
