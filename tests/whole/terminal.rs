//! A person at a terminal: a pseudo-terminal on which a command runs, what it shows, and what is typed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_serial::{SerialPort, SerialStream};

use crate::harness::{Site, WAIT_LIMIT};

/// Ctrl-C, as the terminal sends it.
pub const CTRL_C: &str = "\u{3}";
/// Written to the terminal after the command.
const END: &str = "# the command ended #";

/// A terminal of 80 columns with a command on it.
pub struct Terminal {
    master: SerialStream,
    /// Keeps the device open between two programs.
    device: SerialStream,
    path: PathBuf,
    child: Child,
    /// Everything that was shown, without control sequences.
    shown: String,
    /// What was shown before this position was waited for already.
    seen: usize,
    /// The beginning of a control sequence.
    pending: Vec<u8>,
}

impl Terminal {
    /// Starts a command of this site.
    pub fn start(site: &Site, arguments: &[&str]) -> Self {
        let (master, device) = SerialStream::pair().unwrap();
        let path = PathBuf::from(device.name().unwrap());
        stty(&path, &["sane", "cols", "80", "rows", "40"]);
        let child = site.on_terminal(arguments, &path);
        Terminal { master, device, path, child, shown: String::new(), seen: 0, pending: Vec::new() }
    }

    /// Waits until it shows these words, after the last ones that were waited for.
    pub async fn shows(&mut self, words: &str) {
        let waited = timeout(WAIT_LIMIT, async {
            loop {
                if let Some(at) = self.shown[self.seen..].find(words) {
                    self.seen += at + words.len();
                    return;
                }
                let mut chunk = [0; 1024];
                let count = self.master.read(&mut chunk).await.unwrap();
                self.take(&chunk[..count]);
            }
        });
        assert!(waited.await.is_ok(), "not shown: {words:?}\n{}", self.shown);
    }

    /// Types this text without Enter.
    pub async fn keys(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).await.unwrap();
    }

    /// Types an answer and Enter.
    pub async fn types(&mut self, text: &str) {
        self.keys(&format!("{text}\r")).await;
    }

    /// Waits for these words of a question, and answers it.
    pub async fn answers(&mut self, question: &str, answer: &str) {
        self.shows(question).await;
        self.types(answer).await;
    }

    /// Changes the size of the window.
    pub fn resize(&self, columns: u16) {
        stty(&self.path, &["cols", &columns.to_string()]);
    }

    /// Resizes the window, so that a full-screen command draws everything again, until it shows these words. Blanks do not count: such a
    /// command moves the cursor over them.
    pub async fn draws(&mut self, words: &str) {
        let words: String = words.split_whitespace().collect();
        let end = Instant::now() + WAIT_LIMIT;
        for columns in (70..80).cycle() {
            self.seen = self.shown.len();
            self.resize(columns);
            let pause = Instant::now() + Duration::from_millis(500);
            let mut chunk = [0; 1024];
            while let Ok(count) = timeout_at(pause, self.master.read(&mut chunk)).await {
                self.take(&chunk[..count.unwrap()]);
            }
            let drawn: String = self.shown[self.seen..].split_whitespace().collect();
            if drawn.contains(&words) {
                return;
            }
            assert!(Instant::now() < end, "not drawn: {words:?}\n{}", self.shown);
        }
    }

    /// Sends a signal to the command.
    pub fn kill(&self, signal: &str) {
        let pid = self.child.id().expect("the command still runs").to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// Whether the terminal echoes what is typed and edits lines, as a shell expects it.
    pub fn is_restored(&self) -> bool {
        let modes = Command::new("stty").arg("-F").arg(&self.path).arg("-a").output().unwrap().stdout;
        let modes = String::from_utf8(modes).unwrap();
        let set = |mode: &str| modes.split_whitespace().any(|word| word.trim_end_matches(';') == mode);
        set("icanon") && set("echo")
    }

    /// Waits for the end of the command, with this exit code and the terminal as it was.
    pub async fn ends_restored(mut self, code: i32) {
        assert_eq!(self.ended().await, Some(code), "{}", self.shown);
        assert!(self.is_restored(), "{}", self.shown);
    }

    /// Waits for the end of the command. Returns its exit code and everything that it showed.
    pub async fn end(mut self) -> (Option<i32>, String) {
        let code = self.ended().await;
        // What it showed last may still be on its way: this comes after it.
        self.device.write_all(END.as_bytes()).await.unwrap();
        self.shows(END).await;
        self.shown.truncate(self.seen - END.len());
        (code, self.shown)
    }

    /// The exit code of the command, once it has ended.
    async fn ended(&mut self) -> Option<i32> {
        let ended = timeout(WAIT_LIMIT, async {
            let mut chunk = [0; 1024];
            loop {
                tokio::select! {
                    count = self.master.read(&mut chunk) => {
                        let count = count.unwrap();
                        self.take(&chunk[..count]);
                    }
                    status = self.child.wait() => return status.unwrap().code(),
                }
            }
        });
        let Ok(code) = ended.await else { panic!("the command does not end\n{}", self.shown) };
        code
    }

    /// Adds what was shown, without the sequences that move the cursor or set colours.
    fn take(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        let mut rest = std::mem::take(&mut self.pending);
        while !rest.is_empty() {
            match rest.iter().position(|byte| *byte == 0x1B) {
                Some(0) => match rest.iter().skip(2).position(|byte| (0x40..=0x7E).contains(byte)) {
                    Some(length) if rest.get(1) == Some(&b'[') => drop(rest.drain(..length + 3)),
                    None if rest.len() < 2 || rest[1] == b'[' => break,
                    _ => drop(rest.drain(..2)),
                },
                Some(end) => self.shown.push_str(&String::from_utf8_lossy(&rest.drain(..end).collect::<Vec<_>>())),
                None => self.shown.push_str(&String::from_utf8_lossy(&std::mem::take(&mut rest))),
            }
        }
        self.pending = rest;
    }
}

fn stty(path: &Path, arguments: &[&str]) {
    assert!(Command::new("stty").arg("-F").arg(path).args(arguments).status().unwrap().success());
}
