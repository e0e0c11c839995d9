//! A connection as a `Stream` and a `Sink`.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Connection;
use crate::error::Error;

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

/// Closing the sink waits as [`Connection::close`] does, but discards nothing: messages can still
/// be received afterwards. A peer that has read everything and left is no error.
impl<T: AsyncRead + AsyncWrite + Unpin> Sink<Bytes> for Connection<T> {
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
        this.writer.poll_close(Pin::new(&mut this.io), cx)
    }
}
