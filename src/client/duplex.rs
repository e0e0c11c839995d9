//! A client and its receiving end as one `Stream` and `Sink`, for code that needs a transport.

use std::{
    collections::VecDeque,
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;

use super::{
    Client, Inbox,
    admission::UNKNOWN,
    receipt::{Receipt, Returned},
    room::Ticket,
};
use crate::error::{Error, Fate};

/// A [`Client`] and its [`Inbox`] as one object, from [`Client::duplex`]. It is a [`Stream`] and a
/// [`Sink`], as tokio-serde and tarpc need it.
///
/// A message is accepted when it is fed. It is flushed when it was handed over or its fate is
/// known: while there is no connection, a flush waits for one. The next flush or close reports
/// messages that came back, as [`Error::Returned`]. This error ends nothing, and affects no other
/// message. [`take_returned`](Self::take_returned) returns the messages. Closing the sink closes
/// the client, and waits until the peer has read everything.
///
/// # Examples
///
/// Values instead of bytes, with tokio-serde, over any number of connections:
///
/// ```
/// # use npipes::{Connection, Error, client::Connect};
/// # use tokio::io::DuplexStream;
/// # struct Server;
/// # impl Connect for Server {
/// #     type Io = DuplexStream;
/// #     async fn connect(&self) -> Result<Connection<DuplexStream>, Error> {
/// #         let (near, mut far) = Connection::pair();
/// #         tokio::spawn(async move {
/// #             while let Ok(Some(m)) = far.receive().await { far.send(m).await.unwrap(); }
/// #         });
/// #         Ok(near)
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), npipes::Error> {
/// use futures::{SinkExt, TryStreamExt};
/// use npipes::Client;
/// use tokio_serde::{Framed, formats::MessagePack};
///
/// let (client, inbox) = Client::spawn(Server);
/// let mut numbers: Framed<_, u32, u32, MessagePack<u32, u32>> =
///     Framed::new(client.duplex(inbox), MessagePack::default());
/// numbers.send(7).await?;
/// assert_eq!(numbers.try_next().await?, Some(7));
/// # Ok(())
/// # }
/// ```
pub struct ClientDuplex {
    client: Client,
    inbox: Inbox,
    ticket: Option<Ticket>,
    /// The bytes reserved for the next message.
    reserved: usize,
    /// The receipts of the messages whose fate was not seen yet.
    receipts: VecDeque<Receipt>,
    returned: Vec<Returned>,
    /// Whether messages came back that no flush has reported.
    has_news: bool,
    is_silent: bool,
}

impl ClientDuplex {
    pub(super) fn new(client: Client, inbox: Inbox) -> Self {
        Self {
            client,
            inbox,
            ticket: None,
            reserved: 0,
            receipts: VecDeque::new(),
            returned: Vec::new(),
            has_news: false,
            is_silent: false,
        }
    }

    /// Does not report messages that came back, and does not keep them. This is for a protocol that
    /// notices lost messages itself, such as tarpc: its calls have deadlines, and its transport
    /// must not fail.
    #[must_use]
    pub fn without_reports(mut self) -> Self {
        self.is_silent = true;
        self
    }

    /// Returns the messages that came back since the last call.
    #[must_use = "these messages are nowhere else"]
    pub fn take_returned(&mut self) -> Vec<Returned> {
        self.look();
        self.has_news = false;
        mem::take(&mut self.returned)
    }

    /// Returns the client, for what a sink cannot do.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Checks which fates are known by now.
    fn look(&mut self) {
        while let Some(fate) = self.receipts.front_mut().and_then(Receipt::peek) {
            self.receipts.pop_front();
            if let Err(returned) = fate {
                self.returned.push(returned);
                self.has_news = true;
            }
        }
    }

    fn report(&mut self) -> Result<(), Error> {
        self.look();
        if !mem::take(&mut self.has_news) {
            return Ok(());
        }
        let not_sent = self.returned.iter().filter(|one| one.fate == Fate::NotSent).count();
        Err(Error::Returned { maybe_delivered: self.returned.len() - not_sent, not_sent })
    }
}

/// The same as [`Inbox::receive`]. No error ends the stream.
impl Stream for ClientDuplex {
    type Item = Result<BytesMut, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.inbox).poll_next(cx)
    }
}

/// `poll_ready` fails only when the client is closed or has ended, so that a report never loses an
/// item that waits for room.
impl Sink<Bytes> for ClientDuplex {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut *self;
        if this.reserved == 0 {
            let outcome = ready!(this.client.shared.poll_room(&mut this.ticket, UNKNOWN, cx));
            outcome.map_err(|cause| ended(&cause))?;
            this.reserved = UNKNOWN;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), Error> {
        let reserved = mem::take(&mut self.reserved);
        let receipt = self.client.shared.redeem(message, reserved)?;
        if !self.is_silent {
            self.receipts.push_back(receipt);
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let end = self
            .receipts
            .back()
            .map_or_else(|| self.client.shared.next_id(), |last| last.id().0 + 1);
        ready!(self.client.shared.poll_handed_over(end, cx));
        Poll::Ready(self.report())
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.client.shared.begin_closing();
        let _ = ready!(self.client.shared.poll_settlement(cx));
        Poll::Ready(self.report())
    }
}

/// Returns the error for a client that cannot send any more.
fn ended(cause: &Arc<Error>) -> Error {
    match &**cause {
        Error::GaveUp { attempts, elapsed, timeout, source } => Error::GaveUp {
            attempts: *attempts,
            elapsed: *elapsed,
            timeout: *timeout,
            source: source.clone(),
        },
        _ => Error::Closed,
    }
}

impl Drop for ClientDuplex {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.client.shared.leave(ticket, UNKNOWN);
        }
        self.client.shared.give_up(self.reserved);
    }
}

impl fmt::Debug for ClientDuplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientDuplex").field("client", &self.client).finish_non_exhaustive()
    }
}
