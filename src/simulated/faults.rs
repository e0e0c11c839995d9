//! What a test can have go wrong.

use std::io;

use crate::retry::attempts::Failure;

/// Why a simulated pipe lets no client in.
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
    /// As when the process at the other end is killed: what it had written is still read, then comes
    /// the end of the stream; writing fails with `BrokenPipe`.
    End,
    /// As when the server disconnects the pipe: reading and writing fail with `ConnectionReset`.
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

/// What is wrong with one connection; each setter says its default.
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

    /// Lets no read return more than this many bytes, at either end; 0 counts as 1. The default is no
    /// limit. Tokio's pipes have read 4,096 at a time.
    pub const fn split(mut self, bytes: usize) -> Self {
        self.split = Some(if bytes == 0 { 1 } else { bytes });
        self
    }

    /// Breaks the connection when the client has written this many bytes, headers and checksums of
    /// frames included: the server can read so many and no more. The default is not to.
    ///
    /// As on a pipe, the write that breaks it succeeds, since it was queued; the next one fails.
    pub const fn cut_to_server(mut self, after: u64, cut: Cut) -> Self {
        self.to_server = Some((after, cut));
        self
    }

    /// Breaks the connection when the server has written this many bytes, as
    /// [`cut_to_server`](Self::cut_to_server) does for the client's.
    pub const fn cut_to_client(mut self, after: u64, cut: Cut) -> Self {
        self.to_client = Some((after, cut));
        self
    }
}
