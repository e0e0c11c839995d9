//! What can go wrong, by whose fault it is: the sum of what the layers report.
//!
//! Texts are lower case, without a full stop, and do not repeat the source: a reporter that walks
//! [`source`](std::error::Error::source) prints each cause once.

mod connect;
mod content;
mod convert;

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use thiserror::Error as ThisError;

pub use self::connect::{Attempts, ConnectError, UntrustedServer};
pub(crate) use self::content::WithoutContent;
use crate::{
    client::Returned,
    frame::FrameError,
    name::{InvalidName, PipeName},
    sid::InvalidSid,
    text::{TextDecodeError, TextEncodeError},
};

/// What went wrong, by whose fault it is.
#[derive(Debug, ThisError)]
// Beside a tag of one byte a payload in a `Result` is moved from odd offsets, over which no processor
// forwards a store to a load: that cost a stream of small messages a tenth of its speed.
#[repr(usize)]
#[non_exhaustive]
pub enum Error {
    /// The peer's fault: what it sent is not a frame, or is a corrupt one.
    #[error(transparent)]
    Frame(#[from] FrameError),

    /// The caller's fault: the payload is longer than the format allows. Nothing was written and
    /// the connection stays usable.
    #[error("a payload of {len} bytes is too large to send, {max} are allowed")]
    TooLarge {
        /// The length of the payload in bytes.
        len: usize,
        /// The longest payload that the format allows, in bytes.
        max: u32,
    },

    /// The caller's fault: the text cannot be sent in this encoding. Nothing was written and the
    /// connection stays usable.
    #[error(transparent)]
    TextEncode(#[from] TextEncodeError),

    /// The peer's fault, or that of who chose the encoding: a message arrived whole and is not such
    /// a text. The connection stays usable.
    #[error("a message of {} bytes is not the text it should be", payload.len())]
    TextDecode {
        /// The message.
        payload: Bytes,
        /// What is wrong with it.
        source: TextDecodeError,
    },

    /// The caller's fault: the connection was closed here, or has failed before.
    #[error("the connection is closed")]
    Closed,

    /// The caller's fault: no pipe can have this name.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),

    /// The caller's fault: this is not a security identifier.
    #[error(transparent)]
    InvalidSid(#[from] InvalidSid),

    /// The caller's fault: this is not a security descriptor in Windows' definition language.
    #[error("invalid security descriptor {text:?}{}", Refused(.position, .text))]
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
    #[error(transparent)]
    UntrustedServer(Box<UntrustedServer>),

    /// Another server owns the name already, perhaps one in this process.
    ///
    /// In an app container it can mean as well that the name does not begin with `LOCAL\`, which the
    /// operating system does not tell apart.
    #[error(
        r"{pipe} is taken: another server, perhaps in this process, listens on it; or this is an app container, which may create only pipes that are named LOCAL\name"
    )]
    NameTaken {
        /// The pipe.
        pipe: PipeName,
    },

    /// No connection came about.
    #[error(transparent)]
    Connect(Box<ConnectError>),

    /// The caller's fault: one direction alone can be closed only on a message-type pipe.
    #[error("half-closing {} takes a message-type pipe", Endpoint(.pipe))]
    HalfClose {
        /// The pipe.
        pipe: Option<PipeName>,
    },

    /// The peer's fault: a frame that it had begun was not complete in time.
    #[error("a frame is not complete after {timeout:?}: {have} of {need} bytes arrived")]
    FrameTimedOut {
        /// The time that a frame may take.
        timeout: Duration,
        /// Bytes of the frame that arrived, its header included.
        have: usize,
        /// Bytes that the frame has; the size of a header when not even that arrived.
        need: usize,
    },

    /// Nothing has arrived for a while.
    #[error("nothing has arrived for {timeout:?}")]
    IdleTimedOut {
        /// The time for which nothing may arrive.
        timeout: Duration,
    },

    /// Nobody came to send a message to, or to receive one from, before the deadline; or others were
    /// always there before.
    #[error("no peer was met on {pipe} within {deadline:?}")]
    NoPeer {
        /// The pipe.
        pipe: PipeName,
        /// The deadline.
        deadline: Duration,
    },

    /// The operating system's or the transport's failure.
    #[error("{operation} {} failed{}", Endpoint(.pipe), Denied(.operation, .source))]
    Io {
        /// What was being done.
        operation: Operation,
        /// The pipe, when the transport is one.
        pipe: Option<PipeName>,
        /// What the operating system said.
        source: io::Error,
    },

    /// A client gave up connecting, at the limit that it was given.
    #[error("gave up connecting after {elapsed:?}, {} failed", Count(*.attempts, "attempt"))]
    GaveUp {
        /// Attempts that failed.
        attempts: u32,
        /// Time since the connection was lost, or wanted first.
        elapsed: Duration,
        /// The deadline, if it was the deadline that ended the attempts.
        deadline: Option<Duration>,
        /// Why the last attempt failed, if one did.
        source: Option<Arc<Self>>,
    },

    /// One attempt of a client to connect, with all that is done on a new connection, took too long.
    #[error("an attempt to connect was not done after {deadline:?}")]
    AttemptTimedOut {
        /// The time that an attempt may take.
        deadline: Duration,
    },

    /// The server does not want this client, as what runs on a client's new connections has found
    /// out: see [`HookError`](crate::HookError).
    #[error("the server refused: {reason}")]
    Refused {
        /// Why, in the application's words.
        reason: String,
        /// The time after which another attempt is welcome, if there is one.
        retry_after: Option<Duration>,
    },

    /// A client has no room for another message now.
    #[error("the outbox is full")]
    OutboxFull,

    /// The peer's doing, perhaps: so many connections were lost while a client was writing the same
    /// message. It may be longer than the peer allows.
    #[error("{} lost while it was being written: the peer may not take it", Count(*.connections, "connection"))]
    NotTaken {
        /// Connections that were lost.
        connections: u32,
    },

    /// A message that a client was given came back.
    #[error(transparent)]
    Undelivered(Box<Returned>),

    /// Messages that were sent through a client's duplex came back: fetch them with
    /// [`ClientDuplex::take_returned`](crate::ClientDuplex::take_returned).
    #[error("messages came back: {maybe_delivered} maybe delivered, {not_sent} not sent")]
    Returned {
        /// Messages that were handed over before the connection was lost.
        maybe_delivered: usize,
        /// Messages that the peer certainly does not get.
        not_sent: usize,
    },
}

struct Refused<'a>(&'a Option<usize>, &'a str);

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(position, text) = self;
        match position.and_then(|at| Some((at, text.get(at..)?))) {
            Some((at, rest)) => write!(f, ": refused from byte {at} on, at {rest:?}"),
            None => Ok(()),
        }
    }
}

