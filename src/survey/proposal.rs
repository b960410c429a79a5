//! Configuration lines for the meters that were found: `[bus.NAME]` and `[meter.NAME]`, with unused names. The only IO is resolving the
//! path of a serial device.

use std::collections::BTreeSet;

use super::sweep::FoundUnit;
use crate::config::{Config, MeterConfig};
use crate::meter::Profile;
use crate::modbus::Link;
use crate::units::{ClientId, Milliwatts, Name};

/// The lines for one meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The name of the meter.
    pub meter: Name,
    /// The name of its bus.
    pub bus: Name,
    /// `[bus.NAME]` and its keys: with the first meter of a bus that is not in the configuration.
    pub bus_lines: Option<String>,
    /// `[meter.NAME]` and its keys.
    pub lines: String,
    /// What is missing before the lines can be used.
    pub lacks: Option<&'static str>,
}

const NO_RATING: &str = "its profile has no rating: give the maximum power of the connection with --max-power";
const NO_POWER: &str = "# max_power = \"20kW\"        # required: the maximum power of the connection\n";
const NO_CLIENT: &str =
    "# client_id = \"0x...\"       # as issued by Arkreen; without it the meter is polled but not reported\n";

impl Proposal {
    /// Whether only the maximum power of its connection is missing.
    pub fn lacks_max_power(&self) -> bool {
        self.lacks == Some(NO_RATING)
    }

    /// Fills in the maximum power of its connection.
    pub fn set_max_power(&mut self, power: Milliwatts) {
        self.lines = self.lines.replace(NO_POWER, &max_power_line(power));
        self.lacks = self.lacks.filter(|why| *why != NO_RATING);
    }

    /// Fills in its client.
    pub fn set_client(&mut self, id: ClientId) {
        self.lines = self.lines.replace(NO_CLIENT, &format!("client_id = \"{}\"\n", id.to_hex()));
    }
}

fn max_power_line(power: Milliwatts) -> String {
    format!("max_power = \"{}W\"\n", power.0 / 1000)
}

/// Whether the meter is that of the annotated example: it still has the example's client identifier.
pub fn is_placeholder(config: &Config, meter: &Name) -> bool {
    config.clients.values().any(|client| client.client_id.is_placeholder() && client.meters.contains(meter))
}

/// The meter of the configuration with this link and unit.
fn configured<'a>(config: &'a Config, found: &FoundUnit) -> Option<&'a MeterConfig> {
    let bus = config.buses.values().find(|bus| same_link(&bus.link, &found.settings.link))?;
    let is_it = |meter: &&MeterConfig| meter.bus == bus.name && meter.unit == found.unit;
    config.meters.values().find(is_it).filter(|meter| !is_placeholder(config, &meter.name))
}

/// One result for each unit found, in the same order. `max_power` is the maximum power of the connection, in mW.
///
/// # Errors
/// The name of the meter, for a unit that is in the configuration already. The meter of the annotated example does not count.
pub fn propose(
    config: Option<&Config>,
    found: &[(&FoundUnit, Option<&Profile>)],
    max_power: Option<Milliwatts>,
) -> Vec<Result<Proposal, Name>> {
    let mut buses: Vec<(Name, Link)> = config
        .map(|config| config.buses.values().map(|bus| (bus.name.clone(), bus.link.clone())).collect())
        .unwrap_or_default();
    let mut taken: BTreeSet<Name> = config
        .map(|config| config.meters.keys().filter(|name| !is_placeholder(config, name)).cloned().collect())
        .unwrap_or_default();
    let mut proposals = Vec::new();
    for (found, profile) in found {
        if let Some(meter) = config.and_then(|config| configured(config, found)) {
            proposals.push(Err(meter.name.clone()));
            continue;
        }
        let existing = buses.iter().find(|(_, link)| same_link(link, &found.settings.link)).cloned();
        let (bus, lines) = match &existing {
            Some((name, _)) => (name.clone(), None),
            None => {
                let name =
                    unused(&format!("bus_{}", buses.len() + 1), |name| buses.iter().any(|(known, _)| known == name));
                buses.push((name.clone(), found.settings.link.clone()));
                let lines = bus_lines(&name, &found.settings.link);
                (name, Some(lines))
            }
        };
        let meter = unused(&format!("meter_{}", found.unit), |name| taken.contains(name));
        taken.insert(meter.clone());
        let mut proposal = proposal(meter, &bus, lines, found, *profile, max_power);
        if existing.is_some_and(|(_, link)| !same_settings(&link, &found.settings.link)) {
            proposal.lacks = Some(
                "its bus is in the configuration with another baud rate, parity or kind of link: change that first",
            );
        }
        proposals.push(Ok(proposal));
    }
    proposals
}

