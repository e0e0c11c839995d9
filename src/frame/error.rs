//! What a peer did wrong on the wire.

use std::fmt;

use thiserror::Error as ThisError;

use super::Dialect;

/// What the peer did wrong on the wire.
///
/// [`Checksum`](Self::Checksum) and [`ChecksumMissing`](Self::ChecksumMissing) concern one frame
/// whose end is known: it is skipped and the next one is delivered. Every other error is fatal,
/// since the place of the next frame is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum FrameError {
    /// The two lengths of a header contradict each other: the peer speaks another dialect, another
    /// protocol, or the stream is out of step.
    #[error(
        "message length {message_len} and data length {data_len} do not fit {expected}{}",
        Suggestion(*.fits)
    )]
    #[non_exhaustive]
    LengthMismatch {
        /// The first field, read in the expected byte order.
        message_len: u32,
        /// The second field, read in the expected byte order.
        data_len: u32,
        /// The dialect that the receiver is set to.
        expected: Dialect,
        /// The dialect in which these eight bytes are a header, if there is one.
        fits: Option<Dialect>,
    },

    /// The first header of a stream fits no dialect, where the dialect is
    /// [detected](super::FrameFormat::detect_dialect): the peer speaks another protocol.
    #[error("the stream begins with {header:02x?}, which is a header in no dialect")]
    #[non_exhaustive]
    NoDialect {
        /// The first bytes that the peer sent.
        header: [u8; 8],
    },

    /// The peer announced a payload longer than the receiver allows. Nothing was reserved for it.
    #[error("the peer announces a payload of {len} bytes, {max} are allowed")]
    #[non_exhaustive]
    TooLarge {
        /// The announced length of the payload in bytes.
        len: u32,
        /// The longest payload that the receiver allows, in bytes.
        max: u32,
    },

    /// A payload does not match its CRC-32.
    #[error("corrupt frame: its CRC-32 is {expected:#010x}, its payload has {actual:#010x}")]
    #[non_exhaustive]
    Checksum {
        /// The CRC-32 that the frame carries.
        expected: u32,
        /// The CRC-32 of the payload that arrived.
        actual: u32,
    },

    /// A frame carries no CRC-32 although the receiver requires one.
    #[error("the peer sends no CRC-32, which is required here; the payload has {actual:#010x}")]
    #[non_exhaustive]
    ChecksumMissing {
        /// The CRC-32 of the payload that arrived.
        actual: u32,
    },

    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame: {have} of {need} bytes arrived")]
    #[non_exhaustive]
    Truncated {
        /// Bytes of the frame that arrived, its header included.
        have: usize,
        /// Bytes that the frame has in all, or the size of a header if the header is not complete.
        need: usize,
    },
}

/// A payload is longer than the sender's own format allows.
pub(crate) struct TooLarge {
    pub(crate) len: usize,
    pub(crate) max: u32,
}

impl FrameError {
    /// Returns whether frames after this one can still be received.
    #[must_use]
    pub fn is_skippable(&self) -> bool {
        matches!(self, Self::Checksum { .. } | Self::ChecksumMissing { .. })
    }
}

pub(crate) struct Suggestion(pub(crate) Option<Dialect>);

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(dialect) => write!(f, "; the peer speaks {dialect}"),
            None => Ok(()),
        }
    }
}
