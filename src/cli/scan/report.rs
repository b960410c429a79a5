//! The result of a scan: TOML with the findings as comments, or JSON; and on standard error what to do if no meter answered.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::output::write_json;
use crate::config::Link;
use crate::quality::LinkKind;
use crate::status::words;
use crate::survey::{Candidate, Confidence, Examination, FoundUnit, LineSettings, Proposal, ScanEvidence};
use crate::units::Name;

/// A scan, finished or stopped.
pub(in crate::cli) struct ScanReport {
    pub(in crate::cli) kind: LinkKind,
    pub(in crate::cli) evidence: ScanEvidence,
    pub(in crate::cli) found: Vec<(FoundUnit, Examination)>,
    pub(in crate::cli) stopped: bool,
}

/// How many candidates are shown after the best one.
const OTHERS: usize = 3;

/// Why a meter whose model is only possible is not written.
const UNCERTAIN: &str = "its model is not certain: compare the values with its display, and paste the lines by hand";

pub(super) type Proposals = [Result<Proposal, Name>];

impl ScanReport {
    /// TOML, ready to paste.
    pub(super) fn print(&self, proposals: &Proposals, out: &mut dyn Write) -> io::Result<()> {
        for ((found, examined), proposal) in self.found.iter().zip(proposals) {
            for line in findings(found, examined) {
                writeln!(out, "# {line}")?;
            }
            match proposal {
                Ok(proposal) => {
                    if let Some(bus) = &proposal.bus_lines {
                        writeln!(out, "{bus}")?;
                    }
                    writeln!(out, "{}", paste_lines(examined, proposal))?;
                }
                Err(meter) => writeln!(out, "# This meter is in the configuration already: [meter.{meter}].\n")?,
            }
        }
        Ok(())
    }

    pub(super) fn json(&self, proposals: &Proposals, out: &mut dyn Write) -> io::Result<()> {
        let found = self.found.iter().zip(proposals).map(|((found, examined), proposal)| {
            let (toml, configured) = match proposal {
                Ok(proposal) => {
                    let bus = proposal.bus_lines.as_ref().map(|bus| format!("{bus}\n")).unwrap_or_default();
                    (Some(format!("{bus}{}", paste_lines(examined, proposal))), None)
                }
                Err(meter) => (None, Some(meter.to_string())),
            };
            json!({
                "place": place(found),
                "unit": found.unit.get(),
                "any_unit": found.any_unit,
                "names": examined.names,
                "notes": examined.notes,
                "mains": examined.mains,
                "candidates": examined.candidates.iter().map(candidate).collect::<Vec<_>>(),
                "trouble": examined.error,
                "configured_as": configured,
                "toml": toml,
            })
        });
        let document = json!({
            "found": found.collect::<Vec<_>>(),
            "stopped": self.stopped,
            "advice": self.evidence.advice(self.kind),
        });
        write_json(&document, out)
    }

    /// What is printed on standard error.
    pub(super) fn remarks(&self) -> String {
        let count = match self.found.len() {
            0 => "no meter was found".to_owned(),
            1 => "1 meter was found".to_owned(),
            count => format!("{count} meters were found"),
        };
        let stopped = if self.stopped { "stopped: so far " } else { "" };
        let advice = self.evidence.advice(self.kind).into_iter().map(|text| format!("  {text}\n")).collect::<String>();
        format!("{stopped}{count}\n{advice}")
    }
}

/// The lines of a meter to paste: what is not certain is a comment.
fn paste_lines(examined: &Examination, proposal: &Proposal) -> String {
    let next = match examined.candidates.first() {
        Some(best) if best.confidence > Confidence::Possible => return proposal.lines.clone(),
        Some(_) => {
            "# Compare power and counter with the display of the meter. If both are right, remove the first `# ` of these lines; if not,\n\
             # make a profile with `arkmeter inspect`. `arkmeter scan --watch 2m` with a load of 1 kW makes the result more certain.\n"
        }
        None => "",
    };
    proposal.lines.lines().fold(next.to_owned(), |text, line| format!("{text}# {line}\n"))
}

