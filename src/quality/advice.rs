//! Advice about one bus from its recent counts: what is wrong and what to do. Without enough requests there is no advice.

use std::time::Duration;

use super::bus::{BusQuality, FaultyMeter, LinkKind, NamedMeters, is_significant, percent, reaches};
use super::tally::{RequestCount, RequestTally};

/// The share of damaged or foreign answers from which on there is advice, in per cent: a good line has none.
const DAMAGE: u64 = 1;
/// The same for timeouts, refusals and slow answers.
const FAILURES: u64 = 5;
/// The same for late answers.
const LATE: u64 = 2;
/// The same for echoes: an adapter that echoes does so always.
const ECHOES: u64 = 50;
/// From this share of the time on, a bus has no reserve for faults.
const BUSY: f64 = 0.9;

/// Sentences that say what is wrong with this bus and what to do. Empty for a bus without faults.
pub fn advice(bus: &BusQuality<'_>) -> Vec<String> {
    let late = bus.late();
    let slow = if late.is_some() { Vec::new() } else { bus.faulty(|tally| tally.of(RequestCount::Slow), FAILURES) };
    let mut sentences = Vec::new();
    sentences.extend(bus.damaged());
    sentences.extend(bus.foreign());
    if late.is_none() {
        sentences.extend(bus.silent());
        sentences.extend(bus.timeouts(&slow));
    }
    sentences.extend(bus.gateway());
    sentences.extend(bus.overloaded());
    sentences.extend(bus.lost());
    sentences.extend(bus.echo());
    sentences.extend(bus.discarded());
    sentences.extend(late);
    sentences.extend(bus.slow(&slow));
    sentences.extend(bus.busy());
    sentences
}

