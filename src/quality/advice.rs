//! What a field engineer would say of one bus, given what was counted on it lately. It speaks only where there is enough to go by.

use std::time::Duration;

use super::bus::{BusQuality, LinkKind, Suspect, happens, percent, reaches};
use super::tally::{RequestCount, RequestTally};

/// From which share of the requests on (per cent) damaged and foreign answers are worth a look: a sound line has none.
const DAMAGE: u64 = 1;
/// The same of time-outs, refusals and slow answers.
const FAILURES: u64 = 5;
/// The same of late answers.
const LATE: u64 = 2;
/// The same of echoes: an adapter echoes always.
const ECHOES: u64 = 50;
/// A bus that is taken for a greater share of the time has no room for anything that goes wrong.
const BUSY: f64 = 0.9;

/// What to do about this bus: sentences that name the thing and the remedy, none where nothing is to be done.
pub fn advice(bus: &BusQuality<'_>) -> Vec<String> {
    let late = bus.late();
    let slow = if late.is_some() { Vec::new() } else { bus.suspects(|of| of.of(RequestCount::Slow), FAILURES) };
    let mut told = Vec::new();
    told.extend(bus.damage());
    told.extend(bus.strays());
    if late.is_none() {
        told.extend(bus.dead());
        told.extend(bus.timeouts(&slow));
    }
    told.extend(bus.gateway());
    told.extend(bus.overtaxed());
    told.extend(bus.lost());
    told.extend(bus.echo());
    told.extend(late);
    told.extend(bus.slow(&slow));
    told.extend(bus.busy());
    told
}

