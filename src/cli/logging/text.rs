//! The log as text on standard error, in lines that wait for a thread.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::writer_thread::WriterThread;

/// The pause before a stream that another process has made non-blocking, and that is full, is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// The lines that wait for the thread.
pub(super) struct QueuedLines(pub(super) WriterThread<Vec<u8>>);

/// Starts the thread that writes lines to standard error.
pub(super) fn start() -> io::Result<WriterThread<Vec<u8>>> {
    // A copy, because the lock of `io::stderr` would be held while a write blocks.
    let mut stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    WriterThread::start("log", super::DEPTH, move |line: Vec<u8>| write_all(&mut stderr, &line), super::drained)
}

/// On a terminal with colours and without the time, elsewhere with the time.
pub(super) fn layer<S, W>(writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer).with_target(false);
    if io::stderr().is_terminal() {
        layer.with_ansi(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())).without_time().boxed()
    } else {
        layer.with_ansi(false).boxed()
    }
}

/// Writes the whole line. Standard error may have been made non-blocking by another process that shares it.
fn write_all(stream: &mut impl Write, mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        match stream.write(line) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => line = &line[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(RETRY_AFTER),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl<'a> MakeWriter<'a> for QueuedLines {
    type Writer = &'a QueuedLines;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// The formatter writes each event at once.
impl Write for &QueuedLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes two bytes at a time, and refuses every other call.
    struct NonBlocking(Vec<u8>, usize);

    impl Write for NonBlocking {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            let refused = [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted];
            if self.1 % 2 == 1 {
                return Err(refused[self.1 / 2 % 2].into());
            }
            let taken = bytes.len().min(2);
            self.0.extend(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_written_whole_to_a_stream_that_does_not_block() {
        let mut stream = NonBlocking(Vec::new(), 0);
        write_all(&mut stream, b"a line\n").unwrap();
        assert_eq!(stream.0, b"a line\n");
    }
}
