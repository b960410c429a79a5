//! Clocks that a test can shift while the program runs: a library that is loaded before it (LD_PRELOAD).

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;

use tempfile::TempDir;

use crate::disk::library;

/// The seconds that each clock is ahead of the true one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shifts {
    /// The clock of timers (CLOCK_MONOTONIC), which stops during suspend.
    pub timers: i64,
    /// The time since boot (CLOCK_BOOTTIME).
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
    /// Clocks without a shift. A C compiler is available, because the program itself needs one.
    pub async fn right() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = library(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clock/clock.c"), &folder).await;
        let path = folder.path().join("shifts");
        fs::write(&path, [0; 24]).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        Clocks { library, shifts: path.to_str().unwrap().to_owned(), file, _folder: folder }
    }

    /// Variables that give a program these clocks.
    pub fn variables(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", &self.library), ("CLOCK_SHIFTS", &self.shifts)]
    }

    /// Shifts all clocks at once.
    pub fn shift(&self, to: Shifts) {
        let bytes: Vec<_> = [to.timers, to.boot, to.wall].iter().flat_map(|seconds| seconds.to_ne_bytes()).collect();
        self.file.write_all_at(&bytes, 0).unwrap();
    }
}
