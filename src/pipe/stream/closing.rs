//! Waiting for the peer, and ending one direction.

use std::{future::poll_fn, pin::Pin};

use super::PipeStream;
use crate::{
    connection::{Connection, DrainOutcome, Transport},
    error::{Error, Operation},
};

impl PipeStream {
    /// Waits until the peer has read everything that was written, without closing.
    ///
    /// [`DrainOutcome`] says how the wait ended, and how sure that is. Writing can go on after any
    /// outcome.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the wait cannot be begun, or fails for a reason that is not the peer's end.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped ends the wait and leaves nothing behind.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with time enabled.
    pub async fn drained(&mut self) -> Result<DrainOutcome, Error> {
        struct Wait<'a>(&'a mut PipeStream);

        impl Drop for Wait<'_> {
            fn drop(&mut self) {
                Pin::new(&mut *self.0).stop_draining();
            }
        }

        let wait = Wait(self);
        let done = poll_fn(|cx| Pin::new(&mut *wait.0).poll_drained(cx)).await;
        DrainOutcome::of_drain(done, Operation::Drain, wait.0.name())
    }

    /// Ends this direction and leaves the other open: waits until the peer has read everything,
    /// then tells the peer. On Windows this needs a message-type pipe.
    ///
    /// On Windows a message of no bytes is sent. A peer that reads messages takes it for the end of
    /// the stream: go-winio's `CloseWrite` does the same, and a [`Connection`] reads it as `None`.
    /// A peer that does not know it keeps waiting. On Unix the direction is shut down (shutdown(2):
    /// `SHUT_WR`). Every peer reads this as the end of the stream, and nothing can be written any
    /// more.
    ///
    /// The peer was told only if the outcome is [`DrainOutcome::Drained`], or
    /// [`DrainOutcome::Flushed`] where the system cannot tell.
    ///
    /// # Errors
    ///
    /// [`Error::HalfClose`] if the pipe is a byte-type pipe of Windows, where a write of no bytes
    /// does nothing. [`Error::Io`] as [`drained`](Self::drained).
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has told the peer nothing.
    ///
    /// # Panics
    ///
    /// As [`drained`](Self::drained).
    pub async fn close_write(&mut self) -> Result<DrainOutcome, Error> {
        self.check_half_close()?;
        match self.drained().await? {
            drained @ (DrainOutcome::Drained | DrainOutcome::Flushed) => {
                match poll_fn(|cx| Pin::new(&mut *self).poll_close_write(cx)).await {
                    Ok(()) => Ok(drained),
                    sent => DrainOutcome::of_drain(sent, Operation::Close, self.name()),
                }
            }
            closed => Ok(closed),
        }
    }

    fn check_half_close(&self) -> Result<(), Error> {
        match self.handle.can_half_close() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::HalfClose { pipe: self.name().cloned() }),
            Err(e) => Err(Error::io(Operation::Close, self.name(), e)),
        }
    }
}

impl Connection<PipeStream> {
    /// Ends the sending direction after everything queued was sent and the peer has read it: see
    /// [`PipeStream::close_write`]. On Windows this needs a message-type pipe.
    ///
    /// The peer was told only if the outcome is [`DrainOutcome::Drained`], or
    /// [`DrainOutcome::Flushed`] where the system cannot tell. Then nothing more can be sent, while
    /// messages can still be received.
    ///
    /// # Errors
    ///
    /// [`Error::HalfClose`] if the pipe is a byte-type pipe of Windows, and as
    /// [`drained`](Self::drained).
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has not ended the direction.
    ///
    /// # Panics
    ///
    /// As [`drained`](Self::drained).
    pub async fn close_write(&mut self) -> Result<DrainOutcome, Error> {
        self.get_ref().check_half_close()?;
        match self.drained().await? {
            DrainOutcome::Drained | DrainOutcome::Flushed => self.end_sending().await,
            closed => Ok(closed),
        }
    }
}
