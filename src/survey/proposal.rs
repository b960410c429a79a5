//! What was found as lines of the configuration: `[bus.NAME]` and `[meter.NAME]`, with names that are still free. Asks the
//! system for nothing but which device a path leads to.

use std::collections::BTreeMap;

use super::sweep::FoundUnit;
use crate::config::{Config, MeterConfig};
use crate::meter::Profile;
use crate::modbus::Link;
use crate::units::{Milliwatts, Name};

/// What a meter that was found is to be called, and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub meter: Name,
    pub on: Name,
    /// The lines of its bus, with the first meter on it, where the configuration has none with that link.
    pub bus: Option<String>,
    pub lines: String,
    /// Why the lines cannot be taken as they are.
    pub lacks: Option<&'static str>,
}

/// Who already polls it.
fn known<'a>(config: &'a Config, found: &FoundUnit) -> Option<&'a MeterConfig> {
    let bus = config.buses.values().find(|bus| same_link(&bus.link, &found.settings.link))?;
    config.meters.values().find(|meter| meter.bus == bus.name && meter.unit == found.unit)
}

/// The lines for what was found and is not in the configuration yet, in the order found: `Err` names the meter that already is.
///
/// `max_power` is what the connection can carry, where the installer said so.
pub fn propose(
    config: Option<&Config>,
    found: &[(&FoundUnit, Option<&Profile>)],
    max_power: Option<Milliwatts>,
) -> Vec<Result<Proposal, Name>> {
    let mut buses: Vec<(Name, Link)> = config
        .map(|config| config.buses.values().map(|bus| (bus.name.clone(), bus.link.clone())).collect())
        .unwrap_or_default();
    let mut taken: BTreeMap<Name, ()> =
        config.map(|config| config.meters.keys().map(|name| (name.clone(), ())).collect()).unwrap_or_default();
    let mut proposals = Vec::new();
    for (found, profile) in found {
        if let Some(meter) = config.and_then(|config| known(config, found)) {
            proposals.push(Err(meter.name.clone()));
            continue;
        }
        let on = buses.iter().find(|(_, link)| same_link(link, &found.settings.link)).cloned();
        let (bus, lines) = match &on {
            Some((name, _)) => (name.clone(), None),
            None => {
                let name =
                    free(&format!("bus_{}", buses.len() + 1), |name| buses.iter().any(|(known, _)| known == name));
                buses.push((name.clone(), found.settings.link.clone()));
                let lines = bus_lines(&name, &found.settings.link);
                (name, Some(lines))
            }
        };
        let meter = free(&format!("meter_{}", found.unit), |name| taken.contains_key(name));
        taken.insert(meter.clone(), ());
        let mut proposal = proposal(meter, &bus, lines, found, *profile, max_power);
        if on.is_some_and(|(_, link)| !same_setting(&link, &found.settings.link)) {
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
            lines.push_str("# profile = \"...\"           # not known: `arkmeter inspect` shows its registers\n");
            Some("its model is not known")
        }
        Some(profile) => {
            lines.push_str(&format!("profile = \"{}\"\n", profile.name));
            let meter = profile.chain.as_ref().filter(|_| profile.location.is_some()).and_then(|chain| chain.meter);
            lines.extend(meter.map(|meter| format!("chain_meter = {meter}\n")));
            (max_power.is_none() && !rated)
                .then_some("its profile has no rating: say with --max-power what the connection can carry")
        }
    };
    match max_power {
        Some(power) => lines.push_str(&format!("max_power = \"{}W\"\n", power.0 / 1000)),
        None if !rated => lines.push_str("# max_power = \"20kW\"        # what the connection can carry: needed\n"),
        None => {}
    }
    lines.push_str(
        "# client_id = \"0x...\"       # as Arkreen issued it; without one the meter is polled and not reported\n",
    );
    Proposal { meter, on: bus.clone(), bus: bus_lines, lines, lacks }
}

/// The name, or the first of `NAME_2`, `NAME_3` that is free.
fn free(name: &str, taken: impl Fn(&Name) -> bool) -> Name {
    let numbered = (2..).map(|number: u32| format!("{name}_{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered).filter_map(|name| Name::new(&name));
    names.find(|name| !taken(name)).expect("numbers do not end")
}

fn bus_lines(name: &Name, link: &Link) -> String {
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

/// As a TOML text.
pub(super) fn quoted(text: &str) -> String {
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

/// Whether both speak alike on the same line, whatever the device is called.
fn same_setting(left: &Link, right: &Link) -> bool {
    match (left, right) {
        (Link::Serial(left), Link::Serial(right)) => {
            (left.baud, left.parity, left.stop_bits) == (right.baud, right.parity, right.stop_bits)
        }
        _ => left == right,
    }
}

/// Whether both are the same device or address; a device may have several names.
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
