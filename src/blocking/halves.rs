//! The halves of a connection, for two threads.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{
    Connection,
    runtime::{Calls, block_on},
};
use crate::{
    Peer,
    connection::{self, AbortHandle, Batch, ConnectionStats, DrainOutcome},
    error::{Error, Operation},
    pipe::stream::PipeStream,
    security::ServerIdentity,
};

/// The sending half of a [`Connection`]. The pipe closes when both halves are dropped.
#[derive(Debug)]
pub struct SendHalf {
    pub(super) inner: connection::SendHalf<PipeStream>,
    pub(super) calls: Calls,
}

/// The receiving half of a [`Connection`]. The pipe closes when both halves are dropped.
#[derive(Debug)]
pub struct ReceiveHalf {
    pub(super) inner: connection::ReceiveHalf<PipeStream>,
    pub(super) calls: Calls,
}

impl SendHalf {
    /// Sets how long each call may take, as [`Connection::set_timeout`] does.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.calls.timeout = timeout;
    }

    /// Sends one message, as [`Connection::send`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send(&mut self, message: impl Into<Bytes>) -> Result<(), Error> {
        self.calls.block_on(Operation::Write, self.inner.send(message))
    }

    /// Sends one message that is a text, as [`Connection::send_text`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::send_text`].
    pub fn send_text(&mut self, text: &str) -> Result<(), Error> {
        self.calls.block_on(Operation::Write, self.inner.send_text(text))
    }

    /// Queues one message, as [`Connection::feed`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn feed(&mut self, message: impl Into<Bytes>) -> Result<(), Error> {
        self.calls.block_on(Operation::Write, self.inner.feed(message))
    }

    /// Queues one message that is copied, as [`Connection::feed_slice`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn feed_slice(&mut self, message: &[u8]) -> Result<(), Error> {
        self.calls.block_on(Operation::Write, self.inner.feed_slice(message))
    }

    /// Writes everything that was queued.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.calls.block_on(Operation::Write, self.inner.flush())
    }

    /// Sends what is queued and waits until the peer has read it, as [`Connection::drained`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::drained`].
    pub fn drained(&mut self) -> Result<DrainOutcome, Error> {
        block_on(self.calls.without_timeout(Operation::Drain), self.inner.drained())
    }

    /// Ends this direction, as [`Connection::close_write`] does.
    ///
    /// # Errors
    ///
    /// As [`connection::SendHalf::close_write`], and [`Error::BlockingInRuntime`] inside a runtime.
    pub fn close_write(&mut self) -> Result<DrainOutcome, Error> {
        block_on(self.calls.without_timeout(Operation::Close), self.inner.close_write())
    }

    /// Puts the connection together again, with the timeout of this half.
    ///
    /// # Panics
    ///
    /// If `half` comes from another connection.
    #[must_use]
    pub fn reunite(self, half: ReceiveHalf) -> Connection {
        let Self { inner, calls } = self;
        Connection { inner: inner.reunite(half.inner), calls }
    }
}

impl ReceiveHalf {
    /// Sets how long each call may take, as [`Connection::set_timeout`] does.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.calls.timeout = timeout;
    }

    /// Returns the next message, as [`Connection::receive`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::receive`].
    pub fn receive(&mut self) -> Result<Option<BytesMut>, Error> {
        self.calls.block_on(Operation::Read, self.inner.receive())
    }

    /// Returns the next message as a text, as [`Connection::receive_text`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::receive_text`].
    pub fn receive_text(&mut self) -> Result<Option<String>, Error> {
        self.calls.block_on(Operation::Read, self.inner.receive_text())
    }

    /// Returns all messages that have arrived, as [`Connection::receive_batch`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::receive`].
    pub fn receive_batch(&mut self) -> Result<Option<Batch<'_>>, Error> {
        self.calls.block_on(Operation::Read, self.inner.receive_batch())
    }
}

/// The methods of a whole connection and of its halves.
macro_rules! end {
    ($end:ident) => {
        impl $end {
            /// Ends the connection at once, whatever the peer does:
            /// [`Connection::abort`](crate::Connection::abort). Another half finds it ended.
            pub fn abort(self) {
                self.inner.abort();
            }

            /// Returns a handle that ends the connection at once, from another thread. A call that
            /// waits then returns an error.
            #[must_use]
            pub fn abort_handle(&self) -> Option<AbortHandle> {
                self.inner.abort_handle()
            }

            /// Returns who the client is; on the server's end only: [`PipeStream::peer`].
            ///
            /// # Errors
            ///
            /// As [`PipeStream::peer`].
            pub fn peer(&self) -> Result<Peer, Error> {
                self.inner.peer()
            }

            /// Returns who the server is; on the client's end only: [`PipeStream::server`].
            ///
            /// # Errors
            ///
            /// As [`PipeStream::server`].
            pub fn server(&self) -> Result<ServerIdentity, Error> {
                self.inner.server()
            }

            /// Returns what has gone over this end so far.
            #[must_use]
            pub fn stats(&self) -> ConnectionStats {
                self.inner.stats()
            }
        }
    };
}

end!(Connection);
end!(SendHalf);
end!(ReceiveHalf);
