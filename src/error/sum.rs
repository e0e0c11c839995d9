//! Every error that a layer reports.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{ConnectError, Fate, Operation, UntrustedServer};
use crate::{
    frame::FrameError,
    name::{InvalidName, PipeName},
    sid::InvalidSid,
    text::{TextDecodeError, TextEncodeError},
};

/// What went wrong, sorted by whose fault it is.
#[derive(Debug)]
// With a tag of one byte, a payload in a `Result` is moved from odd offsets. At odd offsets no
// processor forwards a store to a load: that cost a stream of small messages a tenth of its speed.
#[repr(usize)]
#[non_exhaustive]
pub enum Error {
    /// The peer's fault: what it sent is not a frame, or is a corrupt one.
    Frame(FrameError),

    /// The caller's fault: the payload is longer than the format allows. Nothing was written and
    /// the connection stays usable.
    #[non_exhaustive]
    TooLarge {
        /// The length of the payload in bytes.
        len: usize,
        /// The longest payload that the format allows, in bytes.
        max: u32,
    },

    /// The caller's fault: the text cannot be sent in this encoding. Nothing was written and the
    /// connection stays usable.
    TextEncode(TextEncodeError),

    /// The peer's fault, or the fault of whoever chose the encoding: a message arrived whole and is
    /// not a text in this encoding. The connection stays usable.
    #[non_exhaustive]
    TextDecode {
        /// The message.
        payload: Bytes,
        /// What is wrong with it.
        source: TextDecodeError,
    },

    /// The caller's fault: the connection was closed on this side, or it has failed before.
    Closed,

    /// The caller's fault: no pipe can have this name.
    InvalidName(InvalidName),

    /// The caller's fault: this is not a security identifier.
    InvalidSid(InvalidSid),

    /// The caller's fault: this is not a security descriptor in Windows' definition language.
    #[non_exhaustive]
    InvalidSecurityDescriptor {
        /// The text as it was given.
        text: String,
        /// The byte offset in the text of the first part that the operating system refuses when it
        /// is given this part alone. `None` if it accepts each part alone. The operating system
        /// itself reports no position.
        position: Option<usize>,
        /// What the operating system reported for the whole text.
        source: io::Error,
    },

    /// The server that listens on the name is not trusted. Nothing was sent to it.
    UntrustedServer(Box<UntrustedServer>),

    /// Another server already owns the name, perhaps one in this process.
    ///
    /// In an app container it can also mean that the name does not begin with `LOCAL\`: the
    /// operating system reports both in the same way.
    #[non_exhaustive]
    NameTaken {
        /// The pipe.
        pipe: PipeName,
    },

    /// No connection was made.
    Connect(Box<ConnectError>),

    /// The caller's fault: only a message-type pipe can close one direction alone.
    #[non_exhaustive]
    HalfClose {
        /// The pipe.
        pipe: Option<PipeName>,
    },

    /// The peer's fault: the peer had begun a frame, and the frame was not complete in time.
    #[non_exhaustive]
    FrameTimedOut {
        /// The time that a frame may take.
        timeout: Duration,
        /// Bytes of the frame that arrived, its header included.
        have: usize,
        /// Bytes that the frame has in all, or the size of a header if the header is not complete.
        need: usize,
    },

    /// Nothing has arrived for a given time.
    #[non_exhaustive]
    IdleTimedOut {
        /// The time for which nothing may arrive.
        timeout: Duration,
    },

    /// No peer came to send a message to, or to receive one from, before the deadline. Or others
    /// always got there first.
    #[non_exhaustive]
    NoPeer {
        /// The pipe.
        pipe: PipeName,
        /// The time that was waited.
        timeout: Duration,
    },

    /// The caller's fault: an option was set that decides who may connect, and that the `Ipc` does
    /// not use. Nothing was opened.
    #[non_exhaustive]
    UnusedOption {
        /// The pipe.
        pipe: PipeName,
        /// The setter of `ListenerOptions`.
        option: &'static str,
    },

    /// A failure of the operating system or of the transport.
    #[non_exhaustive]
    Io {
        /// What this crate was doing.
        operation: Operation,
        /// The pipe, if the transport is a pipe.
        pipe: Option<PipeName>,
        /// What the operating system reported.
        source: io::Error,
    },

    /// A client gave up connecting, because it reached a limit that was set for it.
    #[non_exhaustive]
    GaveUp {
        /// Attempts that failed.
        attempts: u32,
        /// Time since the connection was lost, or since it was first wanted.
        elapsed: Duration,
        /// The time that connecting may take, if it was over.
        timeout: Option<Duration>,
        /// Why the last attempt failed, if one did.
        source: Option<Arc<Self>>,
    },

