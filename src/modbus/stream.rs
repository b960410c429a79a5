//! A link's bytes, serial or TCP, behind one type.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_serial::SerialStream;

#[derive(Debug)]
pub(super) enum Stream {
    Serial(SerialStream),
    Tcp(TcpStream),
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
}

impl Stream {
    /// Reads what was received. [`io::ErrorKind::WouldBlock`] where nothing was; 0 where the other end is gone.
    ///
    /// A socket returns only what the runtime has noticed: yield to it before.
    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Serial(serial) => serial.try_read(buffer),
            Stream::Tcp(tcp) => tcp.try_read(buffer),
            #[cfg(test)]
            Stream::Memory(memory) => {
                let mut buffer = ReadBuf::new(buffer);
                let mut no_waker = Context::from_waker(std::task::Waker::noop());
                match Pin::new(memory).poll_read(&mut no_waker, &mut buffer) {
                    Poll::Ready(read) => read.map(|()| buffer.filled().len()),
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Serial(serial) => Pin::new(serial).poll_read(cx, buffer),
            Stream::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            #[cfg(test)]
            Stream::Memory(memory) => Pin::new(memory).poll_read(cx, buffer),
        }
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Serial(serial) => Pin::new(serial).poll_write(cx, bytes),
            Stream::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            #[cfg(test)]
            Stream::Memory(memory) => Pin::new(memory).poll_write(cx, bytes),
        }
    }
}
