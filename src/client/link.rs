//! The connection that a client has, has lost, or is losing.
//!
//! ```text
//!              connected                 a write fails
//!   ┌──────┐ ────────────▶ ┌────┐ ─────────────────────▶ ┌───────────┐ what the peer had sent is
//!   │ Down │               │ Up │                        │ Salvaging │ still read
//!   └──────┘ ◀──────────── └────┘                        └───────────┘
//!      ▲       the peer's end, a read fails                    │
//!      └───────────────────────────────────────────────────────┘ end, failure, or the grace is over
//! ```

use std::{pin::Pin, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep},
};

use crate::connection::{Connection, Counters};

pub(super) enum Link<T> {
    Down,
    Up {
        connection: Connection<T>,
        since: Instant,
        /// The peer has shown that it does more than hang up.
        proven: bool,
    },
    Salvaging {
        connection: Connection<T>,
        grace: Pin<Box<Sleep>>,
    },
}

impl<T: AsyncRead + AsyncWrite + Unpin> Link<T> {
    /// The longest time for which a connection is read on that cannot be written to any more. Over a
    /// pipe such a connection ends by itself; another transport's may stay open.
    pub(super) const GRACE: Duration = Duration::from_secs(1);

    pub(super) fn up(&mut self) -> Option<&mut Connection<T>> {
        match self {
            Self::Up { connection, .. } => Some(connection),
            Self::Down | Self::Salvaging { .. } => None,
        }
    }

    pub(super) fn prove(&mut self) {
        if let Self::Up { proven, .. } = self {
            *proven = true;
        }
    }

    pub(super) fn counters(&self) -> Counters {
        match self {
            Self::Up { connection, .. } | Self::Salvaging { connection, .. } => {
                connection.counters()
            }
            Self::Down => Counters::default(),
        }
    }

    pub(super) fn unwritten(&self) -> usize {
        match self {
            Self::Up { connection, .. } => connection.unwritten(),
            Self::Down | Self::Salvaging { .. } => 0,
        }
    }
}
