//! The poller's counts for each line, as the document shows them and as advice.

use std::collections::BTreeMap;

use super::counts::Counts;
use super::document;
use crate::config::{Config, Link};
use crate::poller::BusReport;
use crate::quality::{self, LinkKind, RequestCount, RequestQuality, RequestTally};
use crate::units::Name;

/// All requests to these meters.
pub(super) fn shown<'q>(meters: impl IntoIterator<Item = &'q RequestQuality>) -> document::QualityStatus {
    let (mut tally, mut recent, mut of_meters) = (RequestTally::default(), RequestTally::default(), Vec::new());
    for meter in meters {
        let recent_of_meter = meter.recent();
        tally.merge(meter.total());
        recent.merge(&recent_of_meter.tally);
        of_meters.push(recent_of_meter);
    }
    let exceptions = RequestCount::EXCEPTIONS.iter().map(|(count, code)| (*code, tally.of(*count)));
    let percentile =
        |(name, share): (&'static str, f64)| Some((name, recent.times.percentile(share)?.as_micros() as u64));
    document::QualityStatus {
        total: counts(&tally),
        recent: counts(&recent),
        exceptions: exceptions.filter(|(_, count)| *count > 0).collect(),
        response_us: [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)].into_iter().filter_map(percentile).collect(),
        occupancy: quality::occupancy(&of_meters).map(|share| (share * 1e4).round() / 1e4),
        tally: Box::new(tally),
    }
}

/// The usual counts always, the others if they are above 0.
fn counts(tally: &RequestTally) -> Counts {
    let sums = [("requests", tally.requests()), ("exceptions", tally.exceptions())];
    let (usual, rest) = RequestCount::WORDS.split_at(RequestCount::USUAL);
    let of = |(count, word): &(RequestCount, &'static str)| (*word, tally.of(*count));
    let rest = rest.iter().map(of).filter(|(_, count)| *count > 0);
    sums.into_iter().chain(usual.iter().map(of)).chain(rest).collect()
}

/// Advice for the buses that are open.
pub(super) fn advice(config: &Config, buses: &BTreeMap<Name, BusReport>) -> Vec<String> {
    let open = config.buses.iter().filter_map(|(name, bus)| {
        let report = buses.get(name).filter(|report| report.error.is_none())?;
        let meters = report.meters.iter().filter_map(|(meter, poll)| {
            let configured = config.meters.get(meter)?;
            let (name, unit, poll_every) = (meter.as_str(), configured.unit.get(), configured.poll_every);
            Some(quality::MeterQuality { name, unit, poll_every, recent: poll.quality.recent() })
        });
        Some(quality::BusQuality {
            name: name.as_str(),
            link: match bus.link {
                Link::Serial(_) => LinkKind::Serial,
                Link::RtuOverTcp(_) => LinkKind::Converter,
                Link::Tcp(_) => LinkKind::Tcp,
            },
            timeout: bus.timeout,
            meters: meters.collect(),
        })
    });
    open.flat_map(|bus| quality::advice(&bus)).collect()
}

/// Advice about counters that rise while power is exported.
pub(super) fn counter_advice(buses: &BTreeMap<Name, BusReport>) -> impl Iterator<Item = String> + '_ {
    let polls = buses.values().flat_map(|bus| &bus.meters);
    polls.filter(|(_, poll)| poll.rises_while_exporting).map(|(meter, _)| {
        format!(
            "{meter}: the counter rises while power is negative: is this the export counter, or are the current transformers reversed? \
             (reversed = true in [meter.{meter}] changes both)"
        )
    })
}

#[cfg(test)]
mod tests;
