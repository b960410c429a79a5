//! Disks that are slow, or do not keep what they were told to: a library that is loaded before the program.

use tempfile::TempDir;
use tokio::process::Command;

/// How long a flush takes at most on the slow one, in milliseconds.
const SLOW: &str = "250";

/// The library, compiled: the C compiler is there, as the program itself needs it.
pub struct Disk {
    library: String,
    _folder: TempDir,
}

/// Compiles a library that is to be loaded before the program; gives its path.
pub async fn library(source: &str, folder: &TempDir) -> String {
    let library = folder.path().join("library.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&library).args([source, "-ldl"]);
    let output = cc.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library.to_str().unwrap().to_owned()
}

impl Disk {
    pub async fn compile() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = library(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/disk/disk.c"), &folder).await;
        Disk { library, _folder: folder }
    }

    /// Variables under which each flush takes some time.
    pub fn slow(&self) -> Vec<(&str, &str)> {
        vec![("LD_PRELOAD", &self.library), ("DISK_SLOW_MS", SLOW)]
    }

    /// Variables under which nothing is flushed, whatever the program says.
    pub fn without_flush(&self) -> Vec<(&str, &str)> {
        vec![("LD_PRELOAD", &self.library), ("DISK_NO_FLUSH", "1")]
    }

    /// Variables under which no flush returns while this file is there.
    pub fn hanging_while<'a>(&'a self, file: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![("LD_PRELOAD", &self.library), ("DISK_HANGS", file)]
    }
}
