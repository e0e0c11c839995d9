//! A client that reconnects, and accounts for every message. It is a state machine polled by its
//! user: no task, no lock.

mod counters;
mod dialer;
mod drive;
mod ledger;
mod link;
mod options;
mod stream;

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

pub use self::{
    counters::ClientCounters,
    dialer::{ClientState, Connect},
    ledger::{Fate, MessageId, Returned},
    options::{ClientOptions, DeliveredWhen},
};
use self::{dialer::Dialer, ledger::Ledger, link::Link};
use crate::{
    connection::{Closed, Connection, Counters},
    error::Error,
};

/// A client that connects when it is used, reconnects when the connection is lost, and can say of
/// every message what became of it.
///
/// # What becomes of a message
///
/// A message that was accepted has one fate:
/// - The transport has not taken all of it when the connection is lost: it is kept, in a
///   [bounded buffer](ClientOptions::buffer), and sent on the next connection.
/// - It was handed over, and is known to [have been read or dealt with](DeliveredWhen): delivered.
/// - It was handed over, and the connection was lost before that: it comes back as
///   [`Fate::MaybeDelivered`]. It is never sent again by itself.
/// - It could not be sent at all: it comes back as [`Fate::NotSent`].
///
/// What came back is reported once, by the next call that can, as [`Error::Returned`], and fetched
/// with [`take_returned`](Self::take_returned). Every message before [`settled`](Self::settled) that
/// did not come back was delivered. Messages arrive in the order in which they were accepted, those
/// left out that came back.
///
/// # Who does the work
///
/// Nothing happens unless a method is awaited or the client is polled: there is no task behind it. A
/// client that is to notice a loss and to reconnect while there is nothing to send is one whose
/// [`receive`](Self::receive) is awaited, which sends what is kept as well. In between, what the peer
/// sends waits in the transport, and a loss is noticed by the next call.
///
/// A loss is no error to the caller. [`watch`](Self::watch) shows it, and so does the
/// [hook](Self::on_connect) that runs on each new connection.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), npipes::Error> {
/// use npipes::{Client, Connect, Connection, Error};
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
/// let mut client = Client::new(Echo);
/// client.send("Hello").await?;
/// assert_eq!(client.receive().await?.unwrap(), b"Hello"[..]);
/// # Ok(())
/// # }
/// ```
#[must_use = "a client does nothing unless it is used"]
pub struct Client<C: Connect> {
    dialer: Dialer<C>,
    link: Link<C::Io>,
    ledger: Ledger,
    /// Messages of a lost connection that arrived while the caller was sending.
    inbox: VecDeque<BytesMut>,
    options: ClientOptions,
    /// The place up to which the peer has read when the wait under way is over.
    draining_to: Option<u64>,
    /// Why the last refused message was refused.
    refusal: Option<Error>,
    shutdown: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    is_shut: bool,
    /// What has gone over connections that are no more.
    past: Counters,
}

impl<C: Connect> Client<C> {
    /// Returns a client with the default options. It connects when it is first used.
    pub fn new(connector: C) -> Self {
        Self::with_options(connector, &ClientOptions::new())
    }

    /// Returns a client. It connects when it is first used.
    pub fn with_options(connector: C, options: &ClientOptions) -> Self {
        Self {
            dialer: Dialer::new(connector, *options),
            link: Link::Down,
            ledger: Ledger::default(),
            inbox: VecDeque::new(),
            options: *options,
            draining_to: None,
            refusal: None,
            shutdown: None,
            is_shut: false,
            past: Counters::default(),
        }
    }

    /// Runs `hook` on each new connection, before anything else is sent on it: to authenticate, or
    /// to subscribe again.
    ///
    /// A hook that fails is a failed attempt to connect: see [`Connect::connect`] for which errors
    /// end the attempts. What it sends is not accounted for.
    ///
    /// # Examples
    ///
    /// ```
    /// # use npipes::{Client, Connect};
    /// # fn subscribed<C: Connect>(client: Client<C>) -> Client<C> {
    /// client.on_connect(|connection| {
    ///     Box::pin(async move { connection.send("subscribe orders").await })
    /// })
    /// # }
    /// ```
    pub fn on_connect<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(
                &'a mut Connection<C::Io>,
            ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>
            + Send
            + Sync
            + 'static,
    {
        self.dialer.set_hook(Arc::new(hook));
        self
    }

    /// Ends every wait, that for the next attempt included, when `token` is cancelled. From then on
    /// calls fail with [`Error::Closed`], `receive` returns `None`, and [`close`](Self::close) is
    /// what is left to do.
    pub fn shutdown_on(mut self, token: CancellationToken) -> Self {
        self.shutdown = Some(Box::pin(token.cancelled_owned()));
        self
    }

    /// Connects if there is no connection.
    ///
    /// # Errors
    ///
    /// [`Error::GaveUp`] at the limits that [`ClientOptions`] sets; the next call tries again.
    /// [`Error::Closed`] after shutdown. Otherwise an error that no further attempt can mend.
    ///
    /// # Cancel safety
    ///
    /// The attempts go on where they were when the client is used next.
    pub async fn connect(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_up(cx)).await
    }

