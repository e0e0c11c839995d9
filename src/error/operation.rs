//! Which operation failed.

use std::fmt;

/// What this crate was doing when the operating system reported a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Opening a connection.
    Connect,
    /// Creating a pipe, or a further instance of it.
    Listen,
    /// Waiting for a client.
    Accept,
    /// Reading from the peer.
    Read,
    /// Writing to the peer.
    Write,
    /// Closing the connection.
    Close,
    /// Waiting until the peer has read everything.
    Drain,
    /// Reading or writing: `Framed` does not tell a codec which.
    Transfer,
    /// Asking who is at the other end.
    Identify,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting to",
            Self::Listen => "listening on",
            Self::Accept => "accepting a client of",
            Self::Read => "reading from",
            Self::Write => "writing to",
            Self::Close => "closing",
            Self::Drain => "draining",
            Self::Transfer => "reading from or writing to",
            Self::Identify => "identifying the peer of",
        })
    }
}
