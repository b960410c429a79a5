//! Streams a recording of the readings to those who can read the control socket.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::server::{ControlSession, Refused};
use crate::recorder::{Recording, TraceWriter};
use crate::units::Name;

pub(super) const PATH: &str = "/record";
/// The last line of a recording that lasted as long as requested.
pub const END: &str = "# end of the requested time\n";
/// The longest recording.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// How much longer its connection may last, for the last lines.
const SLACK: Duration = Duration::from_secs(30);

/// The path and query for a recording of this meter, or of all, from 1 s to [`LONGEST`].
pub fn record_path(meter: Option<&Name>, lasting: Duration) -> String {
    let meter = meter.map(|name| format!("&meter={name}")).unwrap_or_default();
    format!("{PATH}?for={}{meter}", lasting.as_secs())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordQuery {
    /// All meters if absent.
    meter: Option<Name>,
    #[serde(rename = "for")]
    seconds: u64,
}

pub(super) async fn record(
    State(session): State<ControlSession>,
    query: Result<Query<RecordQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let query = query.ok().filter(|query| (1..=LONGEST.as_secs()).contains(&query.seconds));
    let Some(Query(RecordQuery { meter, seconds })) = query else {
        let longest = LONGEST.as_secs();
        let text = format!(
            "the request must be {PATH}?for=SECONDS&meter=NAME, up to {longest} seconds; without a meter all are recorded\n"
        );
        return Err((StatusCode::BAD_REQUEST, text));
    };
    let recording = session
        .socket
        .recorder
        .listen(meter)
        .map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")))?;
    let until = Instant::now() + Duration::from_secs(seconds);
    session.deadline.extend(until + SLACK);
    Ok(([(CONTENT_TYPE, "application/jsonl")], Body::from_stream(lines(recording, until))).into_response())
}

/// The lines of a recording up to this time, and [`END`].
fn lines(recording: Recording, until: Instant) -> impl Stream<Item = Result<String, Infallible>> {
    let (lines, first) = TraceWriter::begin(recording.began);
    let rest = stream::unfold(Some((recording, lines)), move |state| async move {
        let (mut recording, mut lines) = state?;
        match timeout_at(until, recording.next()).await {
            Ok(Some((event, lost))) => Some((lines.write(&event, lost), Some((recording, lines)))),
            Ok(None) => None,
            Err(_) => Some((END.to_owned(), None)),
        }
    });
    stream::iter([first]).chain(rest).map(Ok)
}