    /// Sends one message, and returns its number when it was handed over.
    ///
    /// A message that is accepted stays accepted: while there is no connection, this waits for one.
    ///
    /// # Errors
    ///
    /// In each case this message is not accepted and will not be sent:
    /// [`Error::Returned`] reports others that came back, to be fetched with
    /// [`take_returned`](Self::take_returned); once, or for as long as they fill the buffer.
    /// [`Error::Unacknowledged`] if the buffer is full of messages that were
    /// [not acknowledged](DeliveredWhen::Acknowledged).
    /// [`Error::TooLarge`] if the format does not allow the message.
    /// [`Error::Io`] if the buffer is full and the peer has not read it within the transport's
    /// deadline.
    /// The errors of [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped may or may not have had the message accepted: if it has,
    /// [`next_id`](Self::next_id) has moved on, and the message is sent when the client is used
    /// next. [`feed`](Self::feed) leaves no doubt.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<MessageId, Error> {
        let id = self.feed(message).await?;
        let outcome = poll_fn(|cx| self.poll_hand_over(cx)).await;
        if !self.ledger.withdraw(id) {
            return Ok(id);
        }
        outcome?;
        Err(self.refusal.take().unwrap_or(Error::Closed))
    }

    /// Accepts one message and returns its number. It is sent with those that follow, at the next
    /// [`flush`](Self::flush), [`receive`](Self::receive) or `send`, or when the buffer is full.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), but a message that turns out to be too large comes back.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has not had the message accepted.
    pub async fn feed(&mut self, message: impl Into<Bytes>) -> Result<MessageId, Error> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        Ok(self.ledger.accept(message.into()))
    }

    /// Hands over every message that was accepted.
    ///
    /// # Errors
    ///
    /// [`Error::Returned`] if everything was handed over and messages came back, now or before. The
    /// errors of [`connect`](Self::connect), after which messages are kept.
    ///
    /// # Cancel safety
    ///
    /// What was not handed over is kept.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_hand_over(cx)).await?;
        self.report()
    }

    /// Hands over every message that was accepted, and waits until the peer's end has read them. If
    /// that is [when they are delivered](DeliveredWhen::Read), all that did not come back were.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush). [`Error::Io`] of the kind `TimedOut` if the peer has not read
    /// everything within the transport's deadline, of the kind `Unsupported` if the transport does
    /// not tell; the connection stays as it was.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost, and the next call waits anew.
    pub async fn drained(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_read(cx)).await?;
        self.report()
    }

    /// Returns the next message, and sends meanwhile what is kept. It reconnects when the peer has
    /// closed its end, and returns `None` only after [shutdown](Self::shutdown_on).
    ///
    /// # Errors
    ///
    /// [`Error::Returned`] once when messages came back. [`Error::Frame`] for a corrupt frame, or
    /// for a peer that does not keep to the format, with whom it connects anew. The errors of
    /// [`connect`](Self::connect). In each case the next call goes on.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what has arrived stays for the next call.
    pub async fn receive(&mut self) -> Result<Option<BytesMut>, Error> {
        poll_fn(|cx| self.poll_receive(cx)).await.transpose()
    }

    /// Takes note that the peer has dealt with the message `id`: it is delivered.
    ///
    /// A message that has come back and was not fetched yet need not be fetched then. A number that
    /// means no such message is ignored.
    pub fn acknowledge(&mut self, id: MessageId) {
        self.acknowledge_range(id..=id);
    }

    /// Takes note that the peer has dealt with every message up to `id`, that one included.
    pub fn acknowledge_through(&mut self, id: MessageId) {
        self.acknowledge_range(MessageId::FIRST..=id);
    }

    /// Returns the number that the next accepted message gets.
    pub fn next_id(&self) -> MessageId {
        self.ledger.next_id()
    }

    /// Returns the first number whose message's fate is not known yet: of those before it, the ones
    /// that did not come back were delivered.
    pub fn settled(&self) -> MessageId {
        self.ledger.settled()
    }

    /// Returns the messages that came back since the last call, in the order of their numbers.
    #[must_use = "these messages are nowhere else"]
    pub fn take_returned(&mut self) -> Vec<Returned> {
        self.ledger.take_returned()
    }

    /// Returns whether there is a connection, as far as is known.
    pub fn state(&self) -> ClientState {
        *self.dialer.state().borrow()
    }

    /// Returns a receiver of every change of [`state`](Self::state), for another task.
    pub fn watch(&self) -> watch::Receiver<ClientState> {
        self.dialer.state().subscribe()
    }

    /// Returns what there has been so far, over all connections.
    pub fn counters(&self) -> ClientCounters {
        let (connections, failed_attempts) = self.dialer.counts();
        ClientCounters {
            connections,
            failed_attempts,
            returned: self.ledger.came_back(),
            traffic: self.past.plus(self.link.counters()),
        }
    }

    /// Sends what is kept if there is a connection, waits until the peer has it, closes, and says
    /// what became of every message. It does not connect again: [`flush`](Self::flush) does that.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped drops the client.
    pub async fn close(mut self) -> Settlement {
        let closed = poll_fn(|cx| self.poll_close_link(cx)).await;
        let unwritten = self.link.unwritten();
        self.ledger.abandon(unwritten);
        self.dialer.rest();
        Settlement { closed, returned: self.ledger.take_returned() }
    }

    fn report(&mut self) -> Result<(), Error> {
        match self.ledger.take_unreported() {
            true => Err(self.returned()),
            false => Ok(()),
        }
    }

    fn returned(&self) -> Error {
        let (maybe_delivered, not_sent) = self.ledger.count_returned();
        Error::Returned { maybe_delivered, not_sent }
    }
}

/// What a [closed](Client::close) client leaves behind.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "the messages in it are nowhere else"]
pub struct Settlement {
    /// How the connection ended; [`Error::Closed`] if there was none.
    pub closed: Result<Closed, Error>,
    /// The messages that came back and were not fetched. Every other one was delivered.
    pub returned: Vec<Returned>,
}

impl<C: Connect> fmt::Debug for Client<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &self.state()).finish_non_exhaustive()
    }
}
