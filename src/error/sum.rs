//! The sum of what the layers report.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{ConnectError, Fate, Operation, UntrustedServer};
use crate::{
    frame::FrameError,
    name::{InvalidName, PipeName},
    sid::InvalidSid,
    text::{TextDecodeError, TextEncodeError},
};

/// What went wrong, by whose fault it is.
#[derive(Debug)]
// Beside a tag of one byte a payload in a `Result` is moved from odd offsets, over which no processor
// forwards a store to a load: that cost a stream of small messages a tenth of its speed.
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

    /// The peer's fault, or that of who chose the encoding: a message arrived whole and is not such
    /// a text. The connection stays usable.
    #[non_exhaustive]
    TextDecode {
        /// The message.
        payload: Bytes,
        /// What is wrong with it.
        source: TextDecodeError,
    },

    /// The caller's fault: the connection was closed here, or has failed before.
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
        /// Where, in bytes, the first part begins that the operating system refuses on its own;
        /// it tells no position itself. `None` if every part by itself is valid.
        position: Option<usize>,
        /// What the operating system said of the whole.
        source: io::Error,
    },

    /// A server that is not to be trusted listens on the name. Nothing was sent to it.
    UntrustedServer(Box<UntrustedServer>),

    /// Another server owns the name already, perhaps one in this process.
    ///
    /// In an app container it can mean as well that the name does not begin with `LOCAL\`, which the
    /// operating system does not tell apart.
    #[non_exhaustive]
    NameTaken {
        /// The pipe.
        pipe: PipeName,
    },

    /// No connection came about.
    Connect(Box<ConnectError>),

    /// The caller's fault: one direction alone can be closed only on a message-type pipe.
    #[non_exhaustive]
    HalfClose {
        /// The pipe.
        pipe: Option<PipeName>,
    },

    /// The peer's fault: a frame that it had begun was not complete in time.
    #[non_exhaustive]
    FrameTimedOut {
        /// The time that a frame may take.
        timeout: Duration,
        /// Bytes of the frame that arrived, its header included.
        have: usize,
        /// Bytes that the frame has; the size of a header when not even that arrived.
        need: usize,
    },

    /// Nothing has arrived for a while.
    #[non_exhaustive]
    IdleTimedOut {
        /// The time for which nothing may arrive.
        timeout: Duration,
    },

    /// Nobody came to send a message to, or to receive one from, before the deadline; or others were
    /// always there before.
    #[non_exhaustive]
    NoPeer {
        /// The pipe.
        pipe: PipeName,
        /// The time that was waited.
        timeout: Duration,
    },

    /// The operating system's or the transport's failure.
    #[non_exhaustive]
    Io {
        /// What was being done.
        operation: Operation,
        /// The pipe, when the transport is one.
        pipe: Option<PipeName>,
        /// What the operating system said.
        source: io::Error,
    },

    /// A client gave up connecting, at the limit that it was given.
    #[non_exhaustive]
    GaveUp {
        /// Attempts that failed.
        attempts: u32,
        /// Time since the connection was lost, or wanted first.
        elapsed: Duration,
        /// The time that connecting may take, if it was over.
        timeout: Option<Duration>,
        /// Why the last attempt failed, if one did.
        source: Option<Arc<Self>>,
    },

    /// One attempt of a client to connect, with all that is done on a new connection, took too long.
    #[non_exhaustive]
    AttemptTimedOut {
        /// The time that an attempt may take.
        timeout: Duration,
    },

    /// The server does not want this client, as what runs on a client's new connections has found
    /// out: see [`HookError`](crate::client::HookError).
    #[non_exhaustive]
    Refused {
        /// Why, in the application's words.
        reason: String,
        /// The time after which another attempt is welcome, if there is one.
        retry_after: Option<Duration>,
    },

    /// A client has no room for another message now.
    OutboxFull,

    /// The peer's doing, perhaps: so many connections were lost while a client was writing the same
    /// message. It may be longer than the peer allows.
    #[non_exhaustive]
    NotTaken {
        /// Connections that were lost.
        connections: u32,
    },

    /// A message that a client was given came back.
    #[non_exhaustive]
    Undelivered {
        /// The payload, as it was given.
        message: Bytes,
        /// What is known of it.
        fate: Fate,
        /// Why it came back. Messages that came back together share it.
        source: Arc<Self>,
    },

    /// Messages that were sent through a client's duplex came back: fetch them with
    /// [`ClientDuplex::take_returned`](crate::client::ClientDuplex::take_returned).
    #[non_exhaustive]
    Returned {
        /// Messages that were handed over before the connection was lost.
        maybe_delivered: usize,
        /// Messages that the peer certainly does not get.
        not_sent: usize,
    },
}

impl Error {
    /// Returns whether the connection is over because either end closed it: nothing is wrong with
    /// the data, and a new connection may do better.
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

    /// Returns whether the same call can succeed later without anything being changed here: the
    /// server was busy or absent, the name taken, or the system short of something; or the call had
    /// to report first what became of other messages.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NameTaken { .. }
            | Self::GaveUp { .. }
            | Self::OutboxFull
            | Self::Returned { .. } => true,
            Self::Refused { retry_after, .. } => retry_after.is_some(),
            Self::Undelivered { source, .. } => source.is_retryable(),
            Self::Connect(e) => e.timeout.is_some() || e.attempts.other == 0,
            Self::Io {
                operation: Operation::Connect | Operation::Listen | Operation::Accept,
                ..
            } => true,
            Self::FrameTimedOut { .. } | Self::IdleTimedOut { .. } => false,
            _ => self.is_timeout(),
        }
    }

    /// Returns the failure of an operation, for implementers of [`Connect`](crate::client::Connect)
    /// and [`Accept`](crate::server::Accept).
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