impl BusQuality<'_> {
    /// CRC errors: of a few units their own wiring, of most of them the line.
    fn damage(&self) -> Option<String> {
        if self.link == LinkKind::Tcp {
            return None;
        }
        let suspects = self.suspects(RequestTally::damaged, DAMAGE);
        let neighbours = self.neighbours(&suspects, RequestTally::damaged);
        let (who, share, its) = self.named(&suspects)?;
        let crc: u64 = suspects.iter().map(|(meter, _)| meter.recent.tally.of(RequestCount::CrcErrors)).sum();
        let all: u64 = suspects.iter().map(|(meter, _)| meter.recent.tally.damaged()).sum();
        let what = if 2 * crc >= all { "CRC errors" } else { "broken answers" };
        Some(match neighbours {
            Some(theirs) => {
                format!("{who}: {share} {what}, {its} neighbours {theirs}: check {its} wiring, terminals and shield.")
            }
            None if suspects.len() == 1 => format!(
                "{who}: {share} {what}: check the wiring, the termination, and that baud rate and parity are the meter's."
            ),
            None => {
                let (name, units) = (self.name, self.most(&suspects));
                format!(
                    "Bus {name}: {share} {what} on {units}: check termination (120 ohm at both ends), bias \
                     resistors, baud rate and parity, and that all have a common ground."
                )
            }
        })
    }

    fn strays(&self) -> Option<String> {
        let strays = |of: &RequestTally| {
            [RequestCount::WrongUnit, RequestCount::WrongFunction, RequestCount::WrongLength]
                .map(|it| of.of(it))
                .iter()
                .sum()
        };
        let (who, share, its) = self.named(&self.suspects(strays, DAMAGE))?;
        Some(format!(
            "{who}: {share} of {its} answers belong to other requests: look for another master on the line, and for \
             two devices with one unit number."
        ))
    }

    /// Units of which nothing comes.
    fn dead(&self) -> Option<String> {
        let (who, _, its) = self.named(&self.deaf())?;
        let answers = self.sum(|of| of.of(RequestCount::Answers)) > 0;
        Some(match answers {
            true => format!(
                "{who}: nothing but time-outs, its neighbours answer: check {its} unit number, power, and the wires A and \
                 B there."
            ),
            false => format!("Bus {}: no unit answers: {}.", self.name, self.where_to_look()),
        })
    }

    /// Time-outs now and then, of units that are not merely slow.
    fn timeouts(&self, slow: &[Suspect<'_, '_>]) -> Option<String> {
        let timeouts = |of: &RequestTally| of.of(RequestCount::Timeouts);
        let mut suspects = self.suspects(timeouts, FAILURES);
        suspects.retain(|(meter, share)| *share < 100 && !slow.iter().any(|(slow, _)| slow.name == meter.name));
        let neighbours = self.neighbours(&suspects, timeouts);
        let (who, share, its) = self.named(&suspects)?;
        let name = self.name;
        Some(match neighbours {
            Some(theirs) => format!(
                "{who}: {share} time-outs, {its} neighbours {theirs}: check {its} terminals and power; some meters need \
                 poll_every or request_gap to be longer."
            ),
            None if suspects.len() == 1 => {
                format!("{who}: {share} time-outs: check {its} terminals and power, or raise timeout in [bus.{name}].")
            }
            None => {
                let units = self.most(&suspects);
                format!(
                    "Bus {name}: {share} time-outs on {units}: raise timeout in [bus.{name}], and check the cable that \
                     they share."
                )
            }
        })
    }

    fn deaf(&self) -> Vec<Suspect<'_, '_>> {
        let mut suspects = self.suspects(|of| of.of(RequestCount::Timeouts), 100);
        suspects.retain(|(_, share)| *share == 100);
        suspects
    }

    /// Where to look when no unit answers.
    fn where_to_look(&self) -> &'static str {
        match self.link {
            LinkKind::Serial => "check A and B (swapped?), baud rate, parity and the meters' power",
            LinkKind::Converter => {
                "check the line behind the converter: A and B, baud rate, parity and the meters' power"
            }
            LinkKind::Tcp => "check the unit numbers, and the line behind the gateway",
        }
    }

    fn gateway(&self) -> Vec<String> {
        let path = self.named(&self.suspects(|of| of.of(RequestCount::GatewayPath), FAILURES));
        let target = self.named(&self.suspects(|of| of.of(RequestCount::GatewayTarget), FAILURES));
        let path = path.map(|(who, share, its)| {
            format!(
                "{who}: {share} exceptions 10: the gateway has no way there: enter {its} unit number in the gateway's \
                 routes."
            )
        });
        let target = target.map(|(who, share, its)| {
            format!(
                "{who}: {share} exceptions 11: the gateway gets no answer there: check {its} power and unit number, the \
                 line behind the gateway, and the gateway's own time-out."
            )
        });
        path.into_iter().chain(target).collect()
    }

    fn overtaxed(&self) -> Option<String> {
        let busy = |of: &RequestTally| of.of(RequestCount::Busy) + of.of(RequestCount::Acknowledge);
        let (who, share, its) = self.named(&self.suspects(busy, FAILURES))?;
        Some(format!(
            "{who}: {share} of the requests come when it is busy (exceptions 5 and 6): raise {its} poll_every."
        ))
    }

    fn lost(&self) -> Option<String> {
        let (lost, requests) = (self.sum(|of| of.of(RequestCount::Lost)), self.sum(RequestTally::requests));
        let often = happens(lost, requests) && reaches(lost, requests, FAILURES);
        let remedy = match self.link {
            LinkKind::Serial => "check the adapter's plug and its power",
            LinkKind::Converter | LinkKind::Tcp => "end other programs that use it: many take one client only",
        };
        often.then(|| {
            let (name, share) = (self.name, percent(lost, requests));
            format!("Bus {name}: the other end closes the link during {share} % of the requests: {remedy}.")
        })
    }

    fn echo(&self) -> Option<String> {
        let (echoes, requests) = (self.sum(|of| of.of(RequestCount::Echoes)), self.sum(RequestTally::requests));
        let always = happens(echoes, requests) && reaches(echoes, requests, ECHOES);
        let answered = self.sum(|of| of.of(RequestCount::Answers)) > 0;
        let name = self.name;
        always.then(|| match answered {
            true => format!(
                "Bus {name}: the adapter sends back what it is sent, which is set aside: switch its echo off to have the \
                 line's time for answers."
            ),
            false => format!(
                "Bus {name}: only our own requests come back: the adapter echoes, and beyond it nobody hears them: check \
                 A and B, and the switch to RS-485."
            ),
        })
    }

    /// Answers that come when they are not waited for any more.
    fn late(&self) -> Option<String> {
        let (late, requests) = (self.sum(|of| of.of(RequestCount::Late)), self.sum(RequestTally::requests));
        // Of many requests to others the answers of one that is always late are few.
        let often = happens(late, requests) && (reaches(late, requests, LATE) || !self.deaf().is_empty());
        let who =
            if self.link == LinkKind::Serial { "a meter is slow" } else { "the gateway queues, or a meter is slow" };
        often.then(|| {
            let (name, timeout) = (self.name, humantime::format_duration(self.timeout));
            format!(
                "Bus {name}: {late} answers came after the time-out: {who}: raise timeout in [bus.{name}] above {timeout}, \
                 or poll less often."
            )
        })
    }

    fn slow(&self, slow: &[Suspect<'_, '_>]) -> Option<String> {
        let (who, share, its) = self.named(slow)?;
        let (name, timeout) = (self.name, humantime::format_duration(self.timeout));
        Some(format!(
            "{who}: {share} of {its} answers come in the last fifth of the time-out, {timeout}: raise timeout in [bus.{name}]."
        ))
    }

    fn busy(&self) -> Option<String> {
        let occupancy = self.occupancy();
        let demand = self.demand();
        let too_much = demand.is_some_and(|demand| demand > 1.0);
        if !too_much && occupancy.is_none_or(|share| share < BUSY) {
            return None;
        }
        let (name, remedy) = (self.name, "raise poll_every, or divide the meters between two buses");
        let busy = occupancy.map(|share| format!(" {:.0} % busy", 100.0 * share)).unwrap_or_default();
        let why = match (demand, self.round()) {
            (Some(demand), _) if demand <= 1.0 => {
                return Some(format!("Bus {name}{busy}: the poll interval can hardly be kept: {remedy}."));
            }
            (Some(_), Some((round, every))) => format!(
                ": a round of its {} meters needs {}, poll_every is {}",
                self.meters.len(),
                seconds(round),
                humantime::format_duration(every)
            ),
            (Some(demand), None) => format!(": its meters' poll_every ask for {:.0} % of its time", 100.0 * demand),
            (None, _) => String::new(),
        };
        Some(format!("Bus {name}{busy}: the poll interval cannot be kept{why}: {remedy}."))
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests;
