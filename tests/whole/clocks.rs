//! Clocks that a test can move under the running program: a library that is loaded before it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;

use tempfile::TempDir;

use crate::disk::library;

/// By how many seconds each clock is ahead of the true one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shifts {
    /// The clock that timers go by: it stands while a box sleeps.
    pub timers: i64,
    /// The clock of the boot.
    pub boot: i64,
    pub wall: i64,
}

/// The clocks of one program.
pub struct Clocks {
    library: String,
    shifts: String,
    file: File,
    _folder: TempDir,
}

impl Clocks {
    /// All of them right. The C compiler is there, as the program itself needs it.
    pub async fn right() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = library(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clock/clock.c"), &folder).await;
        let path = folder.path().join("shifts");
        fs::write(&path, [0; 24]).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        Clocks { library, shifts: path.to_str().unwrap().to_owned(), file, _folder: folder }
    }

    /// Variables under which a program has these clocks.
    pub fn variables(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", &self.library), ("CLOCK_SHIFTS", &self.shifts)]
    }

    /// Moves them, all at once.
    pub fn shift(&self, to: Shifts) {
        let bytes: Vec<_> = [to.timers, to.boot, to.wall].iter().flat_map(|seconds| seconds.to_ne_bytes()).collect();
        self.file.write_all_at(&bytes, 0).unwrap();
    }
}
