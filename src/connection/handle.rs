//! A connection: both directions over one stream of bytes.

use std::{fmt, future::poll_fn, pin::Pin, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::Span;

use super::{
    AbortHandle, ConnectionOptions, ConnectionStats, DrainOutcome, Origin, ReceiveHalf, SendHalf,
    Transport, drain::Drain, reader::Reader, split, telemetry::Telemetry, transport::Whole,
    writer::Writer,
};
use crate::{
    error::{Error, Operation},
    frame::Dialect,
    text::TextEncoding,
};

/// Messages over a stream of bytes. Each message is framed, checksummed, and whole.
///
/// A connection is a [`Stream`](futures_core::Stream) of payloads and a
/// [`Sink`](futures_sink::Sink) for them, and has inherent methods for both. A `Listener` and
/// `connect` return connections over pipes. [`new`](Self::new) makes one over anything else that
/// reads and writes.
///
/// The stream yields an `Err` for a corrupt frame and goes on with the next one
/// ([`FrameError::is_skippable`](crate::frame::FrameError::is_skippable)). Any other `Err` is the
/// last item.
///
/// # Dropping a connection
///
/// Dropping a connection drops the transport and what is queued. Over a pipe, sent bytes are not
/// taken back. The operating system holds them, up to the size of the pipe's buffer, and the peer
/// can read them even after this process has ended. The runtime writes the rest as the peer makes
/// room, for the [linger](ConnectionOptions::linger) time at most. The rest is lost if the process
/// ends or the runtime is dropped first, and no error reports it. [`close`](Self::close) waits until
/// everything is read, and reports what was not.
///
/// # Cancel safety
///
/// Each method says what happens when its future is dropped before it is done. No message that has
/// arrived is lost, and nothing else is ever sent after half a frame.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), npipes::Error> {
/// use npipes::Connection;
///
/// let (near, far) = tokio::io::duplex(4096);
/// let (mut near, mut far) = (Connection::new(near), Connection::new(far));
///
/// near.send("Hello").await?;
/// assert_eq!(far.receive().await?.unwrap(), b"Hello"[..]);
/// # Ok(())
/// # }
/// ```
pub struct Connection<T> {
    pub(super) io: Whole<T>,
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    pub(super) text: TextEncoding,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Returns a connection over `io` with the default options.
    ///
    /// It takes any stream of bytes, so it cannot know what the peer has read. See
    /// [`with_transport`](Self::with_transport) for a stream that can tell.
    pub fn new(io: T) -> Self {
        Self::with_options(io, &ConnectionOptions::new())
    }

    /// Returns a connection over `io` with these options. Otherwise it is the same as
    /// [`new`](Self::new).
    pub fn with_options(io: T, options: &ConnectionOptions) -> Self {
        Self::with_origin(Whole::stream(io), options, Origin::default())
    }

    /// Returns a connection over a transport that can tell whether the peer has read everything.
    ///
    /// Connections from a `Listener` and from `connect` are of this kind.
    pub fn with_transport(io: T, options: &ConnectionOptions) -> Self
    where
        T: Transport,
    {
        Self::over_transport(io, options, Origin::default())
    }

    /// Returns a connection whose errors and events say where it comes from.
    pub(crate) fn over_transport(io: T, options: &ConnectionOptions, origin: Origin) -> Self
    where
        T: Transport,
    {
        Self::with_origin(Whole::transport(io), options, origin)
    }

    pub(super) fn with_origin(io: Whole<T>, options: &ConnectionOptions, origin: Origin) -> Self {
        let (receiving, sending) = Telemetry::pair(&origin);
        let pipe = origin.pipe;
        let detected = Arc::default();
        let reader = Reader::new(options, Arc::clone(&detected), pipe.clone(), receiving);
        let writer = Writer::new(options, detected, pipe, sending);
        Self { io, reader, writer, text: options.text }
    }

    /// Sends one message, and returns when the transport has taken all of it.
    ///
    /// On a pipe this means that the message is handed over to the system or, on Windows, to the
    /// runtime. The peer may not have read it: see [`close`](Self::close).
    ///
    /// A `String`, a `Vec<u8>`, a literal and what [`receive`](Self::receive) returns become a
    /// [`Bytes`] without a copy. Of borrowed bytes make one with [`Bytes::copy_from_slice`]. For
    /// text there is [`send_text`](Self::send_text).
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] leaves the connection as it was. After [`Error::Io`] and
    /// [`Error::Closed`] nothing more can be sent.
    ///
    /// # Cancel safety
    ///
    /// A dropped future may or may not have sent the message. If the message was already queued,
    /// the next flush or send writes it.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Queues one message, so that it shares a write with others. Writes only when the queue is
    /// full.
    ///
    /// # Errors
    ///
    /// The same as [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// A dropped future has not queued the message.
    pub async fn feed(&mut self, message: impl Into<Bytes>) -> Result<(), Error> {
        poll_fn(|cx| self.writer.poll_ready(Pin::new(&mut self.io), cx)).await?;
        self.writer.start_send(&message.into())
    }

    /// Writes everything that was queued.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Closed`]: nothing more can be sent.
    ///
    /// # Cancel safety
    ///
    /// What was not written stays queued.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.writer.poll_flush(Pin::new(&mut self.io), cx)).await
    }

    /// Returns the next message, or `None` when the peer has closed its end.
    ///
    /// The payload is a part of the read buffer, without a copy.
    ///
    /// # Errors
    ///
    /// [`Error::Frame`] with an error that [is skippable](crate::frame::FrameError::is_skippable)
    /// reports a corrupt frame, and the next call returns the message after it. After any other
    /// error it returns `None` for ever.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what has arrived stays for the next call, and a
    /// [time limit](ConnectionOptions::frame_timeout) does not begin again.
    ///
    /// # Panics
    ///
    /// Panics if a time limit is set and the call is made outside a Tokio runtime with time
    /// enabled.
    pub async fn receive(&mut self) -> Result<Option<BytesMut>, Error> {
        poll_fn(|cx| self.reader.poll_receive(Pin::new(&mut self.io), cx)).await
    }

    /// Sends what is queued, waits until the peer has read it, and closes.
    ///
    /// On a pipe, only this and [`drained`](Self::drained) tell whether the peer has read
    /// everything, since a write is done when it is handed over. `close` takes no longer than the
    /// [close timeout](ConnectionOptions::close_timeout). Meanwhile it reads and discards what the
    /// peer has sent and this end has not received. So two ends that close at the same time do not
    /// wait for each other.
    ///
    /// After [`DrainOutcome::TimedOut`] the transport was [aborted](Self::abort): nothing of it is
    /// left, whatever the peer does.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if a write has failed before. [`Error::Io`] for any other failure; a
    /// passed deadline and a peer that has left are no errors but a [`DrainOutcome`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future drops the connection, as if it had not been closed.
    ///
    /// # Panics
    ///
    /// Panics if it has to wait outside a Tokio runtime with time enabled.
    pub async fn close(mut self) -> Result<DrainOutcome, Error> {
        let mut may_send_more = true;
        let closed = poll_fn(|cx| {
            let io = &mut self.io;
            let ended = self.writer.poll_drain(Operation::Close, Pin::new(io), cx);
            if ended.is_pending() && may_send_more {
                may_send_more = self.reader.poll_discard(Pin::new(io), cx).is_pending();
            }
            ended
        })
        .await?;
        if let (DrainOutcome::TimedOut { .. }, Some(handle)) = (closed, self.io.abort_handle()) {
            handle.abort();
        }
        Ok(closed)
    }

    /// Sends what is queued and waits until the peer has read everything, without closing.
    ///
    /// [`DrainOutcome`] says how the wait ended and how certain that is. Over a stream that is not
    /// a [`Transport`], the best outcome is [`Flushed`](DrainOutcome::Flushed). The connection
    /// stays as usable as it was, unless the outcome is [`PeerGone`](DrainOutcome::PeerGone).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if a write has failed before. [`Error::Io`] for any other failure; a
    /// passed deadline and a peer that has left are no errors.
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends the wait. What was not written stays queued.
    ///
    /// # Panics
    ///
    /// Panics if it has to wait outside a Tokio runtime with time enabled.
    pub async fn drained(&mut self) -> Result<DrainOutcome, Error> {
        Drain::new(&mut self.writer, Pin::new(&mut self.io)).await
    }

    /// Ends the connection at once, whatever the peer does. Nothing of it is left. The peer may not
    /// get what was sent and what it had not read. See [`AbortHandle::abort`].
    pub fn abort(self)
    where
        T: Transport,
    {
        if let Some(handle) = self.abort_handle() {
            handle.abort();
        }
    }

    /// Returns a handle that [aborts](Self::abort) the connection from anywhere. Returns `None` if
    /// the transport has no such handle; dropping the connection is then enough.
    #[must_use]
    pub fn abort_handle(&self) -> Option<AbortHandle> {
        self.io.abort_handle()
    }

    /// Splits the connection into two halves that two tasks can use at the same time.
    ///
    /// Each half of a pipe has its own handle. The halves of a stream that is not a [`Transport`]
    /// share the stream under a lock, which is held for one poll at a time.
    #[must_use]
    pub fn split(self) -> (SendHalf<T>, ReceiveHalf<T>) {
        split::split(self)
    }

    /// Returns the transport. Received bytes that were not handed out and queued bytes that were
    /// not written are lost. [`into_parts`](Self::into_parts) returns them too.
    pub fn into_inner(self) -> T {
        self.io.io
    }

    /// Returns the transport. Reading from it or writing to it breaks the framing.
    pub fn get_ref(&self) -> &T {
        &self.io.io
    }

    /// Returns the dialect that the connection speaks. It is the peer's dialect once that was
    /// [detected](crate::frame::FrameFormat::detect_dialect).
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.reader.dialect()
    }

    /// Returns what has gone over the connection so far.
    #[must_use]
    pub fn stats(&self) -> ConnectionStats {
        self.reader.telemetry().stats().plus(self.writer.telemetry().stats())
    }

    /// Returns the span of the connection's [events](crate::observability). Enter it in code that
    /// works for the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use npipes::{Connection, Error};
    /// use tokio::io::DuplexStream;
    /// use tracing::Instrument;
    ///
    /// async fn handle(mut connection: Connection<DuplexStream>) -> Result<(), Error> {
    ///     while let Some(order) = connection.receive().await? {
    ///         tracing::info!(len = order.len(), "an order");
    ///     }
    ///     Ok(())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (near, _far) = Connection::pair();
    /// let span = near.span().clone();
    /// tokio::spawn(handle(near).instrument(span));
    /// # }
    /// ```
    pub fn span(&self) -> &Span {
        self.writer.telemetry().span()
    }
}

impl<T: fmt::Debug> fmt::Debug for Connection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("io", &self.io.io).finish_non_exhaustive()
    }
}