fn proposal(
    meter: Name,
    bus: &Name,
    bus_lines: Option<String>,
    found: &FoundUnit,
    profile: Option<&Profile>,
    max_power: Option<Milliwatts>,
) -> Proposal {
    let mut lines = format!("[meter.{meter}]\nbus = \"{bus}\"\nunit = {}\n", found.unit);
    let rated = profile.is_some_and(|profile| profile.max_power.is_some());
    let lacks = match profile {
        None => {
            lines.push_str("# profile = \"...\"           # unknown: `arkmeter inspect` shows its registers\n");
            Some("its model is unknown")
        }
        Some(profile) => {
            lines.push_str(&format!("profile = \"{}\"\n", profile.name));
            let meter = profile.chain.as_ref().filter(|_| profile.location.is_some()).and_then(|chain| chain.meter);
            lines.extend(meter.map(|meter| format!("chain_meter = {meter}\n")));
            (max_power.is_none() && !rated).then_some(NO_RATING)
        }
    };
    match max_power {
        Some(power) => lines.push_str(&max_power_line(power)),
        None if !rated => lines.push_str(NO_POWER),
        None => {}
    }
    lines.push_str(NO_CLIENT);
    Proposal { meter, bus: bus.clone(), bus_lines, lines, lacks }
}

/// The name, or the first unused of `NAME_2`, `NAME_3`.
pub(crate) fn unused(name: &str, taken: impl Fn(&Name) -> bool) -> Name {
    let numbered = (2..).map(|number: u32| format!("{name}_{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered).filter_map(|name| Name::new(&name));
    names.find(|name| !taken(name)).expect("the numbers are unlimited")
}

/// `[bus.NAME]` and its keys.
pub fn bus_lines(name: &Name, link: &Link) -> String {
    let link = match link {
        Link::Serial(line) => {
            let path = quoted(&line.path.to_string_lossy());
            let parity = line.parity.word();
            format!("serial = {path}\nbaud = {}\nparity = \"{parity}\"\nstop_bits = {}\n", line.baud, line.stop_bits)
        }
        Link::Tcp(address) => format!("tcp = {}\n", quoted(address)),
        Link::RtuOverTcp(address) => format!("rtu_over_tcp = {}\n", quoted(address)),
    };
    format!("[bus.{name}]\n{link}")
}

/// The text as a TOML string.
pub fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|character| match character {
            '"' | '\\' => format!("\\{character}"),
            control if control.is_control() => format!("\\u{:04X}", u32::from(control)),
            plain => plain.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// Whether both have the same settings. The path of a serial device is ignored.
pub(crate) fn same_settings(left: &Link, right: &Link) -> bool {
    match (left, right) {
        (Link::Serial(left), Link::Serial(right)) => {
            (left.baud, left.parity, left.stop_bits) == (right.baud, right.parity, right.stop_bits)
        }
        _ => left == right,
    }
}

/// Whether both are the same serial device or the same address. A device can have several paths.
pub fn same_link(left: &Link, right: &Link) -> bool {
    match (left, right) {
        (Link::Serial(left), Link::Serial(right)) => {
            let device = |path: &std::path::Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
            device(&left.path) == device(&right.path)
        }
        (Link::Tcp(left) | Link::RtuOverTcp(left), Link::Tcp(right) | Link::RtuOverTcp(right)) => left == right,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
