//! The two halves of a connection, for two tasks.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::Span;

use super::{
    AbortHandle, Connection, ConnectionStats, DrainOutcome, Transport, drain::Drain, read_text,
    reader::Reader, transport::Half, writer::Writer,
};
use crate::{error::Error, frame::Dialect, text::TextEncoding};

pub(super) fn split<T>(connection: Connection<T>) -> (SendHalf<T>, ReceiveHalf<T>) {
    let Connection { io, reader, writer, text } = connection;
    let (sending, receiving) = Half::split(io);
    (SendHalf { io: sending, writer, text }, ReceiveHalf { io: receiving, reader, text })
}

/// The sending half of a [`Connection`].
///
/// The transport closes when both halves are dropped.
pub struct SendHalf<T> {
    pub(super) io: Half<T>,
    pub(super) writer: Writer,
    text: TextEncoding,
}

impl<T: AsyncWrite + Unpin> SendHalf<T> {
    /// Sends one message, as [`Connection::send`] does.
    ///
    /// # Errors
    ///
    /// The same as [`Connection::send`].
    ///
    /// # Cancel safety
    ///
    /// The same as [`Connection::send`]: the message may or may not be sent, but never half of it.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Sends one message that is a text, as [`Connection::send_text`] does.
    ///
    /// # Errors
    ///
    /// The same as [`Connection::send_text`].
    ///
    /// # Cancel safety
    ///
    /// The same as [`Connection::send`].
    pub async fn send_text(&mut self, text: &str) -> Result<(), Error> {
        let message = self.text.encode(text)?;
        self.send(message).await
    }

    /// Queues one message, as [`Connection::feed`] does.
    ///
    /// # Errors
    ///
    /// The same as [`Connection::send`].
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
    /// The same as [`Connection::flush`].
    ///
    /// # Cancel safety
    ///
    /// What was not written stays queued.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.writer.poll_flush(Pin::new(&mut self.io), cx)).await
    }

    /// Sends what is queued, waits until the peer has read it, and tells the peer that nothing more
    /// comes. The other half can still receive.
    ///
    /// On a message-type pipe, the end is a message of no bytes, and a [`Connection`] reads it as
    /// the end. A byte-type pipe cannot end one direction alone. A stream that is not a
    /// [`Transport`] is shut down: TCP then tells its peer.
    ///
    /// The peer was told only if the outcome is [`DrainOutcome::Drained`] or
    /// [`DrainOutcome::Flushed`]. After [`DrainOutcome::TimedOut`] the other half can still
    /// receive. When the other half is dropped, what this half has written and the transport has
    /// not taken is cancelled at once.
    ///
    /// # Errors
    ///
    /// [`Error::HalfClose`] if this direction cannot be ended alone. What was queued was then sent,
    /// and the peer has read it. Other errors are those of [`Connection::close`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future drops this half, as if it had not been closed.
    ///
    /// # Panics
    ///
    /// The same as [`Connection::close`].
    pub async fn close(mut self) -> Result<DrainOutcome, Error> {
        let closed = self.close_write().await;
        if let Ok(DrainOutcome::TimedOut { .. }) = closed {
            self.io.set_linger(Duration::ZERO);
        }
        closed
    }

    /// Ends this direction as [`close`](Self::close) does, and keeps the half, so that you can
    /// [`reunite`](Self::reunite) it.
    ///
    /// # Errors
    ///
    /// The same as [`close`](Self::close).
    ///
    /// # Cancel safety
    ///
    /// A dropped future has not told the peer. What was not written stays queued.
    ///
    /// # Panics
    ///
    /// The same as [`Connection::close`].
    pub async fn close_write(&mut self) -> Result<DrainOutcome, Error> {
        match self.drained().await? {
            DrainOutcome::Drained | DrainOutcome::Flushed => {
                poll_fn(|cx| self.writer.poll_close_write(Pin::new(&mut self.io), cx)).await
            }
            closed => Ok(closed),
        }
    }

    /// Sends what is queued and waits until the peer has read everything, as
    /// [`Connection::drained`] does.
    ///
    /// # Errors
    ///
    /// The same as [`Connection::drained`].
    ///
    /// # Cancel safety
    ///
    /// The same as [`Connection::drained`].
    ///
    /// # Panics
    ///
    /// The same as [`Connection::drained`].
    pub async fn drained(&mut self) -> Result<DrainOutcome, Error> {
        Drain::new(&mut self.writer, Pin::new(&mut self.io)).await
    }

    /// Returns the span that the connection's events are in: [`Connection::span`].
    pub fn span(&self) -> &Span {
        self.writer.telemetry().span()
    }

    /// Returns what has been sent so far, and how many attempts to connect failed.
    #[must_use]
    pub fn stats(&self) -> ConnectionStats {
        self.writer.telemetry().stats()
    }

    /// Returns whether `half` comes from the same connection.
    #[must_use]
    pub fn is_pair_of(&self, half: &ReceiveHalf<T>) -> bool {
        self.writer.answers(&half.reader)
    }

    /// Puts the connection together again.
    ///
    /// # Panics
    ///
    /// Panics if `half` comes from another connection: see [`is_pair_of`](Self::is_pair_of).
    #[must_use]
    pub fn reunite(self, half: ReceiveHalf<T>) -> Connection<T> {
        assert!(self.is_pair_of(&half), "the halves are of two connections");
        match Half::join(self.io, half.io) {
            Some(io) => {
                Connection { io, reader: half.reader, writer: self.writer, text: self.text }
            }
            None => unreachable!("halves of one connection hold its transport in the same way"),
        }
    }
}

