//! The faults that a test can ask for.

use std::io;

use crate::retry::attempts::Failure;

/// Why a simulated pipe does not let a client in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The server has no free instance (`ERROR_PIPE_BUSY`).
    Busy,
    /// There is no such pipe (`ERROR_FILE_NOT_FOUND`), although somebody may listen.
    NotFound,
    /// The pipe does not let this user in (`ERROR_ACCESS_DENIED`).
    AccessDenied,
}

impl Refusal {
    pub(super) fn failure(self) -> Failure {
        match self {
            Self::Busy => Failure::Busy,
            Self::NotFound => Failure::NotFound,
            Self::AccessDenied => Failure::AccessDenied,
        }
    }

    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Busy => io::ErrorKind::ResourceBusy,
            Self::NotFound => io::ErrorKind::NotFound,
            Self::AccessDenied => io::ErrorKind::PermissionDenied,
        }
        .into()
    }
}

/// How a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cut {
    /// The connection breaks as if the process at the other end was killed. What it had written is
    /// still read, and then the stream ends. Writing fails with `BrokenPipe`.
    End,
    /// The connection breaks as if the server disconnects the pipe: reading and writing fail with
    /// `ConnectionReset`.
    Reset,
}

impl Cut {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::End => io::ErrorKind::BrokenPipe,
            Self::Reset => io::ErrorKind::ConnectionReset,
        }
        .into()
    }
}

/// The faults of one connection. Each setter names its default.
///
/// # Examples
///
/// ```
/// use npipes::simulated::{Cut, Faults};
///
/// // A reply that arrives in pieces and is cut off after ten bytes.
/// const FAULTS: Faults = Faults::new().split(4096).cut_to_client(10, Cut::End);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct Faults {
    pub(super) split: Option<usize>,
    pub(super) to_server: Option<(u64, Cut)>,
    pub(super) to_client: Option<(u64, Cut)>,
}

impl Faults {
    /// Returns no faults.
    pub const fn new() -> Self {
        Self { split: None, to_server: None, to_client: None }
    }

    /// Limits each read to this many bytes, at either end. 0 counts as 1. The default is no limit.
    /// Tokio's pipes have read 4,096 bytes at a time.
    pub const fn split(mut self, bytes: usize) -> Self {
        self.split = Some(if bytes == 0 { 1 } else { bytes });
        self
    }

    /// Breaks the connection when the client has written this many bytes, including headers and
    /// checksums of frames. The server can read exactly these bytes. The default is not to break
    /// it.
    ///
    /// As on a pipe, the write that breaks the connection succeeds, since it was queued. The next
    /// write fails.
    pub const fn cut_to_server(mut self, after: u64, cut: Cut) -> Self {
        self.to_server = Some((after, cut));
        self
    }

    /// Breaks the connection when the server has written this many bytes, in the same way as
    /// [`cut_to_server`](Self::cut_to_server).
    pub const fn cut_to_client(mut self, after: u64, cut: Cut) -> Self {
        self.to_client = Some((after, cut));
        self
    }
}
