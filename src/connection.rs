//! Messages over any stream of bytes: `Stream`, `Sink`, and methods of its own so that ordinary use
//! needs no extension trait. No task, no lock, no clock.

mod reader;
mod split;
mod writer;

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::split::{ReceiveHalf, SendHalf};
use self::{reader::Reader, writer::Writer};
use crate::{
    error::{Error, Undrained},
    frame::FrameFormat,
    name::PipeName,
};

/// How a [`Connection`] behaves; each setter says its default.
///
/// # Examples
///
/// ```
/// use npipes::{Connection, ConnectionOptions, FrameFormat};
///
/// let (near, _far) = tokio::io::duplex(4096);
/// let options = ConnectionOptions::new().format(FrameFormat::new().max_payload(1 << 20));
/// let connection = Connection::with_options(near, &options);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct ConnectionOptions {
    format: FrameFormat,
    frame_per_write: bool,
    high_water: usize,
}

impl ConnectionOptions {
    /// The default for [`send_buffer`](Self::send_buffer), in bytes: 64 KiB, which one write takes.
    pub const DEFAULT_SEND_BUFFER: usize = 64 * 1024;

    /// Returns the default options.
    pub const fn new() -> Self {
        Self {
            format: FrameFormat::new(),
            frame_per_write: false,
            high_water: Self::DEFAULT_SEND_BUFFER,
        }
    }

    /// Sets what a frame looks like and how large it may be. The default is [`FrameFormat::new`].
    pub const fn format(mut self, format: FrameFormat) -> Self {
        self.format = format;
        self
    }

    /// Writes each frame in one write of its own, even if several are fed before a flush. The
    /// default is to let frames share writes.
    ///
    /// On a message-type pipe one write is one message, and a peer that reads one message at a time
    /// expects one frame in it. Connections over such pipes do this without being told.
    pub const fn frame_per_write(mut self) -> Self {
        self.frame_per_write = true;
        self
    }

    /// Sets how many queued bytes make [`feed`](Connection::feed) write before it takes another
    /// message. The default is 64 KiB; the queue holds at most this and one frame more.
    pub const fn send_buffer(mut self, bytes: usize) -> Self {
        self.high_water = if bytes == 0 { 1 } else { bytes };
        self
    }
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How a connection ended that was [closed](Connection::close).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "only `Drained` says that the peer has everything"]
pub enum Closed {
    /// Everything sent was handed over. On a pipe: the peer has read it. On another transport: its
    /// shutdown succeeded, which for TCP means that the operating system has the bytes.
    Drained,
    /// The deadline passed before the peer had read everything.
    TimedOut {
        /// Bytes that the peer had not read, where the operating system tells.
        unread: Option<u64>,
    },
    /// The peer closed its end, or disconnected the pipe, before it had read everything.
    PeerGone,
}

/// Messages over a stream of bytes: each one framed, checksummed, and whole.
///
/// It is a [`Stream`] of payloads and a [`Sink`] for them, and has methods of its own for both. Over
/// a pipe it comes from a `Listener` or from `connect`; [`new`](Self::new) makes one over anything
/// else that reads and writes.
///
/// The stream yields an `Err` for a corrupt frame and goes on with the next one
/// ([`FrameError::is_skippable`](crate::FrameError::is_skippable)). Any other `Err` is the last item.
///
/// Dropping it drops the transport; what was sent but not [closed](Self::close) may be lost.
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
    io: T,
    reader: Reader,
    writer: Writer,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Returns a connection over `io` with the default options.
    pub fn new(io: T) -> Self {
        Self::with_options(io, &ConnectionOptions::new())
    }

    /// Returns a connection over `io`.
    pub fn with_options(io: T, options: &ConnectionOptions) -> Self {
        Self::over_pipe(io, options, None)
    }

    /// Returns a connection whose errors name a pipe.
    pub(crate) fn over_pipe(io: T, options: &ConnectionOptions, pipe: Option<PipeName>) -> Self {
        let &ConnectionOptions { format, frame_per_write, high_water } = options;
        let detected = Arc::default();
        let reader = Reader::new(format, Arc::clone(&detected), pipe.clone());
        let writer = Writer::new(format, detected, pipe, frame_per_write, high_water);
        Self { io, reader, writer }
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
        self.writer.start_send(message.into())
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
    /// [`Error::Frame`] with an error that [is skippable](crate::FrameError::is_skippable) reports a
    /// corrupt frame; the next call returns the next one. After any other error it returns `None`
    /// for ever.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what has arrived stays for the next call.
    pub async fn receive(&mut self) -> Result<Option<BytesMut>, Error> {
        poll_fn(|cx| self.reader.poll_receive(Pin::new(&mut self.io), cx)).await
    }

    /// Sends what is queued, waits until the peer has it, and closes.
    ///
    /// On a pipe this is the only way to know that the peer has read everything: a write is reported
    /// when it is queued. What the peer has sent and was not received is lost.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if a write has failed before; [`Error::Io`] for any failure but the
    /// deadline's and the peer's end, which [`Closed`] tells.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped drops the connection, as if it had not been closed.
    pub async fn close(mut self) -> Result<Closed, Error> {
        let done = poll_fn(|cx| self.writer.poll_close(Pin::new(&mut self.io), cx)).await;
        Closed::from_outcome(done)
    }

    /// Splits it into two halves that can be used at the same time, from two tasks.
    pub fn split(self) -> (SendHalf<T>, ReceiveHalf<T>) {
        split::split(self.io, self.reader, self.writer)
    }

    /// Returns the transport. Bytes that were received or queued and not handed on are lost:
    /// [`into_parts`](Self::into_parts) returns them too.
    pub fn into_inner(self) -> T {
        self.io
    }

    /// Returns the transport and what the connection still holds.
    pub fn into_parts(self) -> Parts<T> {
        Parts { io: self.io, unread: self.reader.into_unread(), unsent: self.writer.into_unsent() }
    }

    /// Returns the transport. Reading from it or writing to it breaks the framing.
    pub fn get_ref(&self) -> &T {
        &self.io
    }
}

impl Closed {
    fn from_outcome(outcome: Result<(), Error>) -> Result<Self, Error> {
        match outcome {
            Ok(()) => Ok(Self::Drained),
            Err(Error::Closed) => Err(Error::Closed),
            Err(e) if e.is_timeout() => Ok(Self::TimedOut { unread: Undrained::unread(&e) }),
            Err(e) if e.is_closed() => Ok(Self::PeerGone),
            Err(e) => Err(e),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for Connection<T> {
    type Item = Result<BytesMut, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.reader.poll_next(Pin::new(&mut this.io), cx)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> FusedStream for Connection<T> {
    fn is_terminated(&self) -> bool {
        self.reader.has_ended()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Sink<Bytes> for Connection<T> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut *self;
        this.writer.poll_ready(Pin::new(&mut this.io), cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), Error> {
        self.writer.start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut *self;
        this.writer.poll_flush(Pin::new(&mut this.io), cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut *self;
        this.writer.poll_close(Pin::new(&mut this.io), cx)
    }
}

impl<T: fmt::Debug> fmt::Debug for Connection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("io", &self.io).finish_non_exhaustive()
    }
}

/// A connection taken apart.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts<T> {
    /// The transport.
    pub io: T,
    /// Bytes received that belong to no message handed out: whole frames, then perhaps the
    /// beginning of one.
    pub unread: BytesMut,
    /// Bytes of frames queued and not written, perhaps from the middle of one.
    pub unsent: BytesMut,
}
