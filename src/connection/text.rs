//! Messages that are texts.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Connection;
use crate::{error::Error, text::TextEncoding};

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Sends one message that is a text, in the connection's
    /// [encoding](crate::ConnectionOptions::text_encoding).
    ///
    /// # Errors
    ///
    /// [`Error::TextEncode`] names the first character that the encoding does not have, and leaves
    /// the connection as it was. Other errors are those of [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// The same as [`send`](Self::send).
    pub async fn send_text(&mut self, text: &str) -> Result<(), Error> {
        let message = self.text.encode(text)?;
        self.send(message).await
    }

    /// Returns the next message as a text in the connection's
    /// [encoding](crate::ConnectionOptions::text_encoding), or `None` when the peer has closed its
    /// end.
    ///
    /// # Errors
    ///
    /// [`Error::TextDecode`] returns a message that is not a text in this encoding, and the next
    /// call returns the message after it. Other errors are those of [`receive`](Self::receive).
    ///
    /// # Cancel safety
    ///
    /// The same as [`receive`](Self::receive).
    pub async fn receive_text(&mut self) -> Result<Option<String>, Error> {
        let message = self.receive().await?;
        message.map(|payload| read_text(self.text, payload.freeze())).transpose()
    }
}

/// Returns the text of a message, or an error that contains the message.
pub(crate) fn read_text(encoding: TextEncoding, payload: Bytes) -> Result<String, Error> {
    encoding.decode(&payload).map_err(|source| Error::TextDecode { payload, source })
}
