//! What becomes of messages, as the outbox tells it.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use crate::error::{Error, Fate};

/// What is known about a message that was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivered {
    /// The transport has taken it and cannot tell more. TCP is such a transport. The message may be
    /// lost with the connection.
    HandedOver,
    /// The peer's end of the transport has read it.
    Read,
    /// The peer has [acknowledged](crate::Client::acknowledge) it.
    Acknowledged,
}

/// The receiver of the fates of messages. It gets each fate once.
pub(super) trait Tell {
    /// The messages with these numbers are delivered, except those whose fate was told before.
    fn delivered(&mut self, ids: Range<u64>, how: Delivered);

    /// This message comes back.
    fn returned(&mut self, id: u64, message: Bytes, fate: Fate, cause: &Arc<Error>);
}
