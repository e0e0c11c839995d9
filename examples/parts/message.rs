//! What is on the wire. Each message of a connection is one of these.
//!
//! ```text
//! sender                                        receiver
//! 'b' begin  its length, 8 bytes       ────▶
//! 'p' part   up to 64 KiB of it        ────▶    again and again
//! 'e' end    CRC-32 of it, 4 bytes     ────▶
//! 'x' cut    there is no more of it    ────▶    in place of an end
//!                                      ◀────    'k' kept: length and CRC-32 are right
//!                                      ◀────    's' stop: why, at any time, in place of 'k'
//! ```
//!
//! The receiver says one word, `kept` or `stop`, to each message that was begun. The sender ends each with
//! `end` or `cut`. So both know where the next one begins, whoever gives up.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use npipes::{ConnectionOptions, frame::FrameFormat};

/// The longest part in bytes. Both ends hold a few of them at once, whatever is sent.
pub(crate) const LONGEST_PART: u32 = 64 * 1024;

/// For both ends. A longer message ends the connection before memory is reserved for it.
pub(crate) const OPTIONS: ConnectionOptions =
    ConnectionOptions::new().format(FrameFormat::new().max_payload(1 + LONGEST_PART));

pub(crate) enum Message {
    Begin { length: u64 },
    Part(BytesMut),
    End { crc: u32 },
    Cut,
    Kept,
    Stop(String),
}

impl Message {
    /// Room for a part. What is read into it comes behind its kind, and is not copied again.
    pub(crate) fn part() -> BytesMut {
        let mut part = BytesMut::with_capacity(1 + LONGEST_PART as usize);
        part.put_u8(b'p');
        part
    }

    pub(crate) fn encode(self) -> Bytes {
        let mut message = BytesMut::new();
        match self {
            Self::Begin { length } => {
                message.put_u8(b'b');
                message.put_u64_le(length);
            }
            Self::Part(bytes) => {
                message.put_u8(b'p');
                message.put(bytes);
            }
            Self::End { crc } => {
                message.put_u8(b'e');
                message.put_u32_le(crc);
            }
            Self::Cut => message.put_u8(b'x'),
            Self::Kept => message.put_u8(b'k'),
            Self::Stop(why) => {
                message.put_u8(b's');
                message.put(why.as_bytes());
            }
        }
        message.freeze()
    }

    /// Returns `None` for what is none of them.
    pub(crate) fn decode(mut message: BytesMut) -> Option<Self> {
        let kind = message.first().copied()?;
        message.advance(1);
        match (kind, message.len()) {
            (b'b', 8) => Some(Self::Begin { length: message.get_u64_le() }),
            (b'p', 1..) => Some(Self::Part(message)),
            (b'e', 4) => Some(Self::End { crc: message.get_u32_le() }),
            (b'x', 0) => Some(Self::Cut),
            (b'k', 0) => Some(Self::Kept),
            (b's', _) => Some(Self::Stop(String::from_utf8_lossy(&message).into_owned())),
            _ => None,
        }
    }
}
