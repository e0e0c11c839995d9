//! A client as a `Stream` and a `Sink`.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;

use super::{Client, Connect};
use crate::error::Error;

/// Reports and connects as [`Client::receive`] does; it ends after
/// [shutdown](Client::shutdown_on), and no error ends it.
impl<C: Connect> Stream for Client<C> {
    type Item = Result<BytesMut, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_receive(cx)
    }
}

/// Accepts as [`Client::feed`] does, flushes as [`Client::flush`], and closes when the peer has read
/// everything; [`Client::take_returned`] then has the messages that came back.
impl<C: Connect> Sink<Bytes> for Client<C> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_room(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), Error> {
        if self.is_shut {
            return Err(Error::Closed);
        }
        self.ledger.accept(message);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_hand_over(cx))?;
        Poll::Ready(self.report())
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_finish(cx))?;
        Poll::Ready(self.report())
    }
}