    /// One attempt of a client to connect took too long. An attempt includes everything that is
    /// done on a new connection.
    #[non_exhaustive]
    AttemptTimedOut {
        /// The time that an attempt may take.
        timeout: Duration,
    },

    /// The server does not want this client. The hook on the client's new connections reported it:
    /// see [`HookError`](crate::client::HookError).
    #[non_exhaustive]
    Refused {
        /// The reason, in the application's words.
        reason: String,
        /// The time after which another attempt may be made, if there is one.
        retry_after: Option<Duration>,
    },

    /// A client has no room for another message at the moment.
    OutboxFull,

    /// Perhaps the peer's fault: several connections were lost while a client was writing the same
    /// message. The message may be longer than the peer allows.
    #[non_exhaustive]
    NotTaken {
        /// The number of connections that were lost.
        connections: u32,
    },

    /// A message that was given to a client came back.
    #[non_exhaustive]
    Undelivered {
        /// The payload, as it was given.
        message: Bytes,
        /// What is known about the message.
        fate: Fate,
        /// Why it came back. Messages that came back together share it.
        source: Arc<Self>,
    },

    /// The caller's fault: a call of `npipes::blocking` was made inside an async runtime, whose tasks
    /// it would hold up. Nothing was done.
    BlockingInRuntime,

    /// Messages that were sent through a client's duplex came back: fetch them with
    /// [`ClientDuplex::take_returned`](crate::client::ClientDuplex::take_returned).
    #[non_exhaustive]
    Returned {
        /// Messages that were handed over before the connection was lost.
        maybe_delivered: usize,
        /// Messages that the peer certainly does not receive.
        not_sent: usize,
    },
}

impl Error {
    /// Returns whether the connection is over because either end closed it. Nothing is wrong with
    /// the data, and a new connection may work.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Closed | Self::Frame(FrameError::Truncated { .. }) => true,
            Self::Undelivered { source, .. } => source.is_closed(),
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::BrokenPipe
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::NotConnected
                    | io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::WriteZero
            ),
            _ => false,
        }
    }

    /// Returns whether a receive can go on after this error: one message is lost, because its frame
    /// was corrupt or its text could not be decoded, and the next one is not.
    #[must_use]
    pub fn is_skippable(&self) -> bool {
        match self {
            Self::Frame(error) => error.is_skippable(),
            Self::TextDecode { .. } => true,
            _ => false,
        }
    }

    /// Returns whether a deadline passed.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Connect(e) => e.timeout.is_some(),
            Self::NoPeer { .. }
            | Self::FrameTimedOut { .. }
            | Self::IdleTimedOut { .. }
            | Self::AttemptTimedOut { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::TimedOut,
            Self::GaveUp { timeout, .. } => timeout.is_some(),
            Self::Undelivered { source, .. } => source.is_timeout(),
            _ => false,
        }
    }

    /// Returns whether the same call can succeed later without any change on this side: the server
    /// was busy or absent, the name was taken, or the system was short of a resource. It is also
    /// true if the call first had to report what became of other messages.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NameTaken { .. }
            | Self::GaveUp { .. }
            | Self::OutboxFull
            | Self::Returned { .. } => true,
            Self::Refused { retry_after, .. } => retry_after.is_some(),
            Self::Undelivered { source, .. } => source.is_retryable(),
            Self::Connect(e) => {
                e.timeout.is_some() || (e.attempts.other == 0 && e.attempts.access_denied == 0)
            }
            Self::Io {
                operation: Operation::Connect | Operation::Listen | Operation::Accept,
                ..
            } => true,
            Self::FrameTimedOut { .. } | Self::IdleTimedOut { .. } => false,
            _ => self.is_timeout(),
        }
    }

    /// Returns the failure of an operation as an error, for implementers of
    /// [`Connect`](crate::client::Connect) and [`Accept`](crate::server::Accept).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use npipes::{Error, error::Operation};
    ///
    /// let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    /// let error = Error::io(Operation::Connect, None, refused);
    /// assert_eq!(error.to_string(), "connecting to the stream failed: connection refused");
    /// assert!(error.is_retryable());
    /// ```
    #[must_use]
    pub fn io(operation: Operation, pipe: Option<&PipeName>, source: io::Error) -> Self {
        Self::Io { operation, pipe: pipe.cloned(), source }
    }
}
