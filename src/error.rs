//! What can go wrong, by whose fault it is: the only file that words failures.
//!
//! Texts are lower case, without a full stop, and do not repeat the source: a reporter that walks
//! [`source`](std::error::Error::source) prints each cause once.

use std::{convert::Infallible, fmt, io, time::Duration};

use bytes::Bytes;
use thiserror::Error as ThisError;

use crate::{frame::Dialect, name::PipeName, sid::Sid, text::TextEncoding};

/// What the peer did wrong on the wire.
///
/// [`Checksum`](Self::Checksum) and [`ChecksumMissing`](Self::ChecksumMissing) concern one frame,
/// whose end is known: it is skipped and the next one is delivered. Every other one is fatal, since
/// the place of the next frame is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum FrameError {
    /// The two lengths of a header contradict each other: the peer speaks another dialect, another
    /// protocol, or the stream is out of step.
    #[error(
        "message length {message_len} and data length {data_len} do not fit {expected}{}",
        Suggestion(*.fits)
    )]
    LengthMismatch {
        /// The first field, read in the expected byte order.
        message_len: u32,
        /// The second field, read in the expected byte order.
        data_len: u32,
        /// The dialect that the receiver was told to speak.
        expected: Dialect,
        /// The dialect in which these eight bytes are a header, if there is one.
        fits: Option<Dialect>,
    },

    /// The peer announced a payload longer than the receiver allows. Nothing was reserved for it.
    #[error("the peer announces a payload of {len} bytes, {max} are allowed")]
    TooLarge {
        /// The announced length of the payload in bytes.
        len: u32,
        /// The longest payload that the receiver allows, in bytes.
        max: u32,
    },

    /// A payload does not match its CRC-32.
    #[error("corrupt frame: its CRC-32 is {expected:#010x}, its payload has {actual:#010x}")]
    Checksum {
        /// The CRC-32 that the frame carries.
        expected: u32,
        /// The CRC-32 of the payload that arrived.
        actual: u32,
    },

    /// A frame carries no CRC-32 although the receiver requires one.
    #[error("the peer sends no CRC-32, which is required here; the payload has {actual:#010x}")]
    ChecksumMissing {
        /// The CRC-32 of the payload that arrived.
        actual: u32,
    },

    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame: {have} of {need} bytes arrived")]
    Truncated {
        /// Bytes of the frame that arrived, its header included.
        have: usize,
        /// Bytes that the frame has; the size of a header when not even that arrived.
        need: usize,
    },
}

impl FrameError {
    /// Returns whether frames after this one can still be received.
    #[must_use]
    pub fn is_skippable(&self) -> bool {
        matches!(self, Self::Checksum { .. } | Self::ChecksumMissing { .. })
    }
}

struct Suggestion(Option<Dialect>);

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(dialect) => write!(f, "; the peer speaks {dialect}"),
            None => Ok(()),
        }
    }
}

/// A text has a character that its encoding lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("{encoding} has no {character:?}, which is at byte {at} of the text")]
#[non_exhaustive]
pub struct TextEncodeError {
    /// The encoding.
    pub encoding: TextEncoding,
    /// The first character that it lacks.
    pub character: char,
    /// Where that stands in the text, in bytes: `text[at..]` begins with it.
    pub at: usize,
}

/// A payload is not a text in the encoding that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("byte {at} does not belong to a text in {encoding}")]
#[non_exhaustive]
pub struct TextDecodeError {
    /// The encoding.
    pub encoding: TextEncoding,
    /// Where what is not a character begins in the payload, in bytes.
    pub at: usize,
}

/// Why a text is not the name of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing stands where the pipe's own name should.
    #[error("the name of the pipe is empty")]
    Empty,
    /// A NUL ends a name early for the operating system.
    #[error("a name cannot contain NUL, and this one has it at byte {at}")]
    Nul {
        /// The position of the NUL in bytes.
        at: usize,
    },
    /// The path is longer than the operating system takes.
    #[error("the path has {len} UTF-16 units, {max} are possible")]
    TooLong {
        /// The length of the path, its prefix included, in UTF-16 units.
        len: usize,
        /// The longest path possible, in UTF-16 units.
        max: usize,
    },
    /// It looks like a path, but not like `\\server\pipe\name`.
    #[error(r"a path to a pipe is \\.\pipe\name or \\host\pipe\name")]
    NotAPipePath,
    /// A server was asked to own a pipe of another machine.
    #[error("a pipe can be listened on only on the machine that it belongs to")]
    Remote,
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

