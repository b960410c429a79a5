//! The ledger on disk, for whoever may look at the control socket: it holds more than the page on TCP tells.

use hyper::{StatusCode, Uri};

use crate::ledger::history::shown::{self as history, Wanted};
use crate::ledger::shown::{self, Entries};
use crate::status::routes::{self, Answer};
use crate::status::snapshot::StatusSources;

pub(super) const SHOW: &str = "/ledger.json";
pub(super) const JOURNAL: &str = "/journal.json";
pub(super) const HISTORY: &str = "/history.json";

/// Somebody begins to look at the history: not every page of it needs what came since.
pub(super) fn wants_latest_history(uri: &Uri) -> bool {
    uri.path() == HISTORY && Wanted::of_query(uri.query().unwrap_or_default()).is_some_and(|wanted| wanted.after == 0)
}

/// Answers a GET of [`SHOW`], [`JOURNAL`] (as [`Entries::query`] has it) or [`HISTORY`] (as [`Wanted::query`]); `None` for every other path.
pub(super) async fn look(uri: &Uri, sources: &StatusSources) -> Option<Answer> {
    let folder = sources.state_folder();
    match uri.path() {
        SHOW => Some(shown(move || shown::show(&folder)).await),
        JOURNAL => Some(match Entries::of_query(uri.query().unwrap_or_default()) {
            Some(wanted) => shown(move || shown::journal(&folder, &wanted)).await,
            None => {
                routes::text(StatusCode::BAD_REQUEST, format!("ask for {JOURNAL}?meter=NAME&most=N&before=ENTRY\n"))
            }
        }),
        HISTORY => Some(match Wanted::of_query(uri.query().unwrap_or_default()) {
            Some(wanted) => shown(move || history::page(&folder, &wanted)).await,
            None => {
                let query = "meter=NAME&from=SECOND&to=SECOND&after=N";
                routes::text(StatusCode::BAD_REQUEST, format!("ask for {HISTORY}?{query}\n"))
            }
        }),
        _ => None,
    }
}

/// Reads on a thread of its own: the disk may be slow.
async fn shown<T: serde::Serialize + Send + 'static, E: std::error::Error + Send + 'static>(
    read: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Answer {
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(document)) => routes::json(StatusCode::OK, &document),
        Ok(Err(error)) => routes::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        Err(_) => routes::text(StatusCode::SERVICE_UNAVAILABLE, "the ledger could not be read\n"),
    }
}