/// Closing the sink waits until the peer has read everything. If the transport can end one direction
/// alone, the sink then tells the peer that nothing more comes: see [`SendHalf::close`].
impl<T: AsyncWrite + Unpin> Sink<Bytes> for SendHalf<T> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut *self;
        this.writer.poll_ready(Pin::new(&mut this.io), cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), Error> {
        self.writer.start_send(&message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut *self;
        this.writer.poll_flush(Pin::new(&mut this.io), cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut *self;
        this.writer.poll_close_half(Pin::new(&mut this.io), cx)
    }
}

/// The receiving half of a [`Connection`].
///
/// The transport closes when both halves are dropped.
pub struct ReceiveHalf<T> {
    pub(super) io: Half<T>,
    pub(super) reader: Reader,
    text: TextEncoding,
}

impl<T: AsyncRead + Unpin> ReceiveHalf<T> {
    /// Returns the next message, or `None` when the peer has closed its end.
    ///
    /// # Errors
    ///
    /// The same as [`Connection::receive`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what has arrived stays for the next call.
    pub async fn receive(&mut self) -> Result<Option<BytesMut>, Error> {
        poll_fn(|cx| self.reader.poll_receive(Pin::new(&mut self.io), cx)).await
    }

    /// Returns the next message as a text, as [`Connection::receive_text`] does.
    ///
    /// # Errors
    ///
    /// The same as [`Connection::receive_text`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what has arrived stays for the next call.
    pub async fn receive_text(&mut self) -> Result<Option<String>, Error> {
        let message = self.receive().await?;
        message.map(|payload| read_text(self.text, payload.freeze())).transpose()
    }

    /// Returns the dialect that the connection speaks: [`Connection::dialect`].
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.reader.dialect()
    }

    /// Returns what has been received so far.
    #[must_use]
    pub fn stats(&self) -> ConnectionStats {
        self.reader.telemetry().stats()
    }

    /// Returns the span that the connection's events are in: [`Connection::span`].
    pub fn span(&self) -> &Span {
        self.reader.telemetry().span()
    }
}

impl<T: AsyncRead + Unpin> Stream for ReceiveHalf<T> {
    type Item = Result<BytesMut, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.reader.poll_next(Pin::new(&mut this.io), cx)
    }
}

impl<T: AsyncRead + Unpin> FusedStream for ReceiveHalf<T> {
    fn is_terminated(&self) -> bool {
        self.reader.has_ended()
    }
}

/// The methods of both halves.
macro_rules! half {
    ($half:ident) => {
        impl<T> $half<T> {
            /// Ends the connection at once, whatever the peer does, as [`Connection::abort`] does.
            /// The other half finds it ended.
            pub fn abort(self)
            where
                T: Transport,
            {
                if let Some(handle) = self.abort_handle() {
                    handle.abort();
                }
            }

            /// Returns a handle that ends the connection at once, from anywhere:
            /// [`Connection::abort_handle`].
            #[must_use]
            pub fn abort_handle(&self) -> Option<AbortHandle> {
                self.io.abort_handle()
            }

            /// Calls `ask` with the transport and returns its result.
            #[cfg_attr(not(any(unix, windows)), expect(dead_code, reason = "only pipe/ uses it"))]
            pub(crate) fn with_io<R>(&self, ask: impl FnOnce(&T) -> R) -> R {
                self.io.with_io(ask)
            }
        }

        impl<T> fmt::Debug for $half<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($half)).finish_non_exhaustive()
            }
        }
    };
}

half!(SendHalf);
half!(ReceiveHalf);
