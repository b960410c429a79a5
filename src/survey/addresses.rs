//! The addresses in `--tcp` and `--rtu-over-tcp`: one host or a range of IPv4 addresses, and the port. Pure.

use std::net::Ipv4Addr;

use crate::config::is_host;
use crate::text::foreign;

/// Maximum addresses in one scan.
const MAX_ADDRESSES: u32 = 4096;
const MODBUS_PORT: u16 = 502;

/// Each `host:port` of `192.168.1.0/24:502`, `192.168.1.10-40:502` or `gateway.lan:502`. `default_port` allows to leave out port 502.
///
/// # Errors
/// What to write instead.
pub fn addresses(text: &str, default_port: bool) -> Result<Vec<String>, String> {
    const HELP: &str = "write 192.168.1.20:502, 192.168.1.10-40:502 or 192.168.1.0/24:502";
    let bracketed = text.ends_with(']');
    let (hosts, port) = match text.rsplit_once(':') {
        Some((hosts, port)) if !bracketed => {
            let number = port.parse::<u16>().ok().filter(|port| *port > 0);
            (hosts, number.ok_or_else(|| format!("`{port}` is not a port: {HELP}"))?)
        }
        _ if default_port => (text, MODBUS_PORT),
        _ => return Err("a converter needs a port: write host:port".to_owned()),
    };
    if text.contains("://") {
        return Err(format!("an address has no `://` before it: {HELP}"));
    }
    if hosts.is_empty() || hosts.contains(char::is_whitespace) {
        return Err(HELP.to_owned());
    }
    let (first, last) = match range(hosts) {
        Some(range) => range?,
        None if !is_host(hosts) => {
            let hosts = foreign(hosts, 60);
            return Err(format!("`{hosts}` is neither an address nor the name of a device in the network: {HELP}"));
        }
        None => return Ok(vec![format!("{}:{port}", hosts.to_ascii_lowercase())]),
    };
    if last < first {
        return Err(format!("the first address is higher than the last: {HELP}"));
    }
    if last - first >= MAX_ADDRESSES {
        return Err(format!("more than {MAX_ADDRESSES} addresses at once: scan a smaller range"));
    }
    Ok((first..=last).map(|address| format!("{}:{port}", Ipv4Addr::from(address))).collect())
}

/// The first and last address of a range; `None` for a single host.
fn range(hosts: &str) -> Option<Result<(u32, u32), String>> {
    if let Some((network, bits)) = hosts.split_once('/') {
        let wrong = || format!("`{hosts}` is not a network: write 192.168.1.0/24");
        let parsed =
            network.parse::<Ipv4Addr>().ok().zip(bits.parse::<u32>().ok().filter(|bits| (1..=32).contains(bits)));
        return Some(parsed.ok_or_else(wrong).map(|(network, bits)| {
            let mask = u32::MAX << (32 - bits);
            let (first, last) = (u32::from(network) & mask, u32::from(network) | !mask);
            // The network address and the broadcast address are not hosts.
            if bits < 31 { (first + 1, last - 1) } else { (first, last) }
        }));
    }
    let (first, last) = hosts.split_once('-')?;
    let first = first.parse::<Ipv4Addr>().ok()?;
    let last = match last.parse::<u8>() {
        Ok(number) => Ipv4Addr::from(u32::from(first) & !0xFF | u32::from(number)),
        Err(_) => last.parse().ok()?,
    };
    Some(Ok((first.into(), last.into())))
}

#[cfg(test)]
mod tests;
