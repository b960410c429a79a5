//! The borrower's end of a loan: it brings the reads of a command to the daemon, and the outcomes back.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::Method;
use hyper::body::Frame;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::client::{ControlError, Exchange, other, within};
use super::lending::{LoanLine, LoanRequest};
use crate::modbus::{LentAnswer, LentExchange, LentLine, LentRequest};
use crate::poller::LoanTerms;
use crate::text;

/// The longest time until the daemon lends its line, or refuses.
const BEGIN_WITHIN: Duration = Duration::from_secs(40);
/// The most bytes of an answer: 125 registers.
const ANSWER_MAX: usize = 16 * 1024;
const ENDED: &str =
    "the running arkmeter ended the loan of its line: it was stopped, or see `journalctl -u arkmeter`; try again";

/// A line of the daemon, until this is dropped.
#[derive(Debug)]
pub struct BorrowedLine {
    /// Carries out the reads.
    pub line: LentLine,
    /// How fast they are carried out.
    pub terms: LoanTerms,
    /// Brings them to the daemon; it ends with this loan.
    _carrier: JoinSet<()>,
}

/// Borrows a line of the daemon at `socket`.
///
/// # Errors
/// No daemon, no permission, or the daemon's reason not to lend it.
pub async fn borrow(socket: &Path, wanted: &LoanRequest) -> Result<BorrowedLine, ControlError> {
    let (reads, to_daemon) = mpsc::channel::<Bytes>(1);
    let frames = stream::unfold(to_daemon, |mut reads| async move {
        let bytes = reads.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), reads))
    });
    let begun = async {
        let exchange = Exchange::begin(socket, Method::POST, &wanted.path(), StreamBody::new(Box::pin(frames))).await?;
        let mut answers = LoanLines { exchange, received: Vec::new() };
        match answers.next().await {
            Some(LoanLine::Terms(terms)) => Ok((answers, terms)),
            _ => Err(other("the daemon did not send the terms of the loan")),
        }
    };
    let (answers, terms) = within(BEGIN_WITHIN, begun).await?;
    let (line, requests) = LentLine::new();
    let mut carrier = JoinSet::new();
    carrier.spawn(carry(requests, reads, answers));
    Ok(BorrowedLine { line, terms, _carrier: carrier })
}

/// Brings one read after the other to the daemon.
async fn carry(mut requests: mpsc::Receiver<LentExchange>, reads: mpsc::Sender<Bytes>, mut answers: LoanLines) {
    let mut ended = None;
    while let Some(LentExchange { request, reply }) = requests.recv().await {
        let answer = match &ended {
            Some(why) => Err(why),
            None => exchanged(&request, &reads, &mut answers).await.map_err(|why| &*ended.insert(why)),
        };
        // A read that was given up has its answer here: the next one gets its own.
        let _ = reply.send(answer.unwrap_or_else(LentAnswer::ended));
    }
}

/// The outcome of a read, or why the loan has ended.
async fn exchanged(
    request: &LentRequest,
    reads: &mpsc::Sender<Bytes>,
    answers: &mut LoanLines,
) -> Result<LentAnswer, String> {
    let line = serde_json::to_string(request).unwrap_or_default() + "\n";
    // If the connection is gone, the answer says so.
    let _ = reads.send(line.into()).await;
    match answers.next().await {
        Some(LoanLine::Answer(answer)) => Ok(answer),
        Some(LoanLine::Ended(why)) => Err(text::foreign(&why, 200)),
        Some(LoanLine::Terms(_)) | None => Err(ENDED.to_owned()),
    }
}

/// The lines of the daemon.
struct LoanLines {
    exchange: Exchange,
    received: Vec<u8>,
}

impl LoanLines {
    /// The next line; `None` if the daemon is gone or not understood.
    async fn next(&mut self) -> Option<LoanLine> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return serde_json::from_slice(&line).ok();
            }
            if self.received.len() > ANSWER_MAX {
                return None;
            }
            let frame = self.exchange.body.frame().await?.ok()?;
            self.received.extend_from_slice(frame.data_ref()?);
        }
    }
}
