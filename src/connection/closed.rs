//! How a connection ended.

use crate::error::{Error, Undrained};

/// How a connection ended that was [closed](crate::Connection::close), or how a wait for the peer
/// did.
///
/// # What is known, and what is not
///
/// `Drained` is never said of a peer that left with something unread: the operating system said that
/// nothing is, and that the peer was still there afterwards. There is one exception, where the latter
/// cannot be asked: by a server whose pipe goes from the server to the client only, and perhaps of a
/// pipe on another machine. There a peer that had left before the close counts as one that has read
/// everything.
///
/// That the peer has read means that it took the bytes from the operating system. Its runtime reads
/// ahead, so its application may not have seen them: that takes an answer in your own protocol.
///
/// When a peer has left, nobody tells how much it had read. So `PeerGone` is also said of a peer that
/// had read everything, if it left before this end could see that: one that closes as soon as it has
/// the last byte, or has done so before the close began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "only `Drained` says that the peer has everything"]
pub enum Closed {
    /// Everything sent was handed over. On a pipe: the peer has read it. On another transport: its
    /// shutdown succeeded, which for TCP means that the operating system has the bytes.
    Drained,
    /// The deadline passed before the peer had read everything.
    TimedOut {
        /// Bytes in the pipe that the peer had not read. Windows tells if they are fewer than the
        /// pipe's buffer holds; Wine never does.
        unread: Option<u64>,
    },
    /// The peer closed its end, or disconnected the pipe, before it was known to have read
    /// everything.
    PeerGone,
}

impl Closed {
    pub(crate) fn from_outcome(outcome: Result<(), Error>) -> Result<Self, Error> {
        match outcome {
            Ok(()) => Ok(Self::Drained),
            Err(e) => Self::of_failure(&e).ok_or(e),
        }
    }

    pub(super) fn of_failure(error: &Error) -> Option<Self> {
        match error {
            Error::Closed => None,
            e if e.is_timeout() => Some(Self::TimedOut { unread: Undrained::unread(e) }),
            e if e.is_closed() => Some(Self::PeerGone),
            _ => None,
        }
    }
}