impl BusQuality<'_> {
    /// CRC errors: if few units have them, the cause is at these units, otherwise it is the line.
    fn damaged(&self) -> Option<String> {
        if self.link == LinkKind::Tcp {
            return None;
        }
        let faulty = self.faulty(RequestTally::damaged, DAMAGE);
        let others = self.others(&faulty, RequestTally::damaged);
        let NamedMeters { who, share, units } = self.named(&faulty)?;
        let crc: u64 = faulty.iter().map(|(meter, _)| meter.recent.tally.of(RequestCount::CrcErrors)).sum();
        let all: u64 = faulty.iter().map(|(meter, _)| meter.recent.tally.damaged()).sum();
        let what = if 2 * crc >= all { "CRC errors" } else { "damaged answers" };
        Some(match others {
            Some(have) => {
                format!(
                    "{who}: {share} {what}, the other units have {have}: check the wiring, terminals and shield at {units}."
                )
            }
            None if faulty.len() == 1 => format!(
                "{who}: {share} {what}: check the wiring and the termination, and that baud rate and parity are those of the meter."
            ),
            None => format!(
                "Bus {}: {share} {what} on {}: check the termination (120 ohm at both ends), the bias resistors, baud rate and \
                 parity, and the common ground of all devices.",
                self.name,
                self.all_or_most(&faulty)
            ),
        })
    }

    /// Valid answers to other requests.
    fn foreign(&self) -> Option<String> {
        let foreign = |tally: &RequestTally| {
            [RequestCount::WrongUnit, RequestCount::WrongFunction, RequestCount::WrongLength]
                .map(|count| tally.of(count))
                .iter()
                .sum()
        };
        let NamedMeters { who, share, .. } = self.named(&self.faulty(foreign, DAMAGE))?;
        Some(format!(
            "{who}: {share} of the answers belong to other requests: look for another master on the line, and for two devices \
             with the same unit number."
        ))
    }

    /// Units that never answer.
    fn silent(&self) -> Option<String> {
        let NamedMeters { who, units, .. } = self.named(&self.never_answering())?;
        let others_answer = self.sum(|tally| tally.of(RequestCount::Answers)) > 0;
        Some(match others_answer {
            true => format!(
                "{who}: no answer at all, other units answer: check the unit number, the power, and the wires A and B at {units}."
            ),
            false => format!("Bus {}: no unit answers: {}.", self.name, self.where_to_look()),
        })
    }

    /// Timeouts of units that also answer and are not just slow.
    fn timeouts(&self, slow: &[FaultyMeter<'_, '_>]) -> Option<String> {
        let timeouts = |tally: &RequestTally| tally.of(RequestCount::Timeouts);
        let mut faulty = self.faulty(timeouts, FAILURES);
        faulty.retain(|(meter, share)| *share < 100 && !slow.iter().any(|(slow, _)| slow.name == meter.name));
        let others = self.others(&faulty, timeouts);
        let NamedMeters { who, share, units } = self.named(&faulty)?;
        let name = self.name;
        Some(match others {
            Some(have) => format!(
                "{who}: {share} timeouts, the other units have {have}: check the terminals and the power of {units}; some meters \
                 need a longer poll_every or request_gap."
            ),
            None if faulty.len() == 1 => {
                format!("{who}: {share} timeouts: check its terminals and power, or raise timeout in [bus.{name}].")
            }
            None => format!(
                "Bus {name}: {share} timeouts on {}: raise timeout in [bus.{name}], and check the cable that they share.",
                self.all_or_most(&faulty)
            ),
        })
    }

    fn never_answering(&self) -> Vec<FaultyMeter<'_, '_>> {
        let mut faulty = self.faulty(|tally| tally.of(RequestCount::Timeouts), 100);
        faulty.retain(|(_, share)| *share == 100);
        faulty
    }

    /// What to check if no unit answers.
    fn where_to_look(&self) -> &'static str {
        match self.link {
            LinkKind::Serial => "check A and B (swapped?), baud rate, parity and the power of the meters",
            LinkKind::Converter => {
                "check the line behind the converter: A and B, baud rate, parity and the power of the meters"
            }
            LinkKind::Tcp => "check the unit numbers, and the line behind the gateway",
        }
    }

    fn gateway(&self) -> Vec<String> {
        let no_route = self.named(&self.faulty(|tally| tally.of(RequestCount::GatewayPath), FAILURES));
        let no_answer = self.named(&self.faulty(|tally| tally.of(RequestCount::GatewayTarget), FAILURES));
        let no_route = no_route.map(|NamedMeters { who, share, units }| {
            format!("{who}: {share} exceptions 10 (no route to {units}): add {units} to the routes of the gateway.")
        });
        let no_answer = no_answer.map(|NamedMeters { who, share, units }| {
            format!(
                "{who}: {share} exceptions 11 (the gateway gets no answer from {units}): check power and unit number, the line \
                 behind the gateway, and the timeout that is set in the gateway."
            )
        });
        no_route.into_iter().chain(no_answer).collect()
    }

    fn overloaded(&self) -> Option<String> {
        let busy = |tally: &RequestTally| tally.of(RequestCount::Busy) + tally.of(RequestCount::Acknowledge);
        let NamedMeters { who, share, .. } = self.named(&self.faulty(busy, FAILURES))?;
        Some(format!("{who}: {share} of the requests are refused as busy (exceptions 5 and 6): raise poll_every."))
    }

    fn lost(&self) -> Option<String> {
        let share = self.significant_share(RequestCount::Lost, FAILURES)?;
        let remedy = match self.link {
            LinkKind::Serial => "check the plug and the power of the adapter",
            LinkKind::Converter | LinkKind::Tcp => {
                "stop other programs that use it, because many gateways accept only one client"
            }
        };
        Some(format!("Bus {}: the other end closes the link during {share} % of the requests: {remedy}.", self.name))
    }

    fn echo(&self) -> Option<String> {
        self.significant_share(RequestCount::Echoes, ECHOES)?;
        let answered = self.sum(|tally| tally.of(RequestCount::Answers)) > 0;
        let name = self.name;
        Some(match answered {
            true => format!(
                "Bus {name}: the adapter sends back every request (echo), arkmeter ignores it: switch the echo off to save time \
                 on the line."
            ),
            false => format!(
                "Bus {name}: only our own requests come back: the adapter echoes, but no meter hears the requests. Check A and B, \
                 and the switch to RS-485."
            ),
        })
    }

    /// Bytes that belong to no frame. They cost time, and hide the end of an answer.
    fn discarded(&self) -> Option<String> {
        let faulty = self.faulty(|tally| tally.of(RequestCount::Discarded), FAILURES);
        let NamedMeters { who, share, .. } = self.named(&faulty)?;
        let remedy = match self.link {
            LinkKind::Serial => {
                "check the bias resistors, the common ground, and the adapter's direction control and echo"
            }
            LinkKind::Converter => {
                "switch off the converter's echo and its registration and heartbeat packets, and check the bias resistors"
            }
            LinkKind::Tcp => "switch off the converter's registration and heartbeat packets, or update the gateway",
        };
        Some(format!("{who}: {share} of the answers come with bytes of no frame, which are discarded: {remedy}."))
    }

    /// Answers that come after their timeout.
    fn late(&self) -> Option<String> {
        let (late, requests) = (self.sum(|tally| tally.of(RequestCount::Late)), self.sum(RequestTally::requests));
        // If only one of many units is always late, its answers are a small share of all.
        let enough = reaches(late, requests, LATE) || !self.never_answering().is_empty();
        let cause =
            if self.link == LinkKind::Serial { "a meter is slow" } else { "the gateway queues, or a meter is slow" };
        (is_significant(late, requests) && enough).then(|| {
            let (name, timeout) = (self.name, humantime::format_duration(self.timeout));
            format!(
                "Bus {name}: {late} answers came after the timeout ({cause}): raise timeout in [bus.{name}] above {timeout}, or \
                 poll less often."
            )
        })
    }

    fn slow(&self, slow: &[FaultyMeter<'_, '_>]) -> Option<String> {
        let NamedMeters { who, share, .. } = self.named(slow)?;
        let (name, timeout) = (self.name, humantime::format_duration(self.timeout));
        Some(format!(
            "{who}: {share} of the answers come in the last fifth of the timeout ({timeout}): raise timeout in [bus.{name}]."
        ))
    }

    fn busy(&self) -> Option<String> {
        let (occupancy, demand) = (self.occupancy(), self.demand());
        let too_much = demand.is_some_and(|demand| demand > 1.0);
        if !too_much && occupancy.is_none_or(|share| share < BUSY) {
            return None;
        }
        let kept = if demand.is_some() && !too_much {
            "the poll interval is only just kept"
        } else {
            "the poll interval cannot be kept"
        };
        let busy = occupancy.map(|share| format!("the line is in use {:.0} % of the time", 100.0 * share));
        let why = demand.filter(|_| too_much).map(|demand| match self.round() {
            Some((round, every)) => format!(
                "one round of its {} meters takes {}, poll_every is {}",
                self.meters.len(),
                seconds(round),
                humantime::format_duration(every)
            ),
            None => format!("to poll its meters as configured takes {:.0} % of the time", 100.0 * demand),
        });
        let reasons: Vec<_> = busy.into_iter().chain(why).collect();
        let name = self.name;
        Some(format!(
            "Bus {name}: {kept}, because {}: raise poll_every, or use a second bus for some meters.",
            reasons.join("; ")
        ))
    }

    /// The share of this count in all requests, in per cent, if it is at least `least`.
    fn significant_share(&self, count: RequestCount, least: u64) -> Option<u64> {
        let (count, requests) =
            (self.meters.iter().map(|meter| meter.recent.tally.of(count)).sum(), self.sum(RequestTally::requests));
        (is_significant(count, requests) && reaches(count, requests, least)).then(|| percent(count, requests))
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests;
