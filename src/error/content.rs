//! An error's text for a log, which outlives the message that it is about.

use std::fmt;

use super::Error;
use crate::{
    frame::{FrameError, Suggestion},
    text::TextEncodeError,
};

/// What an event says of an error: its text, without anything that may have been in a message. Two
/// lengths that contradict each other may be the content of a stream that is out of step, and a
/// CRC-32 tells a short payload.
pub(crate) struct WithoutContent<'a>(pub(crate) &'a Error);

impl fmt::Display for WithoutContent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Error::Frame(FrameError::LengthMismatch { expected, fits, .. }) => {
                write!(
                    f,
                    "message length and data length do not fit {expected}{}",
                    Suggestion(*fits)
                )
            }
            Error::Frame(FrameError::Checksum { .. }) => f.write_str("corrupt frame"),
            Error::Frame(FrameError::ChecksumMissing { .. }) => {
                f.write_str("the peer sends no CRC-32, which is required here")
            }
            Error::TextEncode(TextEncodeError { encoding, at, .. }) => {
                write!(f, "{encoding} lacks the character at byte {at} of the text")
            }
            error => error.fmt(f),
        }
    }
}
