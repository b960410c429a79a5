//! A recording of what the meters say, streamed to whoever may look at the control socket: it changes nothing.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::{StatusCode, Uri};
use tokio::time::{Instant, timeout_at};

use crate::recorder::{Lines, Recorder, Recording};
use crate::status::routes::{self, Answer};
use crate::status::server::Deadline;
use crate::units::Name;

const PATH: &str = "/record";
/// The last line of a recording that has lasted as long as it was to.
pub const END: &str = "# the end, as asked\n";
/// A recording lasts at most this long.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// How much longer its connection may take for the last lines.
const SLACK: Duration = Duration::from_secs(30);

/// Where a recording of this meter, or of all, is to be had.
pub fn record_path(meter: Option<&Name>, lasting: Duration) -> String {
    let meter = meter.map(|name| format!("&meter={name}")).unwrap_or_default();
    format!("{PATH}?for={}{meter}", lasting.as_secs())
}

/// Answers a GET of [`PATH`] with `?for=SECONDS&meter=NAME`; `None` for every other path.
pub(super) fn record(uri: &Uri, recorder: &Recorder, leave: &Deadline) -> Option<Answer> {
    if uri.path() != PATH {
        return None;
    }
    let Some((meter, lasting)) = wanted(uri.query().unwrap_or_default()) else {
        let longest = LONGEST.as_secs();
        let text = format!(
            "ask for {PATH}?for=SECONDS&meter=NAME, up to {longest} seconds; without a meter all are recorded\n"
        );
        return Some(routes::text(StatusCode::BAD_REQUEST, text));
    };
    Some(match recorder.listen(meter) {
        Err(error) => routes::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        Ok(recording) => {
            let until = Instant::now() + lasting;
            leave.until(until + SLACK);
            routes::of(StatusCode::OK, "application/jsonl", live(recording, until))
        }
    })
}

fn live(
    recording: Recording,
    until: Instant,
) -> StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>>> {
    let (lines, first) = Lines::begin(recording.began);
    let said = stream::unfold(
        (recording, lines, Some(first), false),
        move |(mut recording, mut lines, first, ended)| async move {
            let (text, ended) = match first {
                Some(first) => (first, false),
                None if ended => return None,
                None => match timeout_at(until, recording.next()).await {
                    Ok(Some((said, lost))) => (lines.write(&said, lost), false),
                    Ok(None) => return None,
                    Err(_) => (END.to_owned(), true),
                },
            };
            Some((Ok(Frame::data(Bytes::from(text))), (recording, lines, None, ended)))
        },
    );
    StreamBody::new(said)
}

/// The meter (all where absent) and the time that a query names.
fn wanted(query: &str) -> Option<(Option<Name>, Duration)> {
    let (mut meter, mut lasting) = (None, None);
    for pair in query.split('&') {
        match pair.split_once('=')? {
            ("meter", name) => meter = Some(Name::new(name)?),
            ("for", seconds) => lasting = Some(Duration::from_secs(seconds.parse().ok()?)),
            _ => return None,
        }
    }
    Some((meter, lasting.filter(|lasting| (Duration::from_secs(1)..=LONGEST).contains(lasting))?))
}
