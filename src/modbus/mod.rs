//! Links to meters (serial, TCP, RTU over TCP) and a client that returns one verified answer per request, or an error.
//!
//! # The path of a frame
//!
//! 1. [`Line`] owns the link. It opens it, waits until a request may be sent, and counts what happens.
//! 2. A `ReadRequest` for one unit goes to the open `Connection`, which encodes it with tokio-modbus.
//! 3. tokio-modbus writes to the `VerifiedTransport` instead of the socket or serial port.
//! 4. The transport gives each received byte to the [`FrameDecoder`] (`RtuDecoder` or `TcpDecoder`).
//! 5. The decoder returns one frame: the whole answer to the current request. tokio-modbus decodes it, and the `Connection`
//!    returns its registers.
//!
//! # Why the transport verifies each frame first
//!
//! tokio-modbus 0.17 alone can return wrong values. On RTU, after one timeout, every later read returned the registers of
//! the previous request as `Ok`, because nothing but unit and function was compared. An answer with another number of registers
//! was accepted as well. On TCP every later read failed, because a late answer's transaction id was an error.
//! RTU frames have no transaction id. Therefore the transport passes only a frame whose unit, function, length and checksum (on
//! TCP: transaction id) fit the current request, and a request is sent on RTU only after the line has been silent.
//! Late answers, echoes, noise and frames of other units never reach the client.
//!
//! # Devices that bend the standard
//!
//! Nothing beside the standard is accepted because it looks right. `tolerance` (on RTU: `noise`) holds what the other end of a connection
//! has proven to do: each decoder gives it the frames that fit the request, and it says which of them is the answer. [`Line`] repeats a
//! request whose answer is not proven yet. A rule for one kind of device belongs into `tolerance`.

mod answer_timer;
mod connect;
mod connection;
mod decoder;
mod error;
mod lent;
mod line;
#[cfg(test)]
pub(crate) mod memory;
mod noise;
mod outcome;
mod request;
mod rtu;
mod settings;
mod stream;
mod tcp;
#[cfg(test)]
mod tests;
mod timer;
mod timing;
mod tolerance;
mod transport;

pub use decoder::FrameDecoder;
pub use error::{Error, Garbled, Hint, UnexpectedFrame};
pub use lent::{LentAnswer, LentExchange, LentLine, LentRequest, NotLent};
pub use line::{Line, LineCounts};
pub use request::IdentityRequest;
pub(crate) use rtu::crc;
pub use settings::{Link, LinkSettings, SerialSettings};
pub(crate) use timing::{character_time, frame_gap};
