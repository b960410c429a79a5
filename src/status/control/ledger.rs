//! The ledger on disk, for whoever may look at the control socket: it holds more than the page on TCP tells.

use hyper::{StatusCode, Uri};

use crate::ledger::history::shown::{self as history, Wanted};
use crate::ledger::shown::{self, MOST};
use crate::status::routes::{self, Answer};
use crate::status::snapshot::Sources;
use crate::units::Name;

pub(super) const SHOW: &str = "/ledger.json";
pub(super) const JOURNAL: &str = "/journal.json";
pub(super) const HISTORY: &str = "/history.json";

/// Somebody begins to look at the history: not every page of it needs what came since.
pub(super) fn wants_latest_history(uri: &Uri) -> bool {
    uri.path() == HISTORY && Wanted::of_query(uri.query().unwrap_or_default()).is_some_and(|wanted| wanted.after == 0)
}

/// Answers a GET of [`SHOW`], [`JOURNAL`] (with `?meter=NAME&most=N`) or [`HISTORY`] (as [`Wanted::query`] has it); `None` for every other
/// path.
pub(super) async fn look(uri: &Uri, sources: &Sources) -> Option<Answer> {
    let folder = sources.state_folder();
    match uri.path() {
        SHOW => Some(shown(move || shown::show(&folder)).await),
        JOURNAL => Some(match wanted(uri.query().unwrap_or_default()) {
            Some((meter, most)) => shown(move || shown::journal(&folder, meter.as_ref(), most)).await,
            None => routes::text(StatusCode::BAD_REQUEST, format!("ask for {JOURNAL}?meter=NAME&most=N\n")),
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

/// The meter and the number of entries that a query names.
fn wanted(query: &str) -> Option<(Option<Name>, u32)> {
    let (mut meter, mut most) = (None, MOST);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=')? {
            ("meter", name) => meter = Some(Name::new(name)?),
            ("most", number) => most = number.parse().ok()?,
            _ => return None,
        }
    }
    Some((meter, most))
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
