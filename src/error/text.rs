//! The text of an error with its cause, and the text for a log, without anything from inside a
//! message.

use std::{
    error,
    fmt::{self, Display, Formatter},
    io,
};

use super::{Error, Operation};
use crate::{
    frame::{FrameError, Suggestion},
    name::PipeName,
    text::TextEncodeError,
};

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::TextEncode(error) => error.fmt(f),
            Self::InvalidName(error) => error.fmt(f),
            Self::InvalidSid(error) => error.fmt(f),
            Self::UntrustedServer(error) => error.fmt(f),
            Self::Connect(error) => error.fmt(f),
            Self::GaveUp { source: Some(source), .. } | Self::Undelivered { source, .. } => {
                write!(f, "{}: {source}", Outcome(self))
            }
            _ => Outcome(self).fmt(f),
        }
    }
}

/// Returns what is below the cause: the text includes the cause itself.
impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Connect(error) => error.source(),
            Self::InvalidSecurityDescriptor { source, .. } | Self::Io { source, .. } => {
                source.source()
            }
            Self::GaveUp { source: Some(source), .. } | Self::Undelivered { source, .. } => {
                source.source()
            }
            _ => None,
        }
    }
}

/// The text of an error for an event, without anything that may have been in a message. Two lengths
/// that contradict each other may be the content of a stream that is out of step, and a CRC-32
/// reveals a short payload.
pub(crate) struct WithoutContent<'a>(pub(crate) &'a Error);

impl Display for WithoutContent<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Error::Frame(FrameError::LengthMismatch { expected, fits, .. }) => {
                write!(
                    f,
                    "message length and data length do not fit {expected}{}",
                    Suggestion(*fits)
                )
            }
            Error::Frame(FrameError::NoDialect { .. }) => {
                f.write_str("the first header fits no dialect")
            }
            Error::Frame(FrameError::Checksum { .. }) => f.write_str("corrupt frame"),
            Error::Frame(FrameError::ChecksumMissing { .. }) => {
                f.write_str("the peer sends no CRC-32, which is required here")
            }
            Error::TextEncode(TextEncodeError { encoding, at, .. }) => {
                write!(f, "{encoding} lacks the character at byte {at} of the text")
            }
            Error::GaveUp { source: Some(source), .. } | Error::Undelivered { source, .. } => {
                write!(f, "{}: {}", Outcome(self.0), Self(source))
            }
            error => error.fmt(f),
        }
    }
}

/// The text of an error without a cause that is an [`Error`] itself.
struct Outcome<'a>(&'a Error);

impl Display for Outcome<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Error::TooLarge { len, max } => {
                write!(f, "a payload of {len} bytes is too large to send, {max} are allowed")
            }
            Error::TextDecode { payload, source } => {
                let len = payload.len();
                write!(f, "a message of {len} bytes is not the text it should be: {source}")
            }
            Error::Closed => f.write_str("the connection is closed"),
            Error::InvalidSecurityDescriptor { text, position, source } => {
                write!(f, "invalid security descriptor {text:?}")?;
                if let Some((at, rest)) = position.and_then(|at| Some((at, text.get(at..)?))) {
                    write!(f, ", refused from byte {at} on, at {rest:?}")?;
                }
                write!(f, ": {source}")
            }
            Error::NameTaken { pipe } => {
                write!(
                    f,
                    "{pipe} is taken: another server, perhaps in this process, listens on it"
                )?;
                match cfg!(windows) {
                    true => f.write_str(
                        "; or this is an app container, which may create only pipes that are named \
                         LOCAL\\name",
                    ),
                    false => Ok(()),
                }
            }
            Error::HalfClose { pipe } => {
                write!(f, "half-closing {} takes a message-type pipe", Endpoint(pipe))
            }
            Error::FrameTimedOut { timeout, have, need } => {
                write!(
                    f,
                    "a frame is not complete after {timeout:?}: {have} of {need} bytes arrived"
                )
            }
            Error::IdleTimedOut { timeout } => {
                write!(f, "nothing has arrived for {timeout:?}")
            }
            Error::NoPeer { pipe, timeout } => {
                write!(f, "no peer came to {pipe} within {timeout:?}")
            }
            Error::UnusedOption { pipe, option } => write!(
                f,
                "an Ipc on {pipe} would let in clients that ListenerOptions::{option} refuses: say \
                 who may connect with ListenerOptions::access, or serve its peers with a Listener"
            ),
            Error::Io { operation, pipe, source } => {
                write!(f, "{operation} {} failed: {source}", Endpoint(pipe))?;
                match (operation, source.kind()) {
                    (Operation::Listen, io::ErrorKind::PermissionDenied) if cfg!(windows) => f.write_str(
                        "; its access rules do not let this user create a further instance \
                         (FILE_CREATE_PIPE_INSTANCE), or this is an app container, which may create \
                         only pipes that are named LOCAL\\name",
                    ),
                    _ => Ok(()),
                }
            }
            Error::GaveUp { attempts, elapsed, .. } => {
                let attempts = Count(*attempts, "attempt");
                write!(f, "gave up connecting after {elapsed:?}, {attempts} failed")
            }
            Error::AttemptTimedOut { timeout } => {
                write!(f, "an attempt to connect was not done after {timeout:?}")
            }
            Error::Refused { reason, .. } => write!(f, "the server refused: {reason}"),
            Error::BlockingInRuntime => f.write_str(
                "a blocking call inside an async runtime would hold up its tasks: call the async \
                 one, or make the call on a thread of its own",
            ),
            Error::OutboxFull => f.write_str("the outbox is full"),
            Error::NotTaken { connections } => write!(
                f,
                "{} lost while it was being written: the peer may not take it",
                Count(*connections, "connection")
            ),
            Error::Undelivered { message, fate, .. } => {
                write!(f, "a message of {} bytes came back, {fate}", message.len())
            }
            Error::Returned { maybe_delivered, not_sent } => {
                write!(
                    f,
                    "messages came back: {maybe_delivered} maybe delivered, {not_sent} not sent"
                )
            }
            Error::Frame(_)
            | Error::TextEncode(_)
            | Error::InvalidName(_)
            | Error::InvalidSid(_)
            | Error::UntrustedServer(_)
            | Error::Connect(_) => Ok(()),
        }
    }
}

struct Endpoint<'a>(&'a Option<PipeName>);

impl Display for Endpoint<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pipe) => pipe.fmt(f),
            None => f.write_str("the stream"),
        }
    }
}

struct Count(u32, &'static str);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let &Self(count, noun) = self;
        write!(f, "{count} {noun}{}", if count == 1 { "" } else { "s" })
    }
}
