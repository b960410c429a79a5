//! `[bus.NAME]`: a line or a connection. Exactly one of `serial`, `tcp` and `rtu_over_tcp`.

use std::path::PathBuf;
use std::time::Duration;

use super::address::host_port;
use super::model::BusConfig;
use crate::finding::Finding;
use crate::form::{Field, Form};
use crate::modbus::{Link, SerialSettings};
use crate::shard::ShardCount;
use crate::units::{Name, Parity};

const LINKS: &str = "exactly one of `serial` (a device), `tcp` and `rtu_over_tcp` (host:port)";

/// The settings of a serial line, without its device.
#[derive(Clone, Copy)]
struct SerialParameters {
    baud: u32,
    parity: Parity,
    stop_bits: u8,
}

pub(crate) fn read(name: &Name, form: Form<'_>) -> Option<BusConfig> {
    let link = link(&form);
    let (millis, seconds) = (Duration::from_millis, Duration::from_secs);
    let timeout = form.or("timeout", seconds(1), |field| field.duration(millis(50)..=seconds(10)));
    let request_gap = form.or("request_gap", Duration::ZERO, |field| field.duration(Duration::ZERO..=seconds(10)));
    let connect_delay = form.or("connect_delay", Duration::ZERO, |field| field.duration(Duration::ZERO..=seconds(60)));
    let shard = form.maybe("shard", |field| field.integer(1..=i64::from(ShardCount::MAX)));
    form.finish();
    Some(BusConfig {
        name: name.clone(),
        link: link?,
        timeout: timeout?,
        request_gap: request_gap?,
        connect_delay: connect_delay?,
        shard: shard?.and_then(|shard| u16::try_from(shard).ok()),
    })
}

fn link(form: &Form<'_>) -> Option<Link> {
    let (serial, tcp, rtu_over_tcp) = (form.field("serial"), form.field("tcp"), form.field("rtu_over_tcp"));
    // Everything is read before it is judged, so that every problem is reported.
    let parameters = if serial.is_some() || (tcp.is_none() && rtu_over_tcp.is_none()) {
        serial_parameters(form)
    } else {
        refuse_serial_parameters(form)
    };
    let serial = serial.map(|field| (serial_link(&field, parameters), field));
    let tcp = tcp.map(|field| (host_port(&field, true).map(Link::Tcp), field));
    let rtu_over_tcp = rtu_over_tcp.map(|field| (host_port(&field, false).map(Link::RtuOverTcp), field));
    let mut links = [serial, tcp, rtu_over_tcp].into_iter().flatten();
    let Some((link, _)) = links.next() else {
        let message = format!("[{}] lacks `serial`, `tcp` or `rtu_over_tcp`", form.path());
        form.findings().doubt(Finding::error(form.span(), message).help(LINKS));
        return None;
    };
    match links.last() {
        Some((_, second)) => second.fail("is a second link of this bus", LINKS),
        None => link,
    }
}

fn serial_parameters(form: &Form<'_>) -> Option<SerialParameters> {
    let baud = form.or("baud", 9600, |field| field.integer(300..=4_000_000));
    let parity = form.or("parity", Parity::None, |field| field.one_of(&Parity::WORDS));
    let stop_bits = form.or("stop_bits", 1, |field| field.integer(1..=2));
    Some(SerialParameters { baud: baud? as u32, parity: parity?, stop_bits: stop_bits? as u8 })
}

/// Reports the parameters of a serial line on a bus that has none.
fn refuse_serial_parameters(form: &Form<'_>) -> Option<SerialParameters> {
    for field in ["baud", "parity", "stop_bits"].into_iter().filter_map(|key| form.field(key)) {
        let help = "remove it: the gateway or converter has its own setting";
        field.fail::<()>("belongs to a `serial` bus only", help);
    }
    None
}

fn serial_link(field: &Field<'_>, parameters: Option<SerialParameters>) -> Option<Link> {
    let path = device(field)?;
    let SerialParameters { baud, parity, stop_bits } = parameters?;
    Some(Link::Serial(SerialSettings { path, baud, parity, stop_bits }))
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
