//! Methods for the rest of the crate, which drives a connection by polling.

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
    /// Queues one message after `poll_ready`. The caller keeps the message, since it may need it
    /// again.
    pub(crate) fn start_send_kept(&mut self, message: &Bytes) -> Result<(), Error> {
        self.writer.start_send(message)
    }

    /// Returns an upper bound for the written bytes that the peer has not read, if one is known.
    pub(crate) fn unread_at_most(&mut self) -> Option<u64> {
        self.io.unread_at_most()
    }

    /// Sends what is queued and polls until the peer has read everything or the deadline has
    /// passed, as [`drained`](Self::drained) does.
    pub(crate) fn poll_drained(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<DrainOutcome, Error>> {
        self.writer.poll_drain(Operation::Drain, Pin::new(&mut self.io), cx)
    }

    /// Does the same as [`close`](Self::close), but does not discard what the peer sends.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<DrainOutcome, Error>> {
        self.writer.poll_drain(Operation::Close, Pin::new(&mut self.io), cx)
    }

    /// Returns how many bytes of fed frames the transport has not taken. The peer cannot have a
    /// whole frame before the transport has taken its last byte.
    pub(crate) fn unwritten(&self) -> usize {
        self.writer.unwritten()
    }

    /// Ends the sending direction and keeps the receiving one. Call it only after everything was
    /// [drained](Self::drained).
    #[cfg_attr(not(any(unix, windows)), expect(dead_code, reason = "only pipe/ uses it"))]
    pub(crate) async fn end_sending(&mut self) -> Result<DrainOutcome, Error> {
        poll_fn(|cx| self.writer.poll_close_write(Pin::new(&mut self.io), cx)).await
    }
}