struct Endpoint<'a>(&'a Option<PipeName>);

impl fmt::Display for Endpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pipe) => fmt::Display::fmt(pipe, f),
            None => f.write_str("the stream"),
        }
    }
}

/// What access denied means where an instance is created.
struct Denied<'a>(&'a Operation, &'a io::Error);

impl fmt::Display for Denied<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Operation::Listen, source) if source.kind() == io::ErrorKind::PermissionDenied => {
                f.write_str(
                    ": its access rules do not let this user create a further instance \
                     (FILE_CREATE_PIPE_INSTANCE), or this is an app container, which may create only \
                     pipes that are named LOCAL\\name",
                )
            }
            _ => Ok(()),
        }
    }
}

struct Count(u32, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(count, noun) = self;
        write!(f, "{count} {noun}{}", if count == 1 { "" } else { "s" })
    }
}

impl Error {
    /// Returns whether the connection is over because either end closed it: nothing is wrong with
    /// the data, and a new connection may do better.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Closed | Self::Frame(FrameError::Truncated { .. }) => true,
            Self::Undelivered(returned) => returned.cause.is_closed(),
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
            Self::Connect(e) => e.deadline.is_some(),
            Self::NoPeer { .. }
            | Self::FrameTimedOut { .. }
            | Self::IdleTimedOut { .. }
            | Self::AttemptTimedOut { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::TimedOut,
            Self::GaveUp { deadline, .. } => deadline.is_some(),
            Self::Undelivered(returned) => returned.cause.is_timeout(),
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
            Self::Undelivered(returned) => returned.cause.is_retryable(),
            Self::Connect(e) => e.deadline.is_some() || e.attempts.other == 0,
            Self::Io { operation: Operation::Accept | Operation::Listen, .. } => true,
            Self::FrameTimedOut { .. } | Self::IdleTimedOut { .. } => false,
            _ => self.is_timeout(),
        }
    }

    pub(crate) fn io(operation: Operation, pipe: Option<&PipeName>, source: io::Error) -> Self {
        Self::Io { operation, pipe: pipe.cloned(), source }
    }
}

/// What was being done when the operating system reported a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
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
    /// Either direction: over `Framed`, a codec is not told which.
    Transfer,
    /// Asking who is at the other end.
    Identify,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
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
