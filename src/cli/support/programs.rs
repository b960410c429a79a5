//! What other programs of the box know: the journal, systemd, the disks. Each is asked within bounds, and none needs to be there.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::LARGEST_SECTION;

/// How long one of them may take.
const WITHIN: Duration = Duration::from_secs(20);
/// Lines of the log.
const LOG_LINES: &str = "3000";
/// What of the unit's state says why it runs or does not.
const PROPERTIES: &str = "--property=LoadState,UnitFileState,ActiveState,SubState,StatusText,Result,NRestarts,ExecMainStartTimestamp,\
     ExecMainCode,ExecMainStatus,MemoryCurrent,MemoryPeak,FragmentPath,DropInPaths,NeedDaemonReload";

/// The daemon's log, newest first: what does not fit is the oldest.
pub(super) async fn log() -> String {
    let arguments = ["--unit=arkmeter", "--lines", LOG_LINES, "--reverse", "--no-pager", "--output=short-iso-precise"];
    said("journalctl", &arguments).await
}

pub(super) async fn unit() -> String {
    said("systemctl", &["show", "arkmeter", "--no-pager", PROPERTIES]).await
}

/// How full the disks are: blocks, and then inodes.
pub(super) async fn disks(state: &Path) -> String {
    let state = state.to_string_lossy();
    format!("{}\n{}", said("df", &["-P", "-k", "/", &state]).await, said("df", &["-P", "-i", "/", &state]).await)
}

/// The program's standard output, or why there is none.
async fn said(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.kill_on_drop(true).spawn() {
        Ok(child) => child,
        Err(error) => return format!("not to be had: {program} cannot be run ({error})"),
    };
    let mut bytes = Vec::new();
    let read = async {
        if let Some(out) = child.stdout.take() {
            // What came before an error is shown all the same.
            let _ = out.take(LARGEST_SECTION as u64 + 1).read_to_end(&mut bytes).await;
        }
        child.wait().await
    };
    let ended = timeout(WITHIN, read).await;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    match ended {
        Err(_) => text.push_str(&format!("({program} did not end within {} s)", WITHIN.as_secs())),
        Ok(Ok(status)) if !status.success() && bytes.len() <= LARGEST_SECTION => {
            text.push_str(&format!("({program} ended with {status})"));
        }
        Ok(_) => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_is_not_there_fails_or_never_ends_talking_is_told() {
        assert!(said("/nowhere/journalctl", &[]).await.starts_with("not to be had: /nowhere/journalctl cannot be run"));
        assert_eq!(said("sh", &["-c", "echo so; exit 3"]).await, "so\n(sh ended with exit status: 3)");
        assert_eq!(said("yes", &[]).await.len(), LARGEST_SECTION + 1);
    }
}
