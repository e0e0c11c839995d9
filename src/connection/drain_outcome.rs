//! How a connection ended.

use std::{fmt, io};

use super::undrained::Undrained;
use crate::{
    error::{Error, Operation},
    name::PipeName,
};

/// How a [closed](crate::Connection::close) connection ended, or how a wait for the peer ended.
///
/// # What is known, and what is not known
///
/// `Drained` means that the system reported nothing unread while the peer was connected. There is one
/// exception: a server whose pipe goes only from the server to the client cannot ask whether the
/// peer is connected, and perhaps neither can an end of a pipe on another machine. There, a peer
/// that left before the close counts as a peer that has read everything.
///
/// The peer has read what it took from the operating system. Its runtime reads ahead, so its
/// application may not have seen all of it: only an answer in your own protocol can say that.
///
/// The system does not report how much a peer had read before it left. So a peer that has read
/// everything is `PeerGone` too if it left before this end could ask: a peer that closes as soon as
/// it has the last byte, or a peer that closed before the close began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use = "only `Drained` says that the peer has everything"]
pub enum DrainOutcome {
    /// The peer has read everything.
    Drained,
    /// Everything was handed to a transport that cannot tell what its peer has read. For TCP, it
    /// was handed to the operating system. A [pair](crate::Connection::pair) in memory is such a
    /// transport too. A connection over a [`Transport`](crate::connection::Transport), such as a
    /// pipe, does not end like this unless the transport cannot tell either: a pipe of macOS cannot.
    Flushed,
    /// The deadline passed before the peer had read everything.
    TimedOut {
        /// Bytes in the pipe that the peer had not read. Windows reports them if they are fewer
        /// than the pipe's buffer holds; a stock Wine never does.
        unread: Option<u64>,
    },
    /// The peer closed its end, or disconnected the pipe, before it was known to have read
    /// everything.
    PeerGone,
}

impl DrainOutcome {
    /// Returns the outcome for the result of a transport's wait for its peer.
    #[cfg_attr(not(any(unix, windows)), expect(dead_code, reason = "only pipe/ uses it"))]
    pub(crate) fn of_drain(
        drained: io::Result<()>,
        operation: Operation,
        pipe: Option<&PipeName>,
    ) -> Result<Self, Error> {
        let Err(error) = drained else { return Ok(Self::Drained) };
        Self::told_by(&error)
            .map_or_else(|| Self::of_failure(Error::io(operation, pipe, error)), Ok)
    }

    /// Returns the outcome that a transport's wait tells by an error that is no failure.
    pub(super) fn told_by(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::TimedOut => Some(Self::TimedOut { unread: Undrained::unread(error) }),
            io::ErrorKind::Unsupported => Some(Self::Flushed),
            _ => None,
        }
    }

    /// Returns the outcome that a failure stands for, or the failure itself.
    pub(super) fn of_failure(error: Error) -> Result<Self, Error> {
        match error {
            Error::Closed => Err(error),
            e if e.is_closed() => Ok(Self::PeerGone),
            e => Err(e),
        }
    }
}

/// In the words of a sentence about what was sent.
impl fmt::Display for DrainOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drained => f.write_str("the peer has read everything"),
            Self::Flushed => f.write_str("everything was handed over"),
            Self::TimedOut { unread } => Undrained { unread: *unread }.fmt(f),
            Self::PeerGone => f.write_str("the peer has left"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_reads_as_a_sentence() {
        let texts = [
            DrainOutcome::Drained,
            DrainOutcome::Flushed,
            DrainOutcome::TimedOut { unread: Some(7) },
            DrainOutcome::TimedOut { unread: None },
            DrainOutcome::PeerGone,
        ]
        .map(|outcome| outcome.to_string());
        assert_eq!(
            texts,
            [
                "the peer has read everything",
                "everything was handed over",
                "the peer has not read everything: 7 bytes are left",
                "the peer has not read everything: how much is left is not known",
                "the peer has left",
            ]
        );
    }
}