/// How often connecting was tried, and what stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Attempts {
    /// Times the server had no free instance (`ERROR_PIPE_BUSY`, 231).
    pub busy: u32,
    /// Times there was no such pipe (`ERROR_FILE_NOT_FOUND`, 2), or its server closed it before it
    /// could be judged.
    pub not_found: u32,
    /// Times access was denied (`ERROR_ACCESS_DENIED`, 5).
    pub access_denied: u32,
    /// Times something else went wrong.
    pub other: u32,
    /// Times the deadline passed before another machine answered: at most once.
    pub unanswered: u32,
}

impl Attempts {
    /// Returns the number of attempts, all of which failed.
    #[must_use]
    pub fn total(&self) -> u32 {
        [self.busy, self.not_found, self.access_denied, self.other, self.unanswered]
            .into_iter()
            .fold(0, u32::saturating_add)
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes = [
            ("busy", self.busy),
            ("not found", self.not_found),
            ("access denied", self.access_denied),
            ("another error", self.other),
            ("no answer", self.unanswered),
        ];
        let mut separator = "";
        for (cause, count) in causes.into_iter().filter(|&(_, count)| count > 0) {
            match count {
                1 => write!(f, "{separator}{cause} once")?,
                _ => write!(f, "{separator}{cause} {count} times")?,
            }
            separator = ", ";
        }
        Ok(())
    }
}

/// Why no connection came about.
#[derive(Debug, ThisError)]
#[error("connecting to {pipe} {}: {attempts}", Outcome(*.deadline))]
#[non_exhaustive]
pub struct ConnectError {
    /// The pipe.
    pub pipe: PipeName,
    /// Time from the first attempt to the end of the last.
    pub elapsed: Duration,
    /// What was tried.
    pub attempts: Attempts,
    /// The deadline, if it was the deadline that ended the attempts.
    pub deadline: Option<Duration>,
    /// What the operating system said last.
    pub source: io::Error,
}

struct Outcome(Option<Duration>);

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(deadline) => write!(f, "timed out after {deadline:?}"),
            None => f.write_str("failed"),
        }
    }
}

/// Who serves a pipe that a client does not trust: somebody else listens on the name, by accident or
/// on purpose. Nothing was sent to it.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("the server of {pipe} is not trusted: {}", Identity(.owner, .user, .process_id))]
#[non_exhaustive]
pub struct UntrustedServer {
    /// The pipe.
    pub pipe: PipeName,
    /// Who owns the pipe.
    pub owner: Option<Sid>,
    /// As whom the server's process runs, where this process may know.
    pub user: Option<Sid>,
    /// The server's process.
    pub process_id: Option<u32>,
}

struct Identity<'a>(&'a Option<Sid>, &'a Option<Sid>, &'a Option<u32>);

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(owner, user, process_id) = self;
        match owner {
            Some(owner) => write!(f, "the pipe's owner is {owner}")?,
            None => f.write_str("the pipe has no owner")?,
        }
        match (process_id, user) {
            (Some(id), Some(user)) => write!(f, ", its process {id} runs as {user}"),
            (Some(id), None) => write!(f, ", whom its process {id} runs as is not told"),
            (None, _) => f.write_str(", its process is not known"),
        }
    }
}

