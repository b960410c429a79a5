//! Opens a serial device or a connection, and names the remedy where that fails.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_serial::{SerialPortBuilderExt, SerialStream};

use super::error::{Error, reason};
use super::settings::{Link, SerialSettings};
use super::stream::Stream;
use crate::descriptors::BudgetUsedUp;
use crate::lookup::{HostLookup, LookupError};
use crate::units::Parity;
use crate::worker::{self, NoThread, Work};

/// The longest time for opening: a driver may hang, a host may not answer.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// The longest time for each of several addresses of one host.
const EACH_WITHIN: Duration = Duration::from_secs(2);

/// Opens the link. A device's path (a by-id link) is resolved each time.
pub(super) async fn open(link: &Link, opener: &mut Opener) -> Result<Stream, Error> {
    match link {
        Link::Serial(settings) => serial(settings.clone(), &mut opener.pending).await.map(Stream::Serial),
        Link::Tcp(address) | Link::RtuOverTcp(address) => connect(address, &opener.hosts, &mut opener.reached).await,
    }
}

/// Why the link is not opened although the system might allow it: others need what is left.
pub(super) fn no_descriptor(link: &Link, used_up: BudgetUsedUp) -> Error {
    let reason =
        format!("it waits: the other buses use all file descriptors that the limit of {} allows them", used_up.limit);
    failed(
        &link.to_string(),
        reason,
        "`arkmeter check` says which limit is needed; set it as LimitNOFILE= in the unit (systemctl edit arkmeter)",
    )
}

const TOO_MANY_FILES: &str = "set a higher LimitNOFILE= in the unit (systemctl edit arkmeter)";

/// Whether this process or the system has no file descriptor left.
fn exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// What a line remembers from one opening to the next.
#[derive(Debug)]
pub(super) struct Opener {
    pending: PendingOpen,
    hosts: HostLookup,
    /// The address of the host that the last connection was made to.
    reached: Option<SocketAddr>,
}

impl Opener {
    pub(super) fn new(hosts: HostLookup) -> Self {
        Opener { pending: PendingOpen::default(), hosts, reached: None }
    }
}

fn failed(link: &str, reason: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::Open { link: link.to_owned(), reason: reason.into(), remedy: remedy.into() }
}

async fn connect(address: &str, hosts: &HostLookup, reached: &mut Option<SocketAddr>) -> Result<Stream, Error> {
    #[cfg(test)]
    if let Some(connected) = super::memory::connect(address).await {
        return connected.map(Stream::Memory).map_err(|error| failed(address, reason(&error), remedy(error.kind())));
    }
    let no_answer = || failed(address, "no answer within 5s", remedy(io::ErrorKind::TimedOut));
    let refused = |error: io::Error| {
        let remedy = if exhausted(&error) { TOO_MANY_FILES } else { remedy(error.kind()) };
        failed(address, reason(&error), remedy)
    };
    let addresses = hosts.addresses(address, OPEN_WITHIN).await.map_err(|error| match error {
        slow @ LookupError::Slow { .. } => failed(address, slow.to_string(), LookupError::REMEDY),
        LookupError::Failed(error) => unresolved(address, &reason(&error), STATIC),
    })?;
    let stream = match first_to_answer(addresses, reached, TcpStream::connect).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(no_answer()),
        Err(error) => return Err(refused(error)),
    };
    // Else a small request may wait for an acknowledgement of the one before. A socket that refuses the option still works.
    let _ = stream.set_nodelay(true);
    Ok(Stream::Tcp(stream))
}

/// Connects to the addresses of a host in their order, the one that was reached last first. One of several that does not answer must not
/// take the time of the others.
async fn first_to_answer<T>(
    mut addresses: Vec<SocketAddr>,
    reached: &mut Option<SocketAddr>,
    connect: impl AsyncFn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    addresses.sort_by_key(|address| Some(*address) != *reached);
    let within = if addresses.len() > 1 { EACH_WITHIN } else { OPEN_WITHIN };
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match tokio::time::timeout(within, connect(address)).await {
            Ok(Ok(connected)) => {
                *reached = Some(address);
                return Ok(connected);
            }
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failure)
}

fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => {
            "check the port (502 for most gateways); some gateways accept one client only, and another may be connected"
        }
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "check the gateway's power, the cable, the address and the firewall"
        }
        _ => "check the address and this box's network",
    }
}

