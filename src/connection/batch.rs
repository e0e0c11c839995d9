//! Many small messages: lent where they have arrived, and sent from where they are.

use std::{fmt, future::poll_fn, pin::Pin};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Connection, ReceiveHalf, SendHalf, telemetry::Telemetry};
use crate::{
    codec::FrameCodec,
    error::Error,
    frame::{Header, OVERHEAD},
};

/// Messages that have arrived: see [`Connection::receive_batch`](crate::Connection::receive_batch).
///
/// It is an iterator of payloads, each of which is a part of the read buffer: no message is copied,
/// and none has an allocation or a reference count of its own. A batch has at least one message.
/// Messages that you do not take stay for the next receive.
pub struct Batch<'a> {
    /// A message that came before those of the buffer.
    pub(super) lone: Option<&'a [u8]>,
    pub(super) is_lone_out: &'a mut bool,
    /// The length of the first payload of the buffer, if that frame was looked at already.
    pub(super) checked: Option<usize>,
    pub(super) rest: &'a [u8],
    pub(super) handed_out: &'a mut usize,
    pub(super) codec: &'a FrameCodec,
    pub(super) telemetry: &'a mut Telemetry,
}

impl<'a> Iterator for Batch<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if let Some(lone) = self.lone.take() {
            *self.is_lone_out = true;
            return Some(lone);
        }
        let payload = match self.checked.take() {
            Some(len) => self.rest.get(Header::LEN..Header::LEN + len)?,
            None => self.codec.peek_payload(self.rest)?,
        };
        let frame = OVERHEAD + payload.len();
        self.rest = self.rest.get(frame..)?;
        *self.handed_out += frame;
        self.telemetry.received(payload.len());
        Some(payload)
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("bytes", &self.rest.len()).finish_non_exhaustive()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Copies one message into the queue. [`feed`](Self::feed) takes ownership of the message
    /// instead.
    ///
    /// This is for small messages in a buffer of the caller's. [`feed`](Self::feed) does not copy
    /// one of 8 KiB or more.
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

    /// Returns all messages that have arrived. Waits for one if there is none. Returns `None` when
    /// the peer has closed its end.
    ///
    /// This is for many small messages. [`receive`](Self::receive) returns a buffer of its own for
    /// each message, which can be kept. A batch lends the messages as parts of the read buffer.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive). A batch ends before a frame that is corrupt or no frame; the
    /// next call reports it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what has arrived, and what was not taken out of a batch, stays for the next
    /// call.
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
}

impl<T: AsyncWrite + Unpin> SendHalf<T> {
    /// Copies one message into the queue, as [`Connection::feed_slice`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has not queued the message.
    pub async fn feed_slice(&mut self, message: &[u8]) -> Result<(), Error> {
        poll_fn(|cx| self.writer.poll_ready(Pin::new(&mut self.io), cx)).await?;
        self.writer.start_send_slice(message)
    }
}

impl<T: AsyncRead + Unpin> ReceiveHalf<T> {
    /// Returns all messages that have arrived, as [`Connection::receive_batch`] does.
    ///
    /// # Errors
    ///
    /// As [`Connection::receive_batch`].
    ///
    /// # Cancel safety
    ///
    /// As [`Connection::receive_batch`].
    pub async fn receive_batch(&mut self) -> Result<Option<Batch<'_>>, Error> {
        poll_fn(|cx| self.reader.poll_arrived(Pin::new(&mut self.io), cx)).await?;
        Ok(self.reader.batch())
    }
}
