//! The sections from other programs: journalctl, systemctl, df. Each has a time limit, and none needs to be installed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::MAX_SECTION;

/// Maximum run time of one program.
const MAX_TIME: Duration = Duration::from_secs(20);
/// Maximum lines of the log.
const LOG_LINES: &str = "3000";
/// The properties of the service that show why it runs or does not.
const PROPERTIES: &str = "--property=LoadState,UnitFileState,ActiveState,SubState,StatusText,Result,NRestarts,ExecMainStartTimestamp,\
     ExecMainCode,ExecMainStatus,MemoryCurrent,MemoryPeak,FragmentPath,DropInPaths,NeedDaemonReload";

/// The log of the daemon, newest line first, so that the oldest lines are cut off.
pub(super) async fn log() -> String {
    let arguments = ["--unit=arkmeter", "--lines", LOG_LINES, "--reverse", "--no-pager", "--output=short-iso-precise"];
    output_of("journalctl", &arguments).await
}

pub(super) async fn unit() -> String {
    output_of("systemctl", &["show", "arkmeter", "--no-pager", PROPERTIES]).await
}

/// How full the disks are: blocks, and then inodes.
pub(super) async fn disks(state: &Path) -> String {
    let state = state.to_string_lossy();
    format!(
        "{}\n{}",
        output_of("df", &["-P", "-k", "/", &state]).await,
        output_of("df", &["-P", "-i", "/", &state]).await
    )
}

/// The standard output of the program, or why there is none.
async fn output_of(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.kill_on_drop(true).spawn() {
        Ok(child) => child,
        Err(error) => return format!("not available: {program} cannot be run ({error})"),
    };
    let mut bytes = Vec::new();
    let read = async {
        if let Some(out) = child.stdout.take() {
            // The output before an error is still useful.
            let _ = out.take(MAX_SECTION as u64 + 1).read_to_end(&mut bytes).await;
        }
        child.wait().await
    };
    let ended = timeout(MAX_TIME, read).await;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    match ended {
        Err(_) => text.push_str(&format!("({program} did not end within {} s)", MAX_TIME.as_secs())),
        Ok(Ok(status)) if !status.success() && bytes.len() <= MAX_SECTION => {
            text.push_str(&format!("({program} ended with {status})"));
        }
        Ok(_) => {}
    }
    text
}

#[cfg(test)]
mod tests;
