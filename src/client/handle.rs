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

/// A handle of a client that reconnects when the connection is lost, and can say of every message
/// what became of it.
///
/// Clones are handles of the same client, for as many tasks as there are; [`Inbox`] is its one
/// receiving end. A [`Driver`](crate::client::Driver) owns the connection: it connects at once,
/// always both reads and writes, and gathers what many tasks send into few writes, so that there is
/// nothing to flush. When the last handle is dropped the client [closes](Self::close).
///
/// # What becomes of a message
///
/// A message that was accepted has one fate, which its [`Receipt`] tells:
/// - The transport has not taken all of it when the connection is lost: it is kept, in a
///   [bounded outbox](crate::client::ClientOptions::outbox), and sent on the next connection, for
///   [a number of times](crate::client::ClientOptions::max_tries).
/// - It was handed over, and is known to [have been read or dealt with](crate::client::DeliveredWhen):
///   [`Delivered`](crate::client::Delivered) says which.
/// - It was handed over, and the connection was lost before that: it comes back as
///   [`Fate::MaybeDelivered`](crate::client::Fate::MaybeDelivered). It is never sent again by itself.
/// - It could not be sent at all: it comes back as [`Fate::NotSent`](crate::client::Fate::NotSent).
///
/// Over a transport that cannot tell what the peer has read, such as TCP, what was handed over is
/// [`Delivered::HandedOver`](crate::client::Delivered::HandedOver), and nothing more is known of
/// it. Messages arrive in the order in which they were accepted, those left out that came back.
///
/// A loss is no error to the caller. [`watch`](Self::watch) shows it, and so does the
/// [hook](ClientBuilder::on_connect) that runs on each new connection.
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

    /// Returns a client with the default options and its receiving end, with its driver spawned on
    /// the current runtime.
    ///
    /// # Panics
    ///
    /// As [`ClientBuilder::spawn`].
    pub fn spawn<C: Connect>(connector: C) -> (Self, Inbox) {
        Self::builder(connector).spawn()
    }

    /// Returns a client that is still to be put together.
    pub fn builder<C: Connect>(connector: C) -> ClientBuilder<C> {
        ClientBuilder::new(connector)
    }

    /// Waits for room in the outbox, sends one message, and returns its [`Receipt`]. Tasks that wait
    /// are served in turn.
    ///
    /// A message that is accepted stays accepted: while there is no connection, it is kept for one.
    ///
    /// # Errors
    ///
    /// The message, not sent, if the client is closed or has ended: [`Returned::cause`] says why.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has not sent the message, which is dropped with it.
    /// [`reserve`](Self::reserve) waits without a message.
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
    /// [`Error::TextEncode`] names the first character that the encoding lacks. Otherwise
    /// [`Error::Undelivered`], with what [`send`](Self::send) returns.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_text(&self, text: &str) -> Result<Receipt, Error> {
        let message = self.shared.options.text.encode(text)?;
        Ok(self.send(message).await?)
    }

    /// Sends one message if there is room at once, and nobody waits for it.
    ///
    /// # Errors
    ///
    /// The message, not sent: its [cause](Returned::cause) is [`Error::OutboxFull`] if there is no
    /// room now; otherwise as [`send`](Self::send).
    pub fn try_send(&self, message: impl Into<Bytes>) -> Result<Receipt, Returned> {
        self.shared.offer(message.into()).map_err(|offered| {
            let cause = offered.closed.unwrap_or_else(|| Arc::new(Error::OutboxFull));
            Returned::not_accepted(offered.message, cause)
        })
    }

    /// Waits for room for one message: in a `select!`, for instance, in which a `send` that is not
    /// chosen would drop its message.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the client is closed or has ended.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped gives up its place among those that wait, and nothing else.
    pub async fn reserve(&self) -> Result<Permit<'_>, Error> {
        Room::new(&self.shared, UNKNOWN).await.map_err(|_| Error::Closed)
    }

    /// Waits until every message that was accepted before was handed over to the transport, or its
    /// fate is known.
    ///
    /// Nothing has to be flushed: this is for who wants to know.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn flush(&self) {
        let end = self.shared.next_id();
        poll_fn(|cx| self.shared.poll_handed_over(end, cx)).await;
    }

    /// Records that the peer has dealt with the message `id`: it is delivered.
    ///
    /// A number that means no message whose fate is open is ignored.
    pub fn acknowledge(&self, id: MessageId) {
        self.shared.acknowledge(id.0..=id.0);
    }

    /// Records that the peer has dealt with every message up to `id`, that one included.
    pub fn acknowledge_through(&self, id: MessageId) {
        self.shared.acknowledge(0..=id.0);
    }

    /// Closes the client, for all its handles, and says what became of everything.
    ///
    /// It accepts nothing more, sends what is kept if there is a connection or an attempt to get one
    /// is under way, waits until the peer has everything, and closes, within the
    /// [close timeout](crate::client::ClientOptions::close_timeout). What arrives meanwhile can
    /// still be received.
    ///
    /// # Cancel safety
    ///
    /// Closing goes on without it. Each call returns the same.
    pub async fn close(&self) -> Settlement {
        self.shared.begin_closing();
        poll_fn(|cx| self.shared.poll_settlement(cx)).await
    }

    /// Returns whether there is a connection, as far as is known.
    pub fn state(&self) -> ClientState {
        *self.shared.state.borrow()
    }

    /// Returns a receiver of every change of [`state`](Self::state).
    pub fn watch(&self) -> watch::Receiver<ClientState> {
        self.shared.state.subscribe()
    }

    /// Returns what there has been so far, over all connections, as the driver has last told.
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
