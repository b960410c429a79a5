//! A recording on the disk: bounded in size, whole lines only, and never the reason for a full disk.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Lines, Recorder, Recording, TooMany};
use crate::clock::Clock;

/// A recording grows to this: weeks of a few meters.
pub const MOST_BYTES: u64 = 64 << 20;
/// What a recording gives back where it has filled the disk: others need room to write their last.
const GIVEN_BACK: u64 = 1 << 20;
/// A first line is not longer than this.
const LONGEST_FIRST: u64 = 1024;

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("the recording {} cannot be written", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{} is there and is no recording that can go on (nothing tells how long it was interrupted, or it is another file): give another \
         name, or move it away",
        .0.display()
    )]
    Foreign(PathBuf),
    #[error(transparent)]
    TooMany(#[from] TooMany),
}

/// A file that grows by whole lines up to a bound.
#[derive(Debug)]
pub struct BoundedFile {
    file: File,
    written: u64,
    most: u64,
    /// Where lines began, about every [`GIVEN_BACK`] bytes: the last two places.
    marks: [u64; 2],
}

/// Why a recording ends.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("it has grown to {} MiB", .0 >> 20)]
    Full(u64),
    #[error("the disk is full: it was cut to leave room for others")]
    DiskFull,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl BoundedFile {
    /// A new file, readable by its owner only.
    pub fn create(path: &Path, most: u64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(BoundedFile { file, written: 0, most, marks: [0, 0] })
    }

    /// Adds lines, all of them or none.
    pub fn add(&mut self, lines: &[u8]) -> Result<(), Ended> {
        let length = self.written + lines.len() as u64;
        if length > self.most {
            return Err(Ended::Full(self.most));
        }
        if let Err(error) = self.file.write_all(lines) {
            let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            let _ = self.file.set_len(if full { self.marks[0] } else { self.written });
            return Err(if full { Ended::DiskFull } else { error.into() });
        }
        self.written = length;
        if self.written - self.marks[1] >= GIVEN_BACK {
            self.marks = [self.marks[1], self.written];
        }
        Ok(())
    }

    /// A file that an earlier run has left; a last line that is not whole is cut off.
    fn take_up(mut file: File, most: u64) -> io::Result<Self> {
        let written = whole_lines(&mut file)?;
        file.set_len(written)?;
        file.seek(SeekFrom::Start(written))?;
        Ok(BoundedFile { file, written, most, marks: [written, written] })
    }
}

fn first_line(file: &File) -> io::Result<String> {
    let mut first = Vec::new();
    BufReader::new(file).take(LONGEST_FIRST).read_until(b'\n', &mut first)?;
    Ok(String::from_utf8(first).unwrap_or_default())
}

/// How far a file reaches up to the end of its last whole line.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    const LONGEST_LINE: u64 = 64 * 1024;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(LONGEST_LINE);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    Read::take(&mut *file, LONGEST_LINE).read_to_end(&mut tail)?;
    let end = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline as u64 + 1);
    Ok(start + end)
}

/// Records everything to this file on a thread of its own until nobody can say anything more: the recorder's last clone is dropped.
///
/// A recording that an earlier run has left goes on.
pub fn record_to(path: &Path, recorder: &Recorder, clock: &Clock) -> Result<std::thread::JoinHandle<()>, RecordError> {
    let failed = |source| RecordError::File { path: path.to_owned(), source };
    let recording = recorder.listen(None)?;
    let (mut file, lines, first) = match BoundedFile::create(path, MOST_BYTES) {
        Ok(file) => {
            let (lines, first) = Lines::begin(recording.began);
            (file, lines, first)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
            let first = first_line(&found).map_err(failed)?;
            let goes_on = Lines::go_on(&first, clock.now());
            let (lines, line) = goes_on.ok_or_else(|| RecordError::Foreign(path.to_owned()))?;
            (BoundedFile::take_up(found, MOST_BYTES).map_err(failed)?, lines, line)
        }
        Err(error) => return Err(failed(error)),
    };
    let shown = path.display().to_string();
    let _ = file.add(first.as_bytes());
    tracing::warn!(file = shown, "everything that the meters say is recorded");
    let write = move || write(recording, file, lines, &shown);
    std::thread::Builder::new().name("recording".into()).spawn(write).map_err(failed)
}

fn write(mut recording: Recording, mut file: BoundedFile, mut lines: Lines, shown: &str) {
    while let Some((said, lost)) = recording.blocking_next() {
        if let Err(why) = file.add(lines.write(&said, lost).as_bytes()) {
            tracing::warn!(file = shown, "the recording ends here: {why}");
            return;
        }
    }
}
