//! The ledger and the history, for those who can read the control socket: more than the page on TCP shows.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use tokio::time::timeout;

use super::server::{ControlSession, Refused};
use crate::history::query::HistoryQuery;
use crate::ledger::shown::{self, Entries};
use crate::status::views;

pub(super) const SHOW: &str = "/ledger.json";
pub(super) const JOURNAL: &str = "/journal.json";
pub(super) const HISTORY: &str = "/history.json";
/// How long a page of the history may take; less than a client waits.
const HISTORY_WITHIN: Duration = Duration::from_secs(8);

pub(super) async fn show(State(session): State<ControlSession>) -> Result<Response, Refused> {
    let folder = session.sources.state_folder();
    read(move || shown::show(&folder)).await
}

/// The query is that of [`Entries::query`].
pub(super) async fn journal(
    State(session): State<ControlSession>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let wanted = Entries::of_query(&query.unwrap_or_default())
        .ok_or_else(|| bad_query(JOURNAL, "meter=NAME&most=N&before=ENTRY"))?;
    let folder = session.sources.state_folder();
    read(move || shown::journal(&folder, &wanted)).await
}

/// The query is that of [`HistoryQuery::to_query`].
pub(super) async fn history(
    State(session): State<ControlSession>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let query = HistoryQuery::parse(&query.unwrap_or_default())
        .ok_or_else(|| bad_query(HISTORY, "meter=NAME&from=SECOND&to=SECOND&after=N"))?;
    let unavailable = |text: String| (StatusCode::SERVICE_UNAVAILABLE, text);
    match timeout(HISTORY_WITHIN, session.sources.history().page(query)).await {
        Ok(Ok(page)) => Ok(views::json(&page)),
        Ok(Err(error)) => Err(unavailable(format!("{error}\n"))),
        Err(_) => Err(unavailable("the disk of the history does not answer: try again\n".to_owned())),
    }
}

fn bad_query(path: &str, query: &str) -> Refused {
    (StatusCode::BAD_REQUEST, format!("the request must be {path}?{query}\n"))
}

/// Reads on a thread of its own, because the disk may be slow.
async fn read<T: serde::Serialize + Send + 'static, E: std::error::Error + Send + 'static>(
    read: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<Response, Refused> {
    let unavailable = |text: String| (StatusCode::SERVICE_UNAVAILABLE, text);
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(document)) => Ok(views::json(&document)),
        Ok(Err(error)) => Err(unavailable(format!("{error}\n"))),
        Err(_) => Err(unavailable("the ledger could not be read\n".to_owned())),
    }
}