/// What went wrong, by whose fault it is.
#[derive(Debug, ThisError)]
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
    #[error("invalid pipe name {name:?}")]
    InvalidName {
        /// The text as it was given.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },

    /// The caller's fault: this is not a security identifier.
    #[error("{text:?} is not a security identifier like S-1-5-18")]
    InvalidSid {
        /// The text as it was given.
        text: String,
    },

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
    #[error("{pipe} is taken: another server, perhaps in this process, listens on it")]
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
    #[error("{operation} {} failed", Endpoint(.pipe))]
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
        source: Option<Box<Self>>,
    },

    /// Messages that a client had accepted came back to it: fetch them with
    /// [`Client::take_returned`](crate::Client::take_returned).
    #[error("messages came back: {maybe_delivered} maybe delivered, {not_sent} not sent")]
    Returned {
        /// Messages that were handed over before the connection was lost.
        maybe_delivered: usize,
        /// Messages that the peer certainly does not get.
        not_sent: usize,
    },

    /// The caller's fault: a client's buffer is full of messages that were handed over and not
    /// [acknowledged](crate::Client::acknowledge).
    #[error("no room: {messages} messages were sent and not acknowledged")]
    Unacknowledged {
        /// How many there are.
        messages: usize,
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
            Self::NoPeer { .. } | Self::FrameTimedOut { .. } | Self::IdleTimedOut { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::TimedOut,
            Self::GaveUp { deadline, .. } => deadline.is_some(),
            _ => false,
        }
    }

    /// Returns whether the same call can succeed later without anything being changed here: the
    /// server was busy or absent, the name taken, or the system short of something; or the call had
    /// to report first what became of other messages.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NameTaken { .. } | Self::GaveUp { .. } | Self::Returned { .. } => true,
            Self::Connect(e) => e.deadline.is_some() || e.attempts.other == 0,
            Self::Io { operation: Operation::Accept | Operation::Listen, .. } => true,
            Self::FrameTimedOut { .. } | Self::IdleTimedOut { .. } => false,
            _ => self.is_timeout(),
        }
    }

    /// Returns what is nearest to it among the kinds of the standard library.
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Io { source, .. } => source.kind(),
            Self::Connect(e) if e.deadline.is_none() => e.source.kind(),
            Self::GaveUp { deadline: None, source: Some(source), .. } => source.kind(),
            _ if self.is_timeout() => io::ErrorKind::TimedOut,
            Self::Frame(FrameError::Truncated { .. }) => io::ErrorKind::UnexpectedEof,
            Self::Frame(_) | Self::TextDecode { .. } => io::ErrorKind::InvalidData,
            Self::Closed => io::ErrorKind::NotConnected,
            Self::UntrustedServer(_) => io::ErrorKind::PermissionDenied,
            Self::NameTaken { .. } => io::ErrorKind::AddrInUse,
            Self::GaveUp { .. } | Self::Returned { .. } | Self::Unacknowledged { .. } => {
                io::ErrorKind::Other
            }
            _ => io::ErrorKind::InvalidInput,
        }
    }

    pub(crate) fn io(operation: Operation, pipe: Option<&PipeName>, source: io::Error) -> Self {
        Self::Io { operation, pipe: pipe.cloned(), source }
    }
}

/// For `Framed`, which asks it of a codec's error and does not say which direction failed.
/// [`Connection`](crate::Connection) names the direction and the pipe.
impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        match source.downcast() {
            Ok(error) => error,
            Err(source) => Self::io(Operation::Transfer, None, source),
        }
    }
}

/// For code that deals in [`io::Error`], such as tokio-serde's JSON over a
/// [`Connection`](crate::Connection): see `sink_err_into` and `err_into` in `futures`.
///
/// The error is inside, and converting it to an [`Error`] again takes it out. Its kind is the
/// operating system's where it was asked, and otherwise says whose fault it is: `InvalidData` for
/// the peer's, `InvalidInput` for the caller's.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

/// For a name that is a [`PipeName`] already.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What a transport's shutdown reports, inside an [`io::Error`] of the kind `TimedOut`, when its
/// deadline passed before the peer had read everything.
#[derive(Debug, Clone, Copy, ThisError)]
#[error("the peer has not read everything: {}", Unread(*.unread))]
pub(crate) struct Undrained {
    /// Bytes unread, where the operating system tells.
    pub(crate) unread: Option<u64>,
}

impl Undrained {
    /// Returns what an error says of unread bytes.
    pub(crate) fn unread(error: &Error) -> Option<u64> {
        let Error::Io { source, .. } = error else {
            return None;
        };
        source.get_ref()?.downcast_ref::<Self>()?.unread
    }
}

/// What a transport reports, inside an [`io::Error`] of the kind `Unsupported`, that cannot be asked
/// whether the peer has read everything.
#[derive(Debug, Clone, Copy, ThisError)]
#[error("the transport does not tell what the peer has read")]
pub(crate) struct NotTold;

struct Unread(Option<u64>);

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(count) => write!(f, "{count} bytes are left"),
            None => f.write_str("how much is left is not known"),
        }
    }
}
