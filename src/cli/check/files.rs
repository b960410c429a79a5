//! Checks what the configuration names on this box: token files, certificates, devices; and whether each serial line can carry its polls.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Remark;
use super::plan::occupancy;
use crate::config::{Config, Environment, Link, TokenError, TokenSource, shown_path};
use crate::reporter::certificates;
use crate::text::chain;
use crate::units::Name;
use crate::{descriptors, memory};

/// The unit of a daemon that the package installs.
const UNIT: &str = "arkmeter.service";

pub(super) fn check(config: &Config, environment: &Environment) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (name, account) in &config.accounts {
        if let Err(error) = account.token.read(environment.credentials_directory.as_deref()) {
            remarks.extend(of_token(name, &account.token, &error));
        }
        if let Some(Err(error)) = account.ca_file.as_deref().map(certificates) {
            remarks.push(Remark::error(format!("account {name}: {}", chain(&error))));
        }
    }
    devices(config, &mut remarks);
    remarks.extend(descriptors::limit().and_then(|limit| too_many_buses(config, limit)));
    remarks.extend(memory::unit_limit("/".as_ref(), UNIT).and_then(|limit| too_little_memory(config, limit)));
    remarks.extend(of_configuration(config));
    remarks
}

/// What follows from the configuration alone, on any machine.
pub(super) fn of_configuration(config: &Config) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (name, bus) in &config.buses {
        if let Some(busy) = occupancy(config, bus).filter(|busy| *busy > 1.0) {
            let message = format!(
                "bus {name} cannot poll as often as configured: its polls take about {:.0} % of the time; increase poll_every or baud, or \
                 use a second bus",
                busy * 100.0
            );
            remarks.push(Remark::warning(message));
        }
    }
    remarks
}

/// Warns if the buses need more file descriptors than this process may give them.
fn too_many_buses(config: &Config, limit: usize) -> Option<Remark> {
    let needed: usize = config.buses.values().map(|bus| bus.link.descriptors() as usize).sum();
    (needed > descriptors::for_buses(limit)).then(|| {
        Remark::warning(format!(
            "{} buses do not fit into the limit of {limit} open files, and some of them would wait for the others: set LimitNOFILE={} in the \
             unit (systemctl edit arkmeter); a shell has its own limit (ulimit -n)",
            config.buses.len(),
            descriptors::limit_for(needed)
        ))
    })
}

/// Warns if the daemon may need more memory than its unit allows.
fn too_little_memory(config: &Config, limit: u64) -> Option<Remark> {
    let needed = memory::estimate(config.meters.len(), config.buses.len());
    (needed > limit).then(|| {
        Remark::warning(format!(
            "{} meters on {} may need {} MB of memory, and the unit {UNIT} allows {} MB, so systemd would end the daemon: write \
             `[Service]` and `MemoryMax={}M` into a drop-in (systemctl edit arkmeter)",
            config.meters.len(),
            if config.buses.len() == 1 { "1 bus".to_owned() } else { format!("{} buses", config.buses.len()) },
            needed / 1_000_000,
            limit / 1_000_000,
            memory::memory_max(needed)
        ))
    })
}

/// Only the main process of the service can read its credentials. In a shell there are none, and `ExecReload=` gets a folder that it may
/// not enter: what cannot be checked here is not an error.
fn of_token(account: &Name, source: &TokenSource, error: &TokenError) -> Option<Remark> {
    match (source, error) {
        (TokenSource::Credential(_), TokenError::Denied(_)) => None,
        (_, TokenError::NoCredentials { .. }) => {
            Some(Remark::warning(format!("account {account}: not checked here: {error}")))
        }
        _ => Some(Remark::error(format!("account {account}: {}", chain(error)))),
    }
}

/// Warns of missing devices, and refuses two names for one device.
fn devices(config: &Config, remarks: &mut Vec<Remark>) {
    let mut seen: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for (name, bus) in &config.buses {
        let Link::Serial(line) = &bus.link else { continue };
        let shown = shown_path(&line.path);
        match std::fs::canonicalize(&line.path) {
            Ok(device) => {
                if let Some(other) = seen.insert(device, name.as_str()) {
                    let message =
                        format!("buses {other} and {name} are the same device: put all its meters on one bus");
                    remarks.push(Remark::error(message));
                }
            }
            Err(_) => {
                let message =
                    format!("bus {name}: there is no {shown} now; plug the adapter in, the daemon waits for it");
                remarks.push(Remark::warning(message));
            }
        }
    }
}

#[cfg(test)]
mod tests;