/// The released programs are static: their C library does not read nsswitch.conf.
const STATIC: bool = cfg!(target_env = "musl");

fn unresolved(address: &str, reason: &str, by_static_program: bool) -> Error {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let remedy = if by_static_program {
        format!(
            "check the name and this box's DNS. This program is static: it asks only /etc/hosts and DNS, and cannot resolve names of mDNS (.local) \
             or of other services in nsswitch.conf. If `getent hosts {host}` finds it, write its address instead of the name"
        )
    } else {
        format!("check the name and this box's DNS (`getent hosts {host}`)")
    };
    failed(address, reason, remedy)
}

/// Opens the device in a thread of its own, because a driver may hang in `open`.
async fn serial(settings: SerialSettings, pending: &mut PendingOpen) -> Result<SerialStream, Error> {
    let device = settings.path.display().to_string();
    // The library registers the device with the runtime.
    let runtime = tokio::runtime::Handle::current();
    let claim = move || {
        let _entered = runtime.enter();
        claim(&settings)
    };
    match pending.finish(OPEN_WITHIN, claim).await {
        Some(Ok(opened)) => opened,
        Some(Err(error)) => Err(failed(&device, error.to_string(), "arkmeter tries again")),
        None => {
            Err(failed(&device, "the driver does not open it within 5s", "unplug the adapter and plug it in again"))
        }
    }
}

/// A device that is being opened, without end where its driver hangs. Meanwhile it is not opened a second time: each attempt would
/// take a thread.
#[derive(Debug, Default)]
struct PendingOpen(Option<Work<Result<SerialStream, Error>>>);

impl PendingOpen {
    /// Awaits the attempt in progress, or begins one. `None` where it takes longer than `within`.
    async fn finish(
        &mut self,
        within: Duration,
        claim: impl FnOnce() -> Result<SerialStream, Error> + Send + 'static,
    ) -> Option<Result<Result<SerialStream, Error>, NoThread>> {
        let attempt = self.0.get_or_insert_with(|| worker::once("open device", claim));
        let ended = tokio::time::timeout(within, attempt).await.ok()?;
        self.0 = None;
        Some(ended)
    }
}

/// Opens the device exclusively: TIOCEXCL keeps other users out, the lock also root and a second arkmeter.
fn claim(settings: &SerialSettings) -> Result<SerialStream, Error> {
    let device = settings.path.display().to_string();
    // Stays open until the library has the device: some adapters are powered by the modem lines.
    let _open = probe(&settings.path).map_err(|error| refused(&settings.path, &error))?;
    let parity = match settings.parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    };
    let stop_bits = if settings.stop_bits == 2 { tokio_serial::StopBits::Two } else { tokio_serial::StopBits::One };
    let port = tokio_serial::new(device.clone(), settings.baud).parity(parity).stop_bits(stop_bits);
    port.open_native_async().map_err(|error| match error.kind() {
        tokio_serial::ErrorKind::NoDevice => busy(&settings.path),
        // The system says `not a typewriter` (ENOTTY).
        _ if error.to_string().to_lowercase().contains("typewriter") => {
            failed(&device, "it is not a serial device", "name the adapter (ls -l /dev/serial/by-id)")
        }
        _ => failed(&device, error.to_string().to_lowercase(), "check that it supports this baud rate"),
    })
}

/// Opens and locks the device to learn the system's own reason where that fails: the serial library hides it, and a failed attempt
/// of the library would end the exclusive mode that another program has set.
fn probe(path: &Path) -> io::Result<File> {
    let device =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    match device.try_lock() {
        Ok(()) => device.unlock().map(|()| device),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn refused(path: &Path, error: &io::Error) -> Error {
    let device = path.display().to_string();
    let remedy = match error.kind() {
        io::ErrorKind::ResourceBusy => return busy(path),
        io::ErrorKind::PermissionDenied => {
            "the user must be in the group that owns it, mostly dialout, on Arch and Gentoo uucp (ls -l names it): sudo usermod -aG dialout \
             $USER, and log in again; for the service, sudo usermod -aG dialout arkmeter, and restart it"
        }
        io::ErrorKind::NotFound => "is the adapter plugged in? (ls -l /dev/serial/by-id)",
        _ if exhausted(error) => TOO_MANY_FILES,
        _ if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO | libc::EIO)) => {
            "is the adapter plugged in? (ls -l /dev/serial/by-id)"
        }
        _ => "check that it is a serial device",
    };
    failed(&device, reason(error), remedy)
}

