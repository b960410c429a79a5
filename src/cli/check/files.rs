//! What the configuration names on this box: token files, certificates, devices; and whether the lines can carry the polls.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::Remark;
use super::plan::Plan;
use crate::config::{Config, Environment, Link, TokenError, TokenSource, shown_path};
use crate::units::Name;

/// All roots of a distribution are a quarter of this.
const LARGEST_CA_FILE: u64 = 1 << 20;

pub(super) fn check(config: &Config, environment: &Environment) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (name, account) in &config.accounts {
        if let Err(error) = account.token.read(environment.credentials_directory.as_deref()) {
            remarks.extend(of_token(name, &account.token, &error));
        }
        if let Some(Err(message)) = account.ca_file.as_deref().map(certificates) {
            remarks.push(Remark::error(format!("account {name}: {message}")));
        }
    }
    devices(config, &mut remarks);
    for (name, bus) in Plan::of(config).buses {
        if let Some(busy) = bus.occupancy.filter(|busy| *busy > 1.0) {
            let message = format!(
                "bus {name} cannot keep its intervals: its polls take about {:.0} % of the time; raise poll_every or baud, or split the bus",
                busy * 100.0
            );
            remarks.push(Remark::warning(message));
        }
    }
    remarks
}

/// Only the unit's main process can read its credentials. By hand there are none, and to `ExecReload=` systemd shows a folder that it
/// may not enter: where nothing can be looked at nothing is wrong.
fn of_token(account: &Name, source: &TokenSource, error: &TokenError) -> Option<Remark> {
    match (source, error) {
        (TokenSource::Credential(_), TokenError::Denied(_)) => None,
        (_, TokenError::NoCredentials { .. }) => {
            Some(Remark::warning(format!("account {account}: not checked here: {error}")))
        }
        _ => Some(Remark::error(format!("account {account}: {}", chain(error)))),
    }
}

/// Devices that are not there now, and two names of one device.
fn devices(config: &Config, remarks: &mut Vec<Remark>) {
    let mut met: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for (name, bus) in &config.buses {
        let Link::Serial(line) = &bus.link else { continue };
        let shown = shown_path(&line.path);
        match std::fs::canonicalize(&line.path) {
            Ok(device) => {
                if let Some(other) = met.insert(device, name.as_str()) {
                    let message =
                        format!("buses {other} and {name} are the same device: put all of its meters on one bus");
                    remarks.push(Remark::error(message));
                }
            }
            Err(_) => {
                let message = format!("bus {name}: there is no {shown} now; the daemon waits for it to be plugged in");
                remarks.push(Remark::warning(message));
            }
        }
    }
}

/// Whether the file holds certificates to trust.
fn certificates(path: &Path) -> Result<(), String> {
    let shown = shown_path(path);
    let read = || {
        let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let mut bytes = Vec::new();
        file.take(LARGEST_CA_FILE + 1).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read().map_err(|error| format!("the ca_file {shown} cannot be read: {error}"))?;
    if bytes.len() as u64 > LARGEST_CA_FILE {
        return Err(format!("the ca_file {shown} is larger than 1 MiB: it has to hold the certificates to trust only"));
    }
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match parsed {
        Ok(certificates) if !certificates.is_empty() => Ok(()),
        _ => Err(format!("the ca_file {shown} holds no certificate: it has to be PEM, -----BEGIN CERTIFICATE-----")),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_that_is_hidden_from_a_reload_is_no_error() {
        let name = Name::new("main").unwrap();
        let path = PathBuf::from("/run/credentials/arkmeter.service/main");
        let denied = TokenError::Denied(path.clone());
        assert!(of_token(&name, &TokenSource::Credential("main".into()), &denied).is_none());
        assert_eq!(of_token(&name, &TokenSource::File(path), &denied).unwrap().severity, "error");
        let none = TokenError::NoCredential { name: "main".into() };
        assert_eq!(of_token(&name, &TokenSource::Credential("main".into()), &none).unwrap().severity, "error");
    }
}
