//! What the rest of the crate asks of a connection that it drives itself.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Connection, DrainOutcome};
use crate::error::{Error, Operation};

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Queues one message after `poll_ready`, and leaves it with the caller, who may need it again.
    pub(crate) fn start_send_kept(&mut self, message: &Bytes) -> Result<(), Error> {
        self.writer.start_send(message)
    }

    /// Returns how many of the written bytes the peer has not read at most, if that is known.
    pub(crate) fn unread_at_most(&mut self) -> Option<u64> {
        self.io.unread_at_most()
    }

    /// Sends what is queued and polls until the peer has read everything, until the deadline, as
    /// [`drained`](Self::drained) does.
    pub(crate) fn poll_drained(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<DrainOutcome, Error>> {
        self.writer.poll_drain(Operation::Drain, Pin::new(&mut self.io), cx)
    }

    /// As [`close`](Self::close), without discarding what the peer sends.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<DrainOutcome, Error>> {
        self.writer.poll_drain(Operation::Close, Pin::new(&mut self.io), cx)
    }

    /// Returns how many bytes of fed frames the transport has not taken. A frame is whole at the
    /// peer at the earliest when the transport has taken its last byte.
    pub(crate) fn unwritten(&self) -> usize {
        self.writer.unwritten()
    }

    /// Ends the sending direction and keeps the receiving one. To be called when everything was
    /// [drained](Self::drained).
    #[cfg_attr(not(windows), expect(dead_code, reason = "only pipe/ uses it"))]
    pub(crate) async fn end_sending(&mut self) -> Result<DrainOutcome, Error> {
        poll_fn(|cx| self.writer.poll_close_write(Pin::new(&mut self.io), cx)).await
    }
}
