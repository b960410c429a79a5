//! The ledger and the history, whole, for those who can read the control socket. The pages on TCP show parts of them.

use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use super::server::{ControlSession, Refused};
use crate::history::query::HistoryQuery;
use crate::ledger::LedgerError;
use crate::ledger::store::JournalQuery;
use crate::status::views;
use crate::text::chain;

/// Where [`Shown`](crate::ledger::shown::Shown) is read.
pub const SHOW: &str = "/ledger.json";
pub(super) const JOURNAL: &str = "/journal.json";
pub(super) const HISTORY: &str = "/history.json";
/// Where the whole ledger is read.
pub const BACKUP: &str = "/ledger.db";
/// The maximum time for a page of the history: less than a client waits.
const HISTORY_WITHIN: Duration = Duration::from_secs(8);

/// Where these entries of the journal are read.
pub fn journal_path(query: &JournalQuery) -> String {
    path_with_query(JOURNAL, query)
}

/// Where this page of the history is read.
pub fn history_path(query: &HistoryQuery) -> String {
    path_with_query(HISTORY, query)
}

fn path_with_query(path: &str, query: &impl Serialize) -> String {
    format!("{path}?{}", serde_urlencoded::to_string(query).unwrap_or_default())
}

pub(super) async fn show(State(session): State<ControlSession>) -> Result<Response, Refused> {
    document(session.socket.sources.ledger().show().await)
}

pub(super) async fn journal(
    State(session): State<ControlSession>,
    query: Result<Query<JournalQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(query) = query.map_err(|_| bad_query(JOURNAL, "meter=NAME&most=N&before=ENTRY"))?;
    document(session.socket.sources.ledger().journal(query).await)
}

/// The whole ledger, streamed from a copy without a name. It has whole client identifiers, so membership in the group is not enough.
pub(super) async fn backup(State(session): State<ControlSession>) -> Result<Response, Refused> {
    session.check_may_change()?;
    let file = session.socket.sources.ledger().backup().await.map_err(|error| unavailable(format!("{error}\n")))?;
    let portions = ReaderStream::new(tokio::fs::File::from_std(file));
    Ok(([(CONTENT_TYPE, "application/vnd.sqlite3")], Body::from_stream(portions)).into_response())
}

pub(super) async fn history(
    State(session): State<ControlSession>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(query) = query.map_err(|_| bad_query(HISTORY, "meter=NAME&from=SECOND&to=SECOND&after=N"))?;
    match timeout(HISTORY_WITHIN, session.socket.sources.history().page(query)).await {
        Ok(Ok(page)) => Ok(views::json(&page)),
        Ok(Err(error)) => Err(unavailable(chain(&error) + "\n")),
        Err(_) => Err(unavailable("the disk of the history does not answer: try again\n".to_owned())),
    }
}

fn bad_query(path: &str, query: &str) -> Refused {
    (StatusCode::BAD_REQUEST, format!("the request must be {path}?{query}\n"))
}

fn document<T: Serialize>(read: Result<T, LedgerError>) -> Result<Response, Refused> {
    read.map(|document| views::json(&document)).map_err(|error| unavailable(format!("{error}\n")))
}

fn unavailable(text: String) -> Refused {
    (StatusCode::SERVICE_UNAVAILABLE, text)
}
