//! Addresses: host and port of a gateway, the URL of an endpoint or a proxy.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::form::Field;

/// The port of Modbus TCP. Source: IANA, service `mbap`.
const MODBUS_PORT: u16 = 502;

/// Reads `host:port`, in lower case and with its port.
///
/// With `default_port` the port may be left out: Modbus TCP has a standard port, a serial converter has none.
pub(super) fn host_port(field: &Field<'_>, default_port: bool) -> Option<String> {
    let help = match default_port {
        true => {
            "a host and a port such as \"192.168.10.20:502\", \"meter.lan:502\" or \"[fd00::20]:502\"; without a port it is 502"
        }
        false => "a host and a port such as \"192.168.10.21:4196\", \"converter.lan:4196\" or \"[fd00::21]:4196\"",
    };
    let text = field.text()?;
    if text.contains('@') {
        return field.fail_hidden("is not host:port", help);
    }
    if text.contains("//") {
        return field.fail("is not host:port", format!("remove the part up to `//`: {help}"));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return field.fail("is an IPv6 address without brackets", format!("put it in brackets: \"[{text}]:502\""));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    if !is_host(host) {
        return field.fail("is not host:port", help);
    }
    let port = match port {
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number > 0 && port.bytes().all(|digit| digit.is_ascii_digit()) => number,
            _ => return field.fail("has no valid port", "a port from 1 to 65535 after the last `:`"),
        },
        None if default_port => MODBUS_PORT,
        None => return field.fail("lacks its port", help),
    };
    Some(format!("{}:{port}", host.to_ascii_lowercase()))
}

/// Whether the text is a host name, an IPv4 address or an IPv6 address in brackets.
pub(crate) fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A text of digits and dots only is meant as an address, and must be a valid one.
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let name = text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label);
    if numeric { text.parse::<Ipv4Addr>().is_ok() } else { name }
}

/// Reads the URL of an endpoint: https, or http to this machine, without secrets.
pub(super) fn endpoint(field: &Field<'_>) -> Option<Url> {
    let help = "an https URL such as \"https://api.arkreen.com/v1\"";
    let url = plain_url(field, help)?;
    match url.scheme() {
        "https" => Some(url),
        "http" if is_loopback(&url) => Some(url),
        "http" => field.fail("sends the token unencrypted", "use https; http is allowed to this machine only"),
        _ => field.fail("is not an https URL", help),
    }
}

/// Reads the URL of an HTTP proxy, without a password.
pub(super) fn proxy(field: &Field<'_>) -> Option<Url> {
    let help = "the URL of an HTTP proxy such as \"http://192.168.10.1:3128\"";
    let url = plain_url(field, help)?;
    if !matches!(url.scheme(), "http" | "https") {
        return field.fail("is not the URL of an HTTP proxy", help);
    }
    if url.path() != "/" {
        return field.fail("has a path, but a proxy has none", help);
    }
    Some(url)
}

/// Reads a URL of host, port and path only. Other parts may be secret and are hidden.
fn plain_url(field: &Field<'_>, help: &str) -> Option<Url> {
    let text = field.text()?;
    if text.contains('@') {
        let help = "remove user name and password: no secret belongs in this file";
        return field.fail_hidden("holds a user name or a password", help);
    }
    if text.contains(['?', '#']) {
        return field.fail_hidden("has a query or a fragment", help);
    }
    if let Some((_, path)) = text.split_once("//").and_then(|(_, rest)| rest.split_once('/'))
        && has_long_number(path)
    {
        let help = "put the token into the file that `token_file` names: no secret belongs in this file";
        return field.fail_hidden("has a token in its path", help);
    }
    match Url::parse(text) {
        Ok(url) if url.host().is_some() && url.username().is_empty() && url.password().is_none() => Some(url),
        Ok(_) => field.fail_hidden("is not a URL with a host", help),
        Err(error) => field.fail(&format!("is not a URL: {error}"), help),
    }
}

/// A hexadecimal number as long as half a token: a path that people write has none.
fn has_long_number(path: &str) -> bool {
    path.split(|character: char| !character.is_ascii_hexdigit()).any(|run| run.len() >= 32)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
