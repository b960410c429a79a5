//! `[state]` and `[status]`: where the ledger is kept, and where the daemon listens.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::address::is_host;
use super::environment::Environment;
use super::model::{StateConfig, StatusConfig};
use super::tables;
use crate::finding::Finding;
use crate::form::{Field, Form};
use crate::shard::Shard;

/// A day to ten years.
const HISTORY: RangeInclusive<Duration> = Duration::from_secs(86_400)..=Duration::from_secs(315_576_000);
const HISTORY_SIZE: RangeInclusive<u64> = 1_000_000..=100_000_000_000;
/// `sun_path` holds 108 bytes with the closing zero. Source: unix(7).
const MAX_SOCKET_PATH: usize = 107;

pub(super) fn state(form: Option<Form<'_>>, environment: &Environment) -> Option<StateConfig> {
    let default = StateConfig::at(environment.default_state());
    let Some(form) = form else { return Some(default) };
    let path = form.or("path", default.path, |field| tables::path(field, &environment.folder));
    let history = form.or("history", default.history, |field| field.duration(HISTORY));
    let history_max_size = form.or("history_max_size", default.history_max_size, |field| field.size(HISTORY_SIZE));
    form.finish();
    Some(StateConfig { path: path?, history: history?, history_max_size: history_max_size? })
}

pub(super) fn status(form: Option<Form<'_>>, environment: &Environment) -> Option<StatusConfig> {
    let socket = environment.default_socket();
    let Some(form) = form else { return Some(StatusConfig { listen: None, hosts: Vec::new(), socket }) };
    let socket = form.or("socket", socket, |field| socket_path(field, environment));
    let listen = form.maybe("listen", listen);
    let allow_remote = form.or("allow_remote", false, Field::boolean);
    let hosts = form.or("hosts", Vec::new(), hosts);
    let status = listen.and_then(|listen| remote(&form, listen, allow_remote?, hosts?));
    form.finish();
    let (listen, hosts) = status?;
    Some(StatusConfig { listen, hosts, socket: socket? })
}

/// Checks that a page for other machines is intended, and has host names.
fn remote(
    form: &Form<'_>,
    listen: Option<SocketAddr>,
    allow_remote: bool,
    hosts: Vec<String>,
) -> Option<(Option<SocketAddr>, Vec<String>)> {
    let Some(address) = listen else {
        if allow_remote || !hosts.is_empty() {
            let warning = Finding::warning(
                form.span(),
                "[status] has `allow_remote` or `hosts`, but no `listen`: there is no page",
            );
            form.findings()
                .add(warning.help("add `listen = \"127.0.0.1:9826\"`, or remove `allow_remote` and `hosts`"));
        }
        return Some((None, hosts));
    };
    if address.ip().is_loopback() {
        return Some((listen, hosts));
    }
    let field = form.field("listen")?;
    if !allow_remote {
        let help = "\"127.0.0.1:9826\" for this machine only; to open it to others add `allow_remote = true` and `hosts = [...]`";
        return field.fail("can be reached from other machines", help);
    }
    if hosts.is_empty() {
        let help =
            "add `hosts = [\"gateway.lan\", \"192.168.10.5\"]`: the names and addresses that browsers use for the page";
        return field.fail("is open to other machines, but `hosts` is missing", help);
    }
    Some((listen, hosts))
}

fn listen(field: &Field<'_>) -> Option<SocketAddr> {
    let address = field.text()?.parse().ok();
    address.or_else(|| field.fail("is not an IP address and a port", "such as \"127.0.0.1:9826\" or \"[::1]:9826\""))
}

fn hosts(field: &Field<'_>) -> Option<Vec<String>> {
    let fields = field.array()?;
    // All are read before any is dropped, so that every problem is reported.
    let hosts: Vec<Option<String>> = fields.iter().map(host).collect();
    hosts.into_iter().collect()
}

fn host(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if !is_host(text) {
        return field.fail(
            "is not a host",
            "a name or address without a port: \"gateway.lan\", \"192.168.10.5\", \"[fd00::5]\"",
        );
    }
    Some(text.trim_end_matches('.').to_ascii_lowercase())
}

fn socket_path(field: &Field<'_>, environment: &Environment) -> Option<PathBuf> {
    let path = tables::path(field, &environment.folder)?;
    let added = environment.sharding.map_or(0, |_| Shard::SOCKET_ADDS);
    if path.as_os_str().len() > MAX_SOCKET_PATH - added {
        return field.fail("is too long for a socket", format!("a path of at most {} bytes", MAX_SOCKET_PATH - added));
    }
    Some(path)
}
