//! A connection taken apart.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Connection;

/// A connection taken apart.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectionParts<T> {
    /// The transport.
    pub io: T,
    /// Bytes received that belong to no message handed out: whole frames, then perhaps the
    /// beginning of one.
    pub unread: BytesMut,
    /// Bytes of frames queued and not written, perhaps from the middle of one.
    pub unsent: BytesMut,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Returns the transport and what the connection still holds.
    pub fn into_parts(self) -> ConnectionParts<T> {
        ConnectionParts {
            io: self.io.io,
            unread: self.reader.into_unread(),
            unsent: self.writer.into_unsent(),
        }
    }
}
