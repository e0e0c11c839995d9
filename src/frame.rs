//! The bytes of a frame: this folder defines all bytes on the wire. It has no buffer and no I/O.
//!
//! | field | size | meaning |
//! |---|---|---|
//! | message length | 4 | size of the packet: see [`LengthRule`] |
//! | data length | 4 | size of the payload in bytes |
//! | payload | n | the data |
//! | CRC-32 | 4 | CRC-32/ISO-HDLC of the payload alone; 0 when the sender computes none |

mod checksum;
mod dialect;
mod error;
mod format;
mod wire;

pub use self::{
    checksum::{ReceiveChecksum, SendChecksum},
    dialect::{ByteOrder, Dialect, LengthRule},
    error::FrameError,
    format::FrameFormat,
};
pub(crate) use self::{
    error::{Suggestion, TooLarge},
    wire::{Header, OVERHEAD, Trailer},
};
