//! A recording on disk: limited in size, complete lines only, and never the cause of a full disk.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Recorder, Recording, TooManyRecordings, TraceWriter};
use crate::clock::Clock;
use crate::files::{self, FileError};

/// The maximum size of a recording, in bytes: weeks of a few meters.
pub const MOST_BYTES: u64 = 64 << 20;
/// The bytes that a recording frees if it has filled the disk, so that others can write.
const FREED_BYTES: u64 = 1 << 20;
/// The maximum length of the first line.
const MAX_FIRST_LINE: u64 = 1024;

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be created or written.
    #[error("the recording {} cannot be written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: FileError,
    },
    /// The file exists and no recording can be appended to it.
    #[error(
        "{} exists and cannot be continued: it is no recording, or the length of the interruption is unknown. Choose another name, or move \
         it away",
        .0.display()
    )]
    Foreign(PathBuf),
    /// Too many recordings run.
    #[error(transparent)]
    TooMany(#[from] TooManyRecordings),
}

/// A file that grows by complete lines up to a limit.
#[derive(Debug)]
pub struct BoundedFile {
    file: File,
    written: u64,
    most: u64,
    /// The last two line starts that are at least [`FREED_BYTES`] apart.
    marks: [u64; 2],
}

/// Why a recording ends.
#[derive(Debug, thiserror::Error)]
pub enum RecordingEnd {
    /// It has its maximum size, in bytes.
    #[error("it has reached {} MiB", .0 >> 20)]
    Full(u64),
    /// The disk has no room.
    #[error("the disk is full: the end of the recording was removed, so that others can write")]
    DiskFull,
    /// It could not be written for another reason.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl BoundedFile {
    /// Creates a file of at most `most` bytes, readable by its owner only.
    ///
    /// # Errors
    /// The file exists or cannot be created.
    pub fn create(path: &Path, most: u64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(BoundedFile { file, written: 0, most, marks: [0, 0] })
    }

    /// Adds lines, all of them or none.
    ///
    /// # Errors
    /// The file is full or cannot be written.
    pub fn add(&mut self, lines: &[u8]) -> Result<(), RecordingEnd> {
        let length = self.written + lines.len() as u64;
        if length > self.most {
            return Err(RecordingEnd::Full(self.most));
        }
        if let Err(error) = self.file.write_all(lines) {
            let full = {
                use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
                matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
            };
            let _ = self.file.set_len(if full { self.marks[0] } else { self.written });
            return Err(if full { RecordingEnd::DiskFull } else { error.into() });
        }
        self.written = length;
        if self.written - self.marks[1] >= FREED_BYTES {
            self.marks = [self.marks[1], self.written];
        }
        Ok(())
    }

    /// Continues a file of an earlier run; an incomplete last line is cut off.
    fn resume(mut file: File, most: u64) -> io::Result<Self> {
        let written = complete_length(&mut file)?;
        file.set_len(written)?;
        file.seek(SeekFrom::Start(written))?;
        Ok(BoundedFile { file, written, most, marks: [written, written] })
    }
}

fn first_line(file: &File) -> io::Result<String> {
    let mut first = Vec::new();
    BufReader::new(file).take(MAX_FIRST_LINE).read_until(b'\n', &mut first)?;
    Ok(String::from_utf8(first).unwrap_or_default())
}

/// The length of a file up to the end of its last complete line.
fn complete_length(file: &mut File) -> io::Result<u64> {
    const MAX_LINE: u64 = 64 * 1024;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(MAX_LINE);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    Read::take(&mut *file, MAX_LINE).read_to_end(&mut tail)?;
    let end = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline as u64 + 1);
    Ok(start + end)
}

/// Records everything to this file on a thread of its own until the recorder is closed or its last clone is dropped. A recording of an
/// earlier run is continued.
///
/// # Errors
/// The file cannot be written or is no recording, or too many recordings run.
pub fn record_to(path: &Path, recorder: &Recorder, clock: &Clock) -> Result<std::thread::JoinHandle<()>, RecordError> {
    let unusable = |source| RecordError::File { path: path.to_owned(), source };
    let failed = |error: io::Error| unusable(error.into());
    let recording = recorder.listen(None)?;
    let (mut file, lines, first) = match BoundedFile::create(path, MOST_BYTES) {
        Ok(file) => {
            let (lines, first) = TraceWriter::begin(recording.began);
            (file, lines, first)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = files::open_own(path, false).map_err(unusable)?;
            let first = first_line(&found).map_err(failed)?;
            let resumed = TraceWriter::resume(&first, clock.now());
            let (lines, line) = resumed.ok_or_else(|| RecordError::Foreign(path.to_owned()))?;
            (BoundedFile::resume(found, MOST_BYTES).map_err(failed)?, lines, line)
        }
        Err(error) => return Err(failed(error)),
    };
    let shown = path.display().to_string();
    let _ = file.add(first.as_bytes());
    tracing::warn!(file = shown, "all readings are recorded");
    let write = move || write(recording, file, lines, &shown);
    std::thread::Builder::new().name("recording".into()).spawn(write).map_err(failed)
}

fn write(mut recording: Recording, mut file: BoundedFile, mut lines: TraceWriter, shown: &str) {
    while let Some((event, lost)) = recording.blocking_next() {
        if let Err(why) = file.add(lines.write(&event, lost).as_bytes()) {
            tracing::warn!(file = shown, "the recording has ended: {why}");
            return;
        }
    }
}
