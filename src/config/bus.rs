//! `[bus.NAME]`: a line or a connection. Exactly one of `serial`, `tcp` and `rtu_over_tcp`.

use std::path::PathBuf;
use std::time::Duration;

use super::address::host_port;
use super::model::{BusConfig, Link, SerialSettings};
use crate::finding::Finding;
use crate::form::{Field, Form};
use crate::units::{Name, Parity};

const LINKS: &str = "exactly one of `serial` (a device), `tcp` and `rtu_over_tcp` (host:port)";

pub(super) fn read(name: &Name, form: Form<'_>) -> Option<BusConfig> {
    let link = link(&form);
    let (millis, seconds) = (Duration::from_millis, Duration::from_secs);
    let timeout = form.or("timeout", seconds(1), |field| field.duration(millis(50)..=seconds(10)));
    let request_gap = form.or("request_gap", Duration::ZERO, |field| field.duration(Duration::ZERO..=seconds(10)));
    let connect_delay = form.or("connect_delay", Duration::ZERO, |field| field.duration(Duration::ZERO..=seconds(60)));
    form.finish();
    Some(BusConfig {
        name: name.clone(),
        link: link?,
        timeout: timeout?,
        request_gap: request_gap?,
        connect_delay: connect_delay?,
    })
}

fn link(form: &Form<'_>) -> Option<Link> {
    let (serial, tcp, rtu_over_tcp) = (form.field("serial"), form.field("tcp"), form.field("rtu_over_tcp"));
    // Everything is read before it is judged, so that each problem is told.
    let settings = line_settings(form, serial.is_some() || (tcp.is_none() && rtu_over_tcp.is_none()));
    let serial = serial.as_ref().map(|field| (field, device(field).zip(settings).map(line).map(Link::Serial)));
    let tcp = tcp.as_ref().map(|field| (field, host_port(field, true).map(Link::Tcp)));
    let rtu_over_tcp = rtu_over_tcp.as_ref().map(|field| (field, host_port(field, false).map(Link::RtuOverTcp)));
    let mut links = [serial, tcp, rtu_over_tcp].into_iter().flatten();
    let Some((_, link)) = links.next() else {
        let message = format!("[{}] does not say how it is reached", form.path());
        form.findings().doubt(Finding::error(form.span(), message).help(LINKS));
        return None;
    };
    match links.last() {
        Some((second, _)) => second.fail("is a second way to reach this bus", LINKS),
        None => link,
    }
}

type Settings = (u32, Parity, u8);

/// Baud, parity and stop bits, with their defaults; on a bus without a line they are reported.
fn line_settings(form: &Form<'_>, has_line: bool) -> Option<Settings> {
    let [baud, parity, stop_bits] = ["baud", "parity", "stop_bits"].map(|key| form.field(key));
    if !has_line {
        for field in [baud, parity, stop_bits].into_iter().flatten() {
            let help = "leave it out: the gateway or converter has its own setting";
            field.fail::<()>("belongs to a `serial` bus only", help);
        }
        return None;
    }
    let baud = baud.map_or(Some(9600), |field| field.integer(300..=4_000_000));
    let parity = parity.map_or(Some(Parity::None), |field| field.one_of(&Parity::WORDS));
    let stop_bits = stop_bits.map_or(Some(1), |field| field.integer(1..=2));
    Some((baud? as u32, parity?, stop_bits? as u8))
}

fn line((path, (baud, parity, stop_bits)): (PathBuf, Settings)) -> SerialSettings {
    SerialSettings { path, baud, parity, stop_bits }
}

fn device(field: &Field<'_>) -> Option<PathBuf> {
    let text = field.text()?;
    if !text.starts_with('/') || text.contains('\0') || text.ends_with('/') {
        let help = "the whole path of a device such as \"/dev/serial/by-id/usb-...\" or \"/dev/ttyUSB0\"";
        return field.fail("is not the path of a device", help);
    }
    // Components, so that `/dev//ttyS0` is the same device as `/dev/ttyS0`.
    Some(PathBuf::from(text).components().collect())
}
