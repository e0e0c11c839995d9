//! Conversions between this crate's error and others.

use std::{convert::Infallible, io};

use super::{Error, Operation};
use crate::{
    frame::{FrameError, TooLarge},
    name::InvalidName,
    sid::InvalidSid,
    text::TextEncodeError,
};

impl Error {
    /// Returns the kind of the standard library that is nearest to this error.
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Io { source, .. } => source.kind(),
            Self::Connect(e) if e.timeout.is_none() => e.source.kind(),
            Self::GaveUp { timeout: None, source: Some(source), .. } => source.kind(),
            Self::Undelivered { source, .. } => source.kind(),
            _ if self.is_timeout() => io::ErrorKind::TimedOut,
            Self::Frame(FrameError::Truncated { .. }) => io::ErrorKind::UnexpectedEof,
            Self::Frame(_) | Self::TextDecode { .. } => io::ErrorKind::InvalidData,
            Self::Closed => io::ErrorKind::NotConnected,
            Self::UntrustedServer(_) => io::ErrorKind::PermissionDenied,
            Self::Refused { .. } => io::ErrorKind::ConnectionRefused,
            Self::OutboxFull => io::ErrorKind::WouldBlock,
            Self::NameTaken { .. } => io::ErrorKind::AddrInUse,
            Self::GaveUp { .. } | Self::Returned { .. } | Self::NotTaken { .. } => {
                io::ErrorKind::Other
            }
            _ => io::ErrorKind::InvalidInput,
        }
    }
}

/// For `Framed`, which needs this conversion for a codec's error and does not say which direction
/// failed. [`Connection`](crate::Connection) names the direction and the pipe.
impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        match source.downcast() {
            Ok(error) => error,
            Err(source) => Self::io(Operation::Transfer, None, source),
        }
    }
}

/// For code that uses [`io::Error`], such as tokio-serde's JSON over a
/// [`Connection`](crate::Connection): see `sink_err_into` and `err_into` in `futures`.
///
/// The [`io::Error`] holds this error, and converting it to an [`Error`] again takes it out. If the
/// operating system reported the failure, the kind is that of the operating system. Otherwise the
/// kind says whose fault it is: `InvalidData` for the peer's, `InvalidInput` for the caller's.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

/// For a name that is already a [`PipeName`](crate::PipeName).
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<TooLarge> for Error {
    fn from(TooLarge { len, max }: TooLarge) -> Self {
        Self::TooLarge { len, max }
    }
}

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<TextEncodeError> for Error {
    fn from(error: TextEncodeError) -> Self {
        Self::TextEncode(error)
    }
}

impl From<InvalidName> for Error {
    fn from(error: InvalidName) -> Self {
        Self::InvalidName(error)
    }
}

impl From<InvalidSid> for Error {
    fn from(error: InvalidSid) -> Self {
        Self::InvalidSid(error)
    }
}
