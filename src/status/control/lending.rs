//! Lends a bus's line to a command of root or the daemon's own user, for as long as its connection lasts. The bodies of request and answer
//! are streams of JSON lines: a read each way, one at a time.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::server::{ControlSession, Refused};
use crate::modbus::{LentAnswer, LentLine, LentRequest};
use crate::poller::{BusCommand, LoanTerms};
use crate::text;
use crate::units::Name;

pub(super) const PATH: &str = "/lend";
/// The longest time from one read to the next: `inspect --watch 4h` reads every 20 minutes.
const IDLE_WITHIN: Duration = Duration::from_secs(30 * 60);
/// The longest time until the bus's task begins the loan: it may be reading a slow meter.
const BEGIN_WITHIN: Duration = Duration::from_secs(30);
/// The most bytes of a read.
const READ_MAX: usize = 512;

/// Which line a command borrows, and for what.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoanRequest {
    /// The bus of the configuration.
    pub bus: Name,
    /// Its device or address, as in the command's configuration: the daemon may have an older one.
    pub link: String,
    /// The command: `scan`.
    pub purpose: String,
    /// The timeout for units that are not there, in ms.
    pub timeout_ms: u64,
}

/// A line that the daemon sends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LoanLine {
    /// The first one.
    Terms(LoanTerms),
    /// The outcome of a read.
    Answer(LentAnswer),
    /// The last one: why the loan ends.
    Ended(String),
}

impl LoanRequest {
    /// The path and query for this loan.
    pub(super) fn path(&self) -> String {
        format!("{PATH}?{}", serde_urlencoded::to_string(self).unwrap_or_default())
    }
}

impl LoanLine {
    pub(super) fn bytes(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

pub(super) async fn lend(
    State(session): State<ControlSession>,
    query: Result<Query<LoanRequest>, QueryRejection>,
    body: Body,
) -> Result<Response, Refused> {
    let peer = session.check_may_change()?;
    let Ok(Query(wanted)) = query else {
        let text = format!("the request must be {PATH}?bus=NAME&link=DEVICE&purpose=COMMAND&timeout_ms=TIME\n");
        return Err((StatusCode::BAD_REQUEST, text));
    };
    let process = peer.pid().map(|pid| format!(" (process {pid})")).unwrap_or_default();
    let borrower = format!("arkmeter {}{process}", text::foreign(&wanted.purpose, 20));
    let (line, terms) = borrow(&session, &wanted, borrower).await?;
    session.deadline.extend(Instant::now() + IDLE_WITHIN);
    let first = stream::iter([LoanLine::Terms(terms).bytes()]);
    let lines = first.chain(answers(session, line, body)).map(Ok::<_, Infallible>);
    Ok(([(CONTENT_TYPE, "application/jsonl")], Body::from_stream(lines)).into_response())
}

async fn borrow(
    session: &ControlSession,
    wanted: &LoanRequest,
    borrower: String,
) -> Result<(LentLine, LoanTerms), Refused> {
    let bus = &wanted.bus;
    let stale = || {
        let text = format!(
            "the daemon has no bus {bus} at {}: let it read the configuration (`systemctl reload arkmeter`)\n",
            wanted.link
        );
        (StatusCode::CONFLICT, text)
    };
    let busy = || (StatusCode::SERVICE_UNAVAILABLE, format!("bus {bus} is busy or being reloaded: try again\n"));
    let (commands, link) = session.socket.sources.bus(bus).ok_or_else(stale)?;
    if link != wanted.link {
        return Err(stale());
    }
    let (line, requests) = LentLine::new();
    let (reply, terms) = oneshot::channel();
    let timeout_of_missing = Duration::from_millis(wanted.timeout_ms);
    let command = BusCommand::Lend { borrower, timeout: timeout_of_missing, requests, reply };
    let begun = async {
        commands.upgrade()?.send(command).await.ok()?;
        terms.await.ok()
    };
    match timeout(BEGIN_WITHIN, begun).await {
        Ok(Some(Ok(terms))) => Ok((line, terms)),
        Ok(Some(Err(other))) => {
            let text = format!("the line of bus {bus} is lent to {other} already: wait until that has ended\n");
            Err((StatusCode::CONFLICT, text))
        }
        Ok(None) | Err(_) => Err(busy()),
    }
}

/// The answers to the reads in this body.
fn answers(session: ControlSession, line: LentLine, body: Body) -> impl Stream<Item = String> {
    let reads = ReadLines { body: body.into_data_stream(), received: Vec::new() };
    stream::unfold(Some((session, line, reads)), |state| async move {
        let (session, line, mut reads) = state?;
        let answer = match reads.next().await? {
            Ok(read) => reads.answered(&line, read).await?,
            Err(why) => Err(why),
        };
        session.deadline.extend(Instant::now() + IDLE_WITHIN);
        Some(match answer {
            Ok(answer) => (LoanLine::Answer(answer).bytes(), Some((session, line, reads))),
            Err(why) => (LoanLine::Ended(why).bytes(), None),
        })
    })
}

/// The reads of a borrower, as they come.
struct ReadLines {
    body: BodyDataStream,
    received: Vec<u8>,
}

impl ReadLines {
    /// The next read; `None` if the borrower is gone.
    async fn next(&mut self) -> Option<Result<LentRequest, String>> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let read: Vec<u8> = self.received.drain(..=end).collect();
                return Some(parsed(&read));
            }
            if self.received.len() > READ_MAX {
                return Some(Err("a read is one line of JSON".to_owned()));
            }
            self.received.extend_from_slice(&self.body.next().await?.ok()?);
        }
    }

    /// The outcome of a read; `None` if the borrower is gone before.
    async fn answered(&mut self, line: &LentLine, read: LentRequest) -> Option<Result<LentAnswer, String>> {
        // A borrower that sends more before it has its answer could not be seen to go.
        const ONE: &str = "a lent line carries out one read at a time: send the next one after the answer";
        if !self.received.is_empty() {
            return Some(Err(ONE.to_owned()));
        }
        tokio::select! {
            answer = line.exchange(read) => Some(answer.ok_or_else(|| {
                "the daemon is stopping, or has read a configuration in which the bus is another one: try again".to_owned()
            })),
            more = self.body.next() => match more? {
                Ok(_) => Some(Err(ONE.to_owned())),
                Err(_) => None,
            },
        }
    }
}

fn parsed(read: &[u8]) -> Result<LentRequest, String> {
    let request: LentRequest =
        serde_json::from_slice(read).map_err(|error| format!("this is no read of a lent line: {error}"))?;
    request.check().map_err(|error| error.to_string())?;
    Ok(request)
}
