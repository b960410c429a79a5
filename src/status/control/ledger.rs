//! The ledger on disk, for whoever may look at the control socket: it holds more than the page on TCP tells.

use hyper::{StatusCode, Uri};

use crate::ledger::shown::{self, MOST, ShowError};
use crate::status::routes::{self, Answer};
use crate::status::snapshot::Sources;
use crate::units::Name;

pub(super) const SHOW: &str = "/ledger.json";
pub(super) const JOURNAL: &str = "/journal.json";

/// Answers a GET of [`SHOW`] or [`JOURNAL`] (with `?meter=NAME&most=N`); `None` for every other path.
pub(super) async fn look(uri: &Uri, sources: &Sources) -> Option<Answer> {
    let folder = sources.state_folder();
    match uri.path() {
        SHOW => Some(shown(move || shown::show(&folder)).await),
        JOURNAL => Some(match wanted(uri.query().unwrap_or_default()) {
            Some((meter, most)) => shown(move || shown::journal(&folder, meter.as_ref(), most)).await,
            None => routes::text(StatusCode::BAD_REQUEST, format!("ask for {JOURNAL}?meter=NAME&most=N\n")),
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
async fn shown<T: serde::Serialize + Send + 'static>(
    read: impl FnOnce() -> Result<T, ShowError> + Send + 'static,
) -> Answer {
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(document)) => routes::json(StatusCode::OK, &document),
        Ok(Err(error)) => routes::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        Err(_) => routes::text(StatusCode::SERVICE_UNAVAILABLE, "the ledger could not be read\n"),
    }
}
