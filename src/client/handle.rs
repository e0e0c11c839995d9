//! The handles of a client.

use std::{
    fmt,
    future::{Future, poll_fn},
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::watch;

use super::{
    ClientBuilder, ClientDuplex, ClientState, ClientStats, Connect, Inbox, MessageId, Permit,
    Receipt, Returned, Settlement,
    admission::UNKNOWN,
    permit::{Room, Sending},
    shared::Shared,
};
use crate::error::Error;

/// A handle of a client that reconnects when the connection is lost, and that reports the fate of
/// every message.
///
/// Clones are handles of the same client, for any number of tasks. [`Inbox`] is its one receiving
/// end. A [`Driver`](crate::client::Driver) owns the connection. It connects at once, always reads
/// and writes at the same time, and puts what many tasks send into few writes, so there is nothing
/// to flush. When the last handle is dropped, the client [closes](Self::close).
///
/// # The fate of a message
///
/// An accepted message has one fate, and its [`Receipt`] returns it:
/// - The connection is lost before the transport has taken all of the message: the message is kept,
///   in a [bounded outbox](crate::client::ClientOptions::outbox), and sent on the next connection,
///   for [a number of times](crate::client::ClientOptions::max_tries).
/// - It was handed over, and is known to [have been read or
///   processed](crate::client::DeliveredWhen): [`Delivered`](crate::client::Delivered) says which.
/// - It was handed over, and the connection was lost before more was known: it comes back as
///   [`Fate::MaybeDelivered`](crate::client::Fate::MaybeDelivered). The client never sends it again
///   by itself.
/// - It could not be sent at all: it comes back as [`Fate::NotSent`](crate::client::Fate::NotSent).
///
/// Some transports, such as TCP, cannot tell what the peer has read. Over such a transport, a
/// message that was handed over is [`Delivered::HandedOver`](crate::client::Delivered::HandedOver),
/// and nothing more is known of it. Messages arrive in the order in which they were accepted,
/// except for those that came back.
///
/// The loss of a connection is no error for the caller. [`watch`](Self::watch) shows it, and the
/// [hook](ClientBuilder::on_connect) runs on each new connection.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), npipes::Error> {
/// use npipes::{Client, Connection, Error, client::Connect};
/// use tokio::io::{DuplexStream, duplex};
///
/// struct Echo;
///
/// impl Connect for Echo {
///     type Io = DuplexStream;
///
///     async fn connect(&self) -> Result<Connection<DuplexStream>, Error> {
///         let (near, far) = duplex(4096);
///         let mut far = Connection::new(far);
///         tokio::spawn(async move {
///             while let Ok(Some(message)) = far.receive().await {
///                 if far.send(message).await.is_err() {
///                     return;
///                 }
///             }
///         });
///         Ok(Connection::new(near))
///     }
/// }
///
/// let (client, mut inbox) = Client::spawn(Echo);
/// client.send("Hello").await?;
/// assert_eq!(inbox.receive().await?.unwrap(), b"Hello"[..]);
/// # Ok(())
/// # }
/// ```
pub struct Client {
    pub(super) shared: Arc<Shared>,
}

impl Client {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Returns a client with the default options and its receiving end, and spawns its driver on
    /// the current runtime.
    ///
    /// # Panics
    ///
    /// Panics under the same conditions as [`ClientBuilder::spawn`].
    pub fn spawn<C: Connect>(connector: C) -> (Self, Inbox) {
        Self::builder(connector).spawn()
    }

    /// Returns a builder of a client.
    pub fn builder<C: Connect>(connector: C) -> ClientBuilder<C> {
        ClientBuilder::new(connector)
    }

    /// Waits for room in the outbox, sends one message, and returns its [`Receipt`]. Tasks that
    /// wait are served in turn.
    ///
    /// An accepted message stays accepted: while there is no connection, the client keeps it for
    /// the next one.
    ///
    /// # Errors
    ///
    /// The message, not sent, if the client is closed or has ended: [`Returned::cause`] says why.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has not sent the message, and drops it. [`reserve`](Self::reserve) waits
    /// without a message.
    pub fn send(
        &self,
        message: impl Into<Bytes>,
    ) -> impl Future<Output = Result<Receipt, Returned>> + Send {
        Sending::new(&self.shared, message.into())
    }

    /// Sends one message that is a text, in the client's
    /// [encoding](crate::client::ClientOptions::text_encoding).
    ///
    /// # Errors
    ///
    /// [`Error::TextEncode`] names the first character that the encoding does not have.
    /// [`Error::Undelivered`] contains the error of [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// The same as [`send`](Self::send).
    pub async fn send_text(&self, text: &str) -> Result<Receipt, Error> {
        let message = self.shared.options.text.encode(text)?;
        Ok(self.send(message).await?)
    }

    /// Sends one message if there is room at once, and no other sender waits for room.
    ///
    /// # Errors
    ///
    /// The message, not sent. Its [cause](Returned::cause) is [`Error::OutboxFull`] if there is no
    /// room now. Other causes are those of [`send`](Self::send).
    pub fn try_send(&self, message: impl Into<Bytes>) -> Result<Receipt, Returned> {
        self.shared.offer(message.into()).map_err(|offered| {
            let cause = offered.closed.unwrap_or_else(|| Arc::new(Error::OutboxFull));
            Returned::not_accepted(offered.message, cause)
        })
    }

    /// Waits for room for one message. Use it for example in a `select!`: a `send` that `select!`
    /// does not choose would drop its message.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the client is closed or has ended.
    ///
    /// # Cancel safety
    ///
    /// A dropped future gives up only its place in the queue for room.
    pub async fn reserve(&self) -> Result<Permit<'_>, Error> {
        Room::new(&self.shared, UNKNOWN).await.map_err(|_| Error::Closed)
    }

    /// Waits until every message that was accepted before was handed over to the transport, or its
    /// fate is known.
    ///
    /// A client flushes by itself. Call this only if you want to know when the messages are handed
    /// over.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn flush(&self) {
        let end = self.shared.next_id();
        poll_fn(|cx| self.shared.poll_handed_over(end, cx)).await;
    }

    /// Records that the peer has processed the message `id`: it is delivered.
    ///
    /// Ignores an `id` of no message, and of a message whose fate is already known.
    pub fn acknowledge(&self, id: MessageId) {
        self.shared.acknowledge(id.0..=id.0);
    }

    /// Records that the peer has processed every message up to and including `id`.
    pub fn acknowledge_through(&self, id: MessageId) {
        self.shared.acknowledge(0..=id.0);
    }

    /// Closes the client, for all its handles, and reports what became of every message.
    ///
    /// The client accepts nothing more. It sends the kept messages if there is a connection, or if
    /// an attempt to connect is in progress. It waits until the peer has everything, and closes,
    /// within the [close timeout](crate::client::ClientOptions::close_timeout). What arrives
    /// meanwhile can still be received.
    ///
    /// # Cancel safety
    ///
    /// A dropped future does not stop the closing. Each call returns the same result.
    pub async fn close(&self) -> Settlement {
        self.shared.begin_closing();
        poll_fn(|cx| self.shared.poll_settlement(cx)).await
    }

    /// Returns whether there is a connection, as far as is known.
    #[must_use]
    pub fn state(&self) -> ClientState {
        *self.shared.state.borrow()
    }

    /// Returns a receiver of every change of [`state`](Self::state).
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<ClientState> {
        self.shared.state.subscribe()
    }

    /// Returns the numbers so far, over all connections, as the driver has last reported them.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.shared.stats()
    }

    /// Returns this handle and the receiving end as one [`Stream`](futures_core::Stream) and
    /// [`Sink`](futures_sink::Sink).
    pub fn duplex(self, inbox: Inbox) -> ClientDuplex {
        ClientDuplex::new(self, inbox)
    }
}

impl Clone for Client {
    fn clone(&self) -> Self {
        self.shared.add_handle();
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.drop_handle();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &self.state()).finish_non_exhaustive()
    }
}
