//! A site: a folder with a configuration, a token and the real program; and functions that wait for a condition with a time limit.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use arkmeter::simulator::{Arkreen, SimulatedUnit};
use arkmeter::units::ClientId;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

pub use crate::received::*;
pub use crate::surroundings::*;

/// The longest wait for a condition, generous enough for a loaded machine.
pub const WAIT_LIMIT: Duration = Duration::from_secs(120);
/// The interval between two checks of a condition.
pub const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// The time limit of a command other than `run`.
const COMMAND_LIMIT: Duration = Duration::from_secs(240);
/// The timeout of every bus in these tests.
pub const TIMEOUT: Duration = Duration::from_millis(300);

/// Variables of systemd and of shells that must not reach the program under test.
const VARIABLES: [&str; 13] = [
    "STATE_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "ARKMETER_CONFIG",
    "ARKMETER_LOG",
    "ARKMETER_SHARDS",
    "ARKMETER_SHARD",
    "ARKMETER_SHARD_INDEX",
    "JOURNAL_STREAM",
    "NO_COLOR",
];

/// Prints that this test, or a part of it, cannot run on this machine, and why.
///
/// It writes to standard error directly, because the test runner hides the output of passing tests. `.ci/run` collects these lines in
/// the file `ARKMETER_SKIPPED` and lists them at its end.
pub fn skipped(test: &str, why: &str) {
    let line = format!("SKIPPED {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Some(list) = std::env::var_os("ARKMETER_SKIPPED") {
        OpenOptions::new().create(true).append(true).open(list).unwrap().write_all(line.as_bytes()).unwrap();
    }
}

/// A dummy token, which the simulated Arkreen accepts.
pub fn token() -> String {
    format!("0x{}", "7".repeat(64))
}

/// A dummy client identifier with this number, 1 to 255.
pub fn client(number: u8) -> ClientId {
    ClientId::parse(&format!("0x{}", format!("{number:02x}").repeat(32))).unwrap()
}

/// A simulated Arkreen that knows these clients.
pub fn arkreen(clients: impl IntoIterator<Item = u8>) -> Arkreen {
    Arkreen::start(&token(), clients.into_iter().map(client)).unwrap()
}

/// The text of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Plan(String);

impl Plan {
    pub fn new() -> Self {
        Plan("[state]\npath = \"state\"\n[status]\nsocket = \"control.sock\"\n".into())
    }

    pub fn text(mut self, text: impl Display) -> Self {
        self.0.push_str(&format!("{text}\n"));
        self
    }

    /// The account `main`, which reports every second.
    pub fn account(self, url: impl Display) -> Self {
        self.text(format!(
            "[account.main]\nurl = \"{url}\"\ntoken_file = \"token\"\nreport_every = \"1s\"\ntimeout = \"5s\""
        ))
    }

    /// A bus with [`TIMEOUT`]; `link` is its line of TOML.
    pub fn bus(self, name: &str, link: impl Display) -> Self {
        self.text(format!("[bus.{name}]\n{link}\ntimeout = \"{}ms\"", TIMEOUT.as_millis()))
    }

    pub fn tcp(self, name: &str, address: SocketAddr) -> Self {
        self.bus(name, format!("tcp = \"{address}\""))
    }

    /// The same with a timeout that a loaded machine never reaches.
    pub fn patient_tcp(self, name: &str, address: SocketAddr) -> Self {
        self.text(format!("[bus.{name}]\ntcp = \"{address}\"\ntimeout = \"5s\""))
    }

    pub fn converter(self, name: &str, address: SocketAddr) -> Self {
        self.bus(name, format!("rtu_over_tcp = \"{address}\""))
    }

    pub fn serial(self, name: &str, path: &Path) -> Self {
        self.bus(name, format!("serial = \"{}\"", path.display()))
    }

    /// An SDM630, polled every 100 ms and reported as the client with the number of its unit.
    pub fn meter(self, name: &str, bus: &str, unit: u8) -> Self {
        let client = client(unit).to_hex();
        self.polled(name, bus, unit, "eastron-sdm630").text(format!("client_id = \"{client}\""))
    }

    /// The same meter, polled every second. The energy between two polls then agrees with the power, in spite of the register's resolution.
    pub fn counting(self, name: &str, bus: &str, unit: u8) -> Self {
        let Plan(text) = self.meter(name, bus, unit);
        let (before, last) = text.rsplit_once("\"100ms\"").unwrap();
        Plan(format!("{before}\"1s\"{last}"))
    }

    /// Replaces the first occurrence of `text`.
    pub fn replaced(self, text: &str, other: &str) -> Self {
        Plan(self.0.replacen(text, other, 1))
    }

    /// A meter of any profile. It is reported only if a line with its client follows.
    pub fn polled(self, name: &str, bus: &str, unit: u8, profile: &str) -> Self {
        self.text(format!(
            "[meter.{name}]\nbus = \"{bus}\"\nunit = {unit}\nprofile = \"{profile}\"\npoll_every = \"100ms\"\nmax_power = \"20kW\""
        ))
    }
}