fn busy(path: &Path) -> Error {
    let device = path.display().to_string();
    match holder(path) {
        Some(holder) => failed(&device, format!("{holder} uses it"), "stop that program: a line has one master"),
        None => failed(
            &device,
            "another program uses it",
            format!(
                "often ModemManager, brltty, a getty or another Modbus master, or another running arkmeter; \
                 `fuser -v {device}` as root names it"
            ),
        ),
    }
}

/// The name and id of a process that has the device open, as far as this user may see it.
fn holder(path: &Path) -> Option<String> {
    let device = path.canonicalize().ok()?;
    let own = std::process::id();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds = files.flatten().any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target == device));
        if holds && id != own {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {id})", crate::text::foreign(name.trim(), 64)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_resolved_is_explained() {
        let text = |by_static_program| unresolved("gateway.local:502", "no such name", by_static_program).to_string();
        assert!(text(true).starts_with("cannot open gateway.local:502: no such name; check the name"));
        assert!(
            text(true).contains("cannot resolve names of mDNS (.local)")
                && text(true).contains("`getent hosts gateway.local`")
        );
        assert!(text(false).ends_with("check the name and this box's DNS (`getent hosts gateway.local`)"));
    }

    #[test]
    fn each_failure_names_its_remedy() {
        let path = Path::new("/dev/ttyUSB7");
        let text = |code| refused(path, &io::Error::from_raw_os_error(code)).to_string();
        assert!(
            text(libc::EACCES).starts_with("cannot open /dev/ttyUSB7: permission denied; "),
            "{}",
            text(libc::EACCES)
        );
        assert!(text(libc::EACCES).contains("dialout"));
        assert!(text(libc::ENOENT).contains("plugged in"));
        assert!(text(libc::ENXIO).contains("plugged in"));
        assert!(text(libc::EBUSY).contains("ModemManager") && text(libc::EBUSY).contains("getty"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_of_a_host_without_an_answer_delays_the_others_by_2_s_once() {
        let addresses: Vec<SocketAddr> = ["192.0.2.1:502", "192.0.2.2:502"].map(|it| it.parse().unwrap()).into();
        let mut reached = None;
        let connect = async |address: SocketAddr| match address.to_string().as_str() {
            "192.0.2.1:502" => std::future::pending().await,
            _ => Ok(address),
        };
        for took in [2, 0, 0] {
            let begin = tokio::time::Instant::now();
            let connected = first_to_answer(addresses.clone(), &mut reached, connect).await.unwrap();
            assert_eq!((connected, begin.elapsed().as_secs()), (addresses[1], took));
        }
        let begin = tokio::time::Instant::now();
        let silent = async |_| std::future::pending::<io::Result<()>>().await;
        let error = first_to_answer(addresses[..1].to_vec(), &mut reached, silent).await.unwrap_err();
        assert_eq!(
            (error.kind(), begin.elapsed()),
            (io::ErrorKind::TimedOut, OPEN_WITHIN),
            "the only one has all the time"
        );
    }

    #[tokio::test]
    async fn a_driver_that_hangs_takes_one_thread_for_all_attempts() {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let mut pending = PendingOpen::default();
        let hangs = move || {
            let _ = released.recv();
            Err(failed("/dev/ttyUSB7", "no such device", "plug it in"))
        };
        let short = Duration::from_millis(20);
        assert!(pending.finish(short, hangs).await.is_none());
        for _ in 0..3 {
            assert!(pending.finish(short, || panic!("a second attempt")).await.is_none());
        }
        drop(release);
        let long = Duration::from_secs(60);
        assert!(pending.finish(long, || panic!("a second attempt")).await.is_some_and(|finished| finished.is_ok()));
        let again = pending.finish(long, || Err(failed("/dev/ttyUSB7", "busy", "stop it"))).await;
        assert!(again.unwrap().unwrap().unwrap_err().to_string().contains("busy"), "the next attempt is a new one");
    }

    #[test]
    fn the_process_that_uses_a_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let handle = file.reopen().unwrap();
        assert_eq!(holder(file.path()), None, "our own process does not count");
        let mut child = std::process::Command::new("sleep").arg("60").stdin(handle).spawn().unwrap();
        let named = holder(file.path());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(named.is_some_and(|named| named.contains(&format!("(process {})", child.id()))));
    }
}
