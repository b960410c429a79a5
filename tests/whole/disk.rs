//! Disks that are slow, or do not keep what they were told to: a library that is loaded before the program.

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::process::Command;

/// How long a flush takes at most on the slow one, in milliseconds.
const SLOW: &str = "250";

/// The library, compiled: the C compiler is there, as the program itself needs it.
pub struct Disk {
    library: String,
    _folder: TempDir,
}

impl Disk {
    pub async fn compile() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library: PathBuf = folder.path().join("disk.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/disk/disk.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-o"]).arg(&library).args([source, "-ldl"]);
        let output = cc.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Disk { library: library.to_str().unwrap().to_owned(), _folder: folder }
    }

    /// Variables under which each flush takes some time.
    pub fn slow(&self) -> Vec<(&str, &str)> {
        vec![("LD_PRELOAD", &self.library), ("DISK_SLOW_MS", SLOW)]
    }

    /// Variables under which nothing is flushed, whatever the program says.
    pub fn without_flush(&self) -> Vec<(&str, &str)> {
        vec![("LD_PRELOAD", &self.library), ("DISK_NO_FLUSH", "1")]
    }
}