/// The folder in which the program runs.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
}

/// The program under test: the one that cargo built, or another one in `ARKMETER_PROGRAM`, as a release has it.
pub fn program() -> std::ffi::OsString {
    std::env::var_os("ARKMETER_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_arkmeter").into())
}

impl Site {
    pub fn new(plan: &Plan) -> Self {
        let site = Site { folder: tempfile::tempdir().unwrap() };
        site.put_token(&token());
        site.configure(plan);
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn configure(&self, plan: &Plan) {
        fs::write(self.path("arkmeter.toml"), &plan.0).unwrap();
    }

    /// Replaces the token file by renaming a new one, as an operator does.
    pub fn put_token(&self, content: &str) {
        let new = self.path("token.new");
        fs::write(&new, format!("{content}\n")).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(0o640)).unwrap();
        fs::rename(new, self.path("token")).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.command_under(&[], arguments, self.folder.path())
    }

    /// The program, started by another one (`under`, with its arguments), in this folder and with the configuration there.
    fn command_under(&self, under: &[&str], arguments: &[&str], folder: &Path) -> Command {
        // Child processes inherit the masters of other tests' pseudo-terminals, which would keep those lines open: close them.
        const CLOSE_INHERITED: &str =
            r#"for fd in /proc/$$/fd/*; do fd=${fd##*/}; ((fd > 2)) && eval "exec $fd>&-"; done; exec "$0" "$@""#;
        let mut command = Command::new("bash");
        command.args(["-c", CLOSE_INHERITED]).args(under).arg(program());
        command.args(arguments).arg("--config").arg(folder.join("arkmeter.toml")).current_dir(folder);
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts the daemon.
    pub fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    /// Starts the daemon with these variables in its environment.
    pub fn start_with(&self, variables: &[(&str, &str)]) -> Daemon {
        self.spawn(&[], &["run"], variables)
    }

    /// Starts the daemon through another program that executes it (ip netns exec).
    pub fn start_under(&self, under: &[&str]) -> Daemon {
        self.spawn(under, &["run"], &[])
    }

    /// The same with these variables in its environment.
    pub fn start_under_with(&self, under: &[&str], variables: &[(&str, &str)]) -> Daemon {
        self.spawn(under, &["run"], variables)
    }

    /// Starts the daemon with this standard output and standard error instead of the log.
    pub fn start_writing_to(&self, output: Stdio, error: Stdio, variables: &[(&str, &str)]) -> Daemon {
        let mut command = self.command_under(&[], &["run"], self.folder.path());
        command.envs(variables.iter().copied()).stdout(output).stderr(error);
        Daemon(command.spawn().unwrap(), self.path("log"))
    }

    /// Starts the daemon with these arguments.
    pub fn start_as(&self, arguments: &[&str]) -> Daemon {
        self.spawn(&[], arguments, &[])
    }

    fn spawn(&self, under: &[&str], arguments: &[&str], variables: &[(&str, &str)]) -> Daemon {
        let log = OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = self.command_under(under, arguments, self.folder.path());
        command.envs(variables.iter().copied()).stdout(log.try_clone().unwrap()).stderr(log);
        Daemon(command.spawn().unwrap(), self.path("log"))
    }

    /// The log of all daemons of this site.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Runs a command until it ends. Its output is also appended to the file `output`.
    pub async fn run(&self, arguments: &[&str]) -> CommandOutput {
        self.run_with_input(arguments, None).await
    }

    /// Runs a command until the condition `so` holds, then sends it SIGINT (Ctrl-C).
    pub async fn interrupt(&self, arguments: &[&str], so: impl FnMut() -> bool) -> CommandOutput {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until("the moment of the interrupt", so).await;
        let pid = child.id().expect("the command still runs").to_string();
        assert!(Command::new("kill").args(["-s", "INT", &pid]).status().await.unwrap().success());
        let output = timeout(WAIT_LIMIT, child.wait_with_output()).await.expect("Ctrl-C ends the command").unwrap();
        CommandOutput {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command on the terminal `device`, as a login shell would.
    pub fn on_terminal(&self, arguments: &[&str], device: &Path) -> Child {
        let mut command = self.command_under(&["setsid", "--ctty"], arguments, self.folder.path());
        let terminal = || OpenOptions::new().read(true).write(true).open(device).unwrap();
        command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        command.stdin(terminal()).stdout(terminal()).stderr(terminal()).spawn().unwrap()
    }

    /// Runs a command with these variables in its environment.
    pub async fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> CommandOutput {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        CommandOutput::of(command).await
    }

    pub async fn run_with_input(&self, arguments: &[&str], input: Option<File>) -> CommandOutput {
        let mut command = self.command(arguments);
        if let Some(input) = input {
            command.stdin(input);
        }
        let output = CommandOutput::of(command).await;
        let mut kept = OpenOptions::new().create(true).append(true).open(self.path("output")).unwrap();
        write!(kept, "{}{}", output.out, output.err).unwrap();
        output
    }

    /// Runs a command under another program (strace), in a folder with its own configuration.
    pub async fn run_under(&self, under: &[&str], arguments: &[&str], folder: &Path) -> CommandOutput {
        CommandOutput::of(self.command_under(under, arguments, folder)).await
    }

    /// Waits until the daemon's status is as wanted, and returns it as `status --json` prints it.
    ///
    /// The waiting asks the control socket itself: a program started for each look would take most of the processors.
    pub async fn status_when(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + WAIT_LIMIT;
        loop {
            let mut seen = self.document().await.unwrap_or_default();
            if wanted(&seen) {
                let output = self.run(&["status", "--json"]).await;
                seen = serde_json::from_str(&output.out).unwrap_or_default();
                if output.code < 2 && wanted(&seen) {
                    assert_eq!(output.code, i32::from(seen["well"] != true), "the exit code agrees with `well`");
                    return seen;
                }
            }
            assert!(Instant::now() < end, "not within {WAIT_LIMIT:?}: {what}\n{seen:#}");
            sleep(CHECK_INTERVAL).await;
        }
    }

    /// The status document of the control socket, if a daemon answers there.
    pub async fn document(&self) -> Option<Value> {
        self.document_at("control.sock").await
    }

    /// The status document of the control socket with this name.
    pub async fn document_at(&self, socket: &str) -> Option<Value> {
        let ask = async {
            let mut stream = UnixStream::connect(self.path(socket)).await.ok()?;
            let request = b"GET /status.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
        };
        timeout(TIMEOUT * 10, ask).await.ok()?
    }

    /// Waits until these meters are `ok` and have a published energy.
    pub async fn all_ok(&self, meters: &[&str]) -> Value {
        let well = |meter: &Value| meter["state"] == "ok" && meter["published_mwh"].is_u64();
        let ok = |document: &Value| meters.iter().all(|meter| well(&document["meters"][meter]));
        self.status_when(&format!("{meters:?} are ok"), ok).await
    }
}

impl Drop for Site {
    #[allow(clippy::print_stderr, reason = "a failing test prints the daemon's log")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let start = log.char_indices().rev().nth(12_000).map_or(0, |(at, _)| at);
            eprintln!("--- the daemon's log\n{}\n---", &log[start..]);
        }
    }
}

/// The exit code and output of a command.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl CommandOutput {
    async fn of(mut command: Command) -> Self {
        let output =
            timeout(COMMAND_LIMIT, command.output()).await.expect("the command ends within its limit").unwrap();
        CommandOutput {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts this exit code, and that standard error contains each of these texts.
    pub fn complains(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing: {self:?}");
        }
    }
}

/// A running daemon; killed when dropped.
#[derive(Debug)]
pub struct Daemon(Child, PathBuf);

impl Daemon {
    pub async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &pid]).status().await.unwrap();
        assert!(sent.success());
    }

    pub fn pid(&self) -> u32 {
        self.0.id().expect("the daemon still runs")
    }

    /// SIGKILL, as in a power cut.
    pub async fn kill(mut self) {
        self.0.kill().await.unwrap();
    }

    /// Sends SIGTERM, as systemd does. The exit code must be 0, and the log's timestamps must show a stop within 5 s: a loaded machine may
    /// deliver the signal late.
    pub async fn stop(mut self) {
        self.signal("TERM").await;
        let status = timeout(WAIT_LIMIT, self.0.wait()).await.expect("the daemon stops").unwrap();
        assert_eq!(status.code(), Some(0), "{status}");
        let log = fs::read_to_string(&self.1).unwrap();
        let last = |word: &str| {
            let line = log.lines().rfind(|line| line.ends_with(word)).expect(word);
            line.split(' ').next().unwrap().parse::<jiff::Timestamp>().unwrap()
        };
        let took = last(" INFO stopped").duration_since(last(" INFO stopping"));
        assert!(took <= jiff::SignedDuration::from_secs(5), "{took:?} after SIGTERM");
    }

    /// Waits until the daemon ends by itself.
    pub async fn end(mut self) -> ExitStatus {
        timeout(WAIT_LIMIT, self.0.wait()).await.expect("the daemon ends").unwrap()
    }

    pub fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

/// Waits until `look` returns a value.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + WAIT_LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {WAIT_LIMIT:?}: {what}");
        sleep(CHECK_INTERVAL).await;
    }
}

/// Waits until the condition holds.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    eventually(what, || so().then_some(())).await;
}

/// Waits for this number of further calls.
pub async fn more_calls(arkreen: &Arkreen, more: usize) {
    let now = arkreen.calls().len();
    until("more calls", || arkreen.calls().len() >= now + more).await;
}

/// Waits until each of these meters received this number of further requests.
pub async fn more_requests(units: &[&SimulatedUnit], more: u64) {
    let now: Vec<_> = units.iter().map(|unit| unit.requests()).collect();
    until("more requests", || units.iter().zip(&now).all(|(unit, now)| unit.requests() >= now + more)).await;
}
