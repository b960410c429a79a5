//! Slow and faulty disks: a library that is loaded before the program (LD_PRELOAD).

use tempfile::TempDir;
use tokio::process::Command;

/// The longest flush of the slow disk, in milliseconds.
const SLOW: &str = "250";

/// The compiled library. A C compiler is available, because the program itself needs one.
pub struct Disk {
    library: String,
    _folder: TempDir,
}

/// Compiles a library to be loaded before the program and returns its path.
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

    /// Variables that make each flush slow.
    pub fn slow(&self) -> Vec<(&str, &str)> {
        vec![("LD_PRELOAD", &self.library), ("DISK_SLOW_MS", SLOW)]
    }

    /// Variables that make every flush do nothing.
    pub fn without_flush(&self) -> Vec<(&str, &str)> {
        vec![("LD_PRELOAD", &self.library), ("DISK_NO_FLUSH", "1")]
    }

    /// Variables that make this sector of the file with this inode unreadable.
    pub fn with_bad_sector<'a>(&'a self, inode: &'a str, sector: &'a str) -> [(&'a str, &'a str); 3] {
        [("LD_PRELOAD", &self.library), ("DISK_BAD_INODE", inode), ("DISK_BAD_SECTOR", sector)]
    }

    /// Variables that make every flush wait while this file exists.
    pub fn hanging_while<'a>(&'a self, file: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![("LD_PRELOAD", &self.library), ("DISK_HANGS", file)]
    }
}
