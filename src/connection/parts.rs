//! The parts of a connection.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Connection, ConnectionOptions, Transport,
    telemetry::Origin,
    transport::{Abilities, Whole},
};

/// The parts of a connection.
///
/// # Examples
///
/// A greeting comes before the first frame, and more may have arrived with it:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bytes::BytesMut;
/// use npipes::{Connection, ConnectionOptions, connection::ConnectionParts};
/// use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
/// # let (mut peer, io) = tokio::io::duplex(64);
/// # peer.write_all(b"HELLO 2\n\x0d\0\0\0\x01\0\0\0a\x43\xbe\xb7\xe8").await?;
///
/// let mut reader = BufReader::new(io);
/// let mut greeting = String::new();
/// reader.read_line(&mut greeting).await?;
/// let unread = BytesMut::from(reader.buffer());
///
/// let mut parts = ConnectionParts::new(reader.into_inner());
/// parts.unread = unread;
/// let mut connection = Connection::from_parts(parts, &ConnectionOptions::new());
/// assert_eq!(connection.receive().await?.unwrap(), b"a"[..]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ConnectionParts<T> {
    /// The transport.
    pub io: T,
    /// Received bytes that belong to no message handed out: whole frames, then perhaps the
    /// beginning of one.
    pub unread: BytesMut,
    /// Bytes of frames that were queued and not written, perhaps from the middle of a frame.
    pub unsent: BytesMut,
    abilities: Abilities<T>,
}

impl<T> ConnectionParts<T> {
    /// Returns the parts of a connection over any stream of bytes. Nothing has been read or queued.
    pub fn new(io: T) -> Self {
        Self::of(Whole::stream(io), BytesMut::new(), BytesMut::new())
    }

    /// Returns the parts of a connection over a transport. Nothing has been read or queued.
    pub fn with_transport(io: T) -> Self
    where
        T: Transport,
    {
        Self::of(Whole::transport(io), BytesMut::new(), BytesMut::new())
    }

    fn of(io: Whole<T>, unread: BytesMut, unsent: BytesMut) -> Self {
        let (io, abilities) = io.into_parts();
        Self { io, unread, unsent, abilities }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Returns the transport and what the connection still holds.
    pub fn into_parts(self) -> ConnectionParts<T> {
        ConnectionParts::of(self.io, self.reader.into_unread(), self.writer.into_unsent())
    }

    /// Returns a connection that continues from its parts. It reads `unread` before anything that
    /// the transport reads, and writes `unsent` first, in one write.
    pub fn from_parts(parts: ConnectionParts<T>, options: &ConnectionOptions) -> Self {
        let ConnectionParts { io, unread, unsent, abilities } = parts;
        let io = Whole::from_parts(io, abilities);
        let Self { io, reader, writer, text } = Self::with_origin(io, options, Origin::default());
        Self { io, reader: reader.with_unread(unread), writer: writer.with_unsent(unsent), text }
    }
}