/// The tables that can be added to the configuration, and why the others cannot.
pub(super) fn lines_to_write(found: &[(FoundUnit, Examination)], proposals: &Proposals) -> (String, Vec<String>) {
    let (mut lines, mut left) = (Vec::new(), Vec::new());
    // The lines of a bus come with its first meter, and that meter may be left out.
    let mut buses: BTreeMap<&Name, &String> = BTreeMap::new();
    for ((_, examined), proposal) in found.iter().zip(proposals) {
        let uncertain = examined.candidates.first().is_some_and(|best| best.confidence == Confidence::Possible);
        match proposal {
            Ok(proposal) => {
                buses.extend(proposal.bus_lines.as_ref().map(|bus| (&proposal.bus, bus)));
                match proposal.lacks.or(uncertain.then_some(UNCERTAIN)) {
                    Some(why) => left.push(format!("{}: {why}", proposal.meter)),
                    None => {
                        lines.extend(buses.remove(&proposal.bus).cloned());
                        lines.push(proposal.lines.clone());
                    }
                }
            }
            Err(meter) => left.push(format!("{meter} is in the configuration already")),
        }
    }
    (lines.join("\n"), left)
}

/// `9600 baud 8N1 on /dev/ttyUSB0`.
fn place(found: &FoundUnit) -> String {
    match &found.settings.link {
        Link::Serial(line) => {
            let setting = LineSettings { baud: line.baud, parity: line.parity, stop_bits: line.stop_bits };
            format!("{setting} on {}", line.path.display())
        }
        Link::Tcp(address) => address.clone(),
        Link::RtuOverTcp(address) => format!("{address} (RTU over TCP)"),
    }
}

/// `arkmeter inspect --serial /dev/ttyUSB0 --baud 9600 --parity none --unit 7`.
fn inspect_command(found: &FoundUnit) -> String {
    let line = match &found.settings.link {
        Link::Serial(line) => {
            format!("--serial {} --baud {} --parity {}", line.path.display(), line.baud, line.parity.word())
        }
        Link::Tcp(address) => format!("--tcp {address}"),
        Link::RtuOverTcp(address) => format!("--rtu-over-tcp {address}"),
    };
    format!("arkmeter inspect {line} --unit {}", found.unit)
}

/// The findings about one unit, line by line.
fn findings(found: &FoundUnit, examined: &Examination) -> Vec<String> {
    let unit = if found.any_unit { "any unit".to_owned() } else { format!("unit {}", found.unit) };
    let mut lines = vec![format!("{unit} at {}", place(found))];
    if !examined.names.is_empty() {
        lines.push(format!("it identifies itself as: {}", examined.names.join(", ")));
    }
    lines.extend(examined.notes.iter().cloned());
    if !examined.mains.is_empty() {
        lines.push(format!("measured: {}", examined.mains));
    }
    match examined.candidates.split_first() {
        None if examined.error.is_none() && examined.notes.is_empty() => {
            let inspect = inspect_command(found);
            lines.push(format!("no profile matches: switch on a load of 1 kW, and make a profile with `{inspect}`"));
        }
        None => {}
        Some((best, others)) => {
            lines.push(summary(best));
            if !best.alike.is_empty() {
                lines.push(format!("  the same registers: {}", names(&best.alike)));
            }
            lines.extend(best.reasons.iter().map(|reason| format!("  {reason}")));
            for other in others.iter().take(OTHERS) {
                lines.push(format!("less likely: {}", summary(other)));
            }
        }
    }
    lines.extend(examined.error.iter().map(|error| format!("identification did not finish: {error}")));
    lines
}

fn names(names: &[Name]) -> String {
    names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

fn summary(candidate: &Candidate) -> String {
    let power = candidate.power.map_or("-".to_owned(), words::power);
    let energy = candidate.energy.map(|energy| format!(", counter {}", words::energy(energy))).unwrap_or_default();
    let serial = candidate.serial.as_ref().map(|serial| format!(", serial number {serial}")).unwrap_or_default();
    let map = candidate.profile.map.as_ref().map(|map| format!(", map {map}")).unwrap_or_default();
    format!(
        "{}{map} ({}): power {power}{energy}{serial}",
        candidate.profile.name,
        confidence_text(candidate.confidence)
    )
}

fn confidence_text(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Possible => "possible: compare with its display",
        Confidence::Likely => "likely",
        Confidence::Certain => "certain",
    }
}

fn candidate(candidate: &Candidate) -> Value {
    let sure = match candidate.confidence {
        Confidence::Possible => "possible",
        Confidence::Likely => "likely",
        Confidence::Certain => "certain",
    };
    json!({
        "profile": candidate.profile.name.as_str(),
        "alike": candidate.alike.iter().map(Name::as_str).collect::<Vec<_>>(),
        "sure": sure,
        "score": candidate.score,
        "reasons": candidate.reasons,
        "power_mw": candidate.power.map(|power| power.0),
        "register_mwh": candidate.energy.map(|energy| energy.get()),
        "serial": candidate.serial,
    })
}
