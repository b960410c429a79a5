//! The ledger and the history, for those who can read the control socket. The page on TCP does not show them.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use super::server::{ControlSession, Refused};
use crate::history::query::HistoryQuery;
use crate::ledger::shown::{ShowError, WantedEntries};
use crate::status::views;

/// Where [`Shown`](crate::ledger::shown::Shown) is read.
pub const SHOW: &str = "/ledger.json";
/// Where [`ShownJournal`](crate::ledger::shown::ShownJournal) is read.
pub const JOURNAL: &str = "/journal.json";
pub(super) const HISTORY: &str = "/history.json";
/// Where the whole ledger is read.
pub const BACKUP: &str = "/ledger.db";
/// The maximum time for a page of the history: less than a client waits.
const HISTORY_WITHIN: Duration = Duration::from_secs(8);

pub(super) async fn show(State(session): State<ControlSession>) -> Result<Response, Refused> {
    document(session.sources.ledger().show().await)
}

/// The query is that of [`WantedEntries::to_query`].
pub(super) async fn journal(
    State(session): State<ControlSession>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let wanted = WantedEntries::parse(&query.unwrap_or_default())
        .ok_or_else(|| bad_query(JOURNAL, "meter=NAME&most=N&before=ENTRY"))?;
    document(session.sources.ledger().journal(wanted).await)
}

/// The whole ledger, streamed from a copy without a name. It has whole client identifiers, so membership in the group is not enough.
pub(super) async fn backup(State(session): State<ControlSession>) -> Result<Response, Refused> {
    session.check_may_change()?;
    let file = session.sources.ledger().backup().await.map_err(|error| unavailable(format!("{error}\n")))?;
    let portions = ReaderStream::new(tokio::fs::File::from_std(file));
    Ok(([(CONTENT_TYPE, "application/vnd.sqlite3")], Body::from_stream(portions)).into_response())
}

/// The query is that of [`HistoryQuery::to_query`].
pub(super) async fn history(
    State(session): State<ControlSession>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let query = HistoryQuery::parse(&query.unwrap_or_default())
        .ok_or_else(|| bad_query(HISTORY, "meter=NAME&from=SECOND&to=SECOND&after=N"))?;
    match timeout(HISTORY_WITHIN, session.sources.history().page(query)).await {
        Ok(Ok(page)) => Ok(views::json(&page)),
        Ok(Err(error)) => Err(unavailable(format!("{error}\n"))),
        Err(_) => Err(unavailable("the disk of the history does not answer: try again\n".to_owned())),
    }
}

fn bad_query(path: &str, query: &str) -> Refused {
    (StatusCode::BAD_REQUEST, format!("the request must be {path}?{query}\n"))
}

fn document<T: serde::Serialize>(read: Result<T, ShowError>) -> Result<Response, Refused> {
    read.map(|document| views::json(&document)).map_err(|error| unavailable(format!("{error}\n")))
}

fn unavailable(text: String) -> Refused {
    (StatusCode::SERVICE_UNAVAILABLE, text)
}
