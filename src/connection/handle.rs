//! A connection: both directions over one stream of bytes.

use std::{fmt, future::poll_fn, pin::Pin, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::Span;

use super::{
    AbortHandle, Batch, ConnectionOptions, ConnectionStats, DrainOutcome, Origin, ReceiveHalf,
    SendHalf, Transport, drain::Drain, reader::Reader, split, telemetry::Telemetry,
    transport::Whole, writer::Writer,
};
use crate::{
    error::{Error, Operation},
    frame::Dialect,
    text::TextEncoding,
};

/// Messages over a stream of bytes: each one framed, checksummed, and whole.
///
/// It is a [`Stream`](futures_core::Stream) of payloads and a [`Sink`](futures_sink::Sink) for them,
/// and has methods of its own for both. Over a pipe it comes from a `Listener` or from `connect`;
/// [`new`](Self::new) makes one over anything else that reads and writes.
///
/// The stream yields an `Err` for a corrupt frame and goes on with the next one
/// ([`FrameError::is_skippable`](crate::frame::FrameError::is_skippable)). Any other `Err` is the
/// last item.
///
/// # Dropping it
///
/// It drops the transport, and what is queued. Over a pipe, what was sent is not taken back: up to
/// the size of the pipe's buffer it is the operating system's, and the peer can read it when this
/// process is long gone. More than that is written by the runtime as the peer makes room; it is lost
/// if the process ends or the runtime is dropped first, and nobody is told. [`close`](Self::close)
/// is what waits and tells.
///
/// # Cancel safety
///
/// Each method says what happens when its future is dropped before it is done. No message that
/// arrives is lost, and never does half a frame go out followed by something else.
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
    /// It takes any stream of bytes, so it cannot know what the peer has read: see
    /// [`with_transport`](Self::with_transport).
    pub fn new(io: T) -> Self {
        Self::with_options(io, &ConnectionOptions::new())
    }

    /// Returns a connection over `io`, as [`new`](Self::new) does.
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
    /// On a pipe that means that the write is queued, not that the peer has read it: see
    /// [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] leaves the connection as it was. After [`Error::Io`] and
    /// [`Error::Closed`] nothing more can be sent.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped may or may not have sent the message: if it got as far as queueing
    /// it, the next flush or send carries it on.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Queues one message, to share a write with others; writes only when the queue is full.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has not queued the message.
    pub async fn feed(&mut self, message: impl Into<Bytes>) -> Result<(), Error> {
        poll_fn(|cx| self.writer.poll_ready(Pin::new(&mut self.io), cx)).await?;
        self.writer.start_send(&message.into())
    }

    /// Queues one message that is copied into its frame, where [`feed`](Self::feed) takes one that is
    /// handed over.
    ///
    /// This is for small messages in a buffer of the caller's. [`feed`](Self::feed) does not copy one of
    /// 8 KiB or more.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has not queued the message.
    pub async fn feed_slice(&mut self, message: &[u8]) -> Result<(), Error> {
        poll_fn(|cx| self.writer.poll_ready(Pin::new(&mut self.io), cx)).await?;
        self.writer.start_send_slice(message)
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
    /// reports a corrupt frame; the next call returns the next one. After any other error it
    /// returns `None` for ever.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what has arrived stays for the next call, and a
    /// [time limit](ConnectionOptions::frame_timeout) does not begin again.
    ///
    /// # Panics
    ///
    /// With a time limit set: outside a Tokio runtime with time enabled.
    pub async fn receive(&mut self) -> Result<Option<BytesMut>, Error> {
        poll_fn(|cx| self.reader.poll_receive(Pin::new(&mut self.io), cx)).await
    }

    /// Returns all messages that have arrived, one at least, or `None` when the peer has closed its
    /// end.
    ///
    /// This is for many small messages: [`receive`](Self::receive) gives each a buffer of its own, which
    /// can be kept; a batch lends them where they are.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive). A batch ends before a frame that is corrupt or no frame; the next
    /// call reports it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what has arrived, and what was not taken out of a batch, stays for the next call.
    ///
    /// # Panics
    ///
    /// As [`receive`](Self::receive).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), npipes::Error> {
    /// # let (mut sensor, mut connection) = npipes::Connection::pair();
    /// # sensor.feed_slice(&[1; 8]).await?;
    /// # sensor.feed_slice(&[2; 8]).await?;
    /// # sensor.flush().await?;
    /// # drop(sensor);
    /// let mut sum = 0;
    /// while let Some(batch) = connection.receive_batch().await? {
    ///     for reading in batch {
    ///         sum += u64::from(reading[0]);
    ///     }
    /// }
    /// assert_eq!(sum, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn receive_batch(&mut self) -> Result<Option<Batch<'_>>, Error> {
        poll_fn(|cx| self.reader.poll_arrived(Pin::new(&mut self.io), cx)).await?;
        Ok(self.reader.batch())
    }

    /// Sends what is queued, waits until the peer has read it, and closes.
    ///
    /// On a pipe this is the only way to know that the peer has read everything: a write is reported
    /// when it is queued. It takes no longer than the
    /// [close timeout](ConnectionOptions::close_timeout). What the peer has sent and was not
    /// received is read and discarded meanwhile, so that two ends that close at the same time do not
    /// wait for each other.
    ///
    /// After [`DrainOutcome::TimedOut`] the transport was [aborted](Self::abort): nothing of it is
    /// left, whatever the peer does.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if a write has failed before; [`Error::Io`] for any failure but the
    /// deadline's and the peer's end, which [`DrainOutcome`] tells.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped drops the connection, as if it had not been closed.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a Tokio runtime with time enabled.
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
    /// [`DrainOutcome`] says what came of it, and how sure that is: over a stream that is no
    /// [`Transport`] it is [`Flushed`](DrainOutcome::Flushed) at best. Unless it is
    /// [`PeerGone`](DrainOutcome::PeerGone) the connection stays as usable as it was.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if a write has failed before; [`Error::Io`] for any failure but the
    /// deadline's and the peer's end.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped ends the wait. What was not written stays queued.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a Tokio runtime with time enabled.
    pub async fn drained(&mut self) -> Result<DrainOutcome, Error> {
        Drain::new(&mut self.writer, Pin::new(&mut self.io)).await
    }

    /// Ends the connection at once, whatever the peer does: nothing of it is left, and the peer may
    /// not get what was sent and not read. See [`AbortHandle::abort`].
    pub fn abort(self)
    where
        T: Transport,
    {
        if let Some(handle) = self.abort_handle() {
            handle.abort();
        }
    }

    /// Returns what [aborts](Self::abort) the connection from anywhere; `None` if the transport has
    /// nothing of the kind, and dropping the connection is all that is needed.
    pub fn abort_handle(&self) -> Option<AbortHandle> {
        self.io.abort_handle()
    }

    /// Splits it into two halves that can be used at the same time, from two tasks.
    ///
    /// The halves of a pipe have a handle each. Those of a stream that is no [`Transport`] share it
    /// under a lock, which is held for one poll at a time.
    pub fn split(self) -> (SendHalf<T>, ReceiveHalf<T>) {
        split::split(self)
    }

    /// Returns the transport. Bytes that were received or queued and not handed on are lost:
    /// [`into_parts`](Self::into_parts) returns them too.
    pub fn into_inner(self) -> T {
        self.io.io
    }

    /// Returns the transport. Reading from it or writing to it breaks the framing.
    pub fn get_ref(&self) -> &T {
        &self.io.io
    }

    /// Returns the dialect that it speaks: the peer's, once that was
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

    /// Returns the span that the connection's [events](crate::observability) are in, to be entered
    /// by what works on the connection's behalf.
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
