//! The two calls of the Python module, async. Each session of a pipe carries one message, and
//! either end may own the pipe.

mod options;
mod session;

use std::{fmt, future::Future, io, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

pub use self::options::{IpcOptions, IpcRole};
use self::session::Session;
use crate::{
    connection::{Connection, DrainOutcome, Undrained, read_text},
    error::{Error, Operation},
    name::PipeName,
    pipe::stream::PipeStream,
};

/// What is known about a message that was [sent](Ipc::send_message).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// The peer has read it. An [`Ipc`] that receives stays until the sender knows this, for a
    /// second at most.
    Read,
    /// The peer left before the system showed whether it had read the message. A peer that reads
    /// one message and closes the pipe at once, as the Python module does, often gives this; so
    /// does a peer that failed.
    PeerLeft,
}

/// Sends and receives messages, each in its own session over one pipe name, as the Python module
/// does. Either side may come first, and the first one waits.
///
/// Each call tries to own the name, with a message-type pipe of one instance. If another end owns
/// the name, the call becomes its client. Several senders, or several receivers, on one name take
/// turns, so each message has one sender and one receiver.
///
/// `Ipc` is the counterpart of the unchanged PyPI `npipes` 1.0.1. For a conversation, use a
/// `Listener` and [`connect`](crate::connect) instead: their connections carry any number of
/// messages both ways.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), npipes::Error> {
/// use npipes::ipc::Ipc;
///
/// let name = "npipes-doc-ipc";
/// let (mut here, mut there) = (Ipc::named(name)?, Ipc::named(name)?);
/// let (sent, received) = tokio::join!(here.send_text("Hello"), there.receive_text());
/// sent?;
/// assert_eq!(received?, "Hello");
/// assert_eq!(there.message().unwrap(), &b"Hello"[..]);
/// # Ok(())
/// # }
/// ```
pub struct Ipc {
    name: PipeName,
    send_turn: PipeName,
    receive_turn: PipeName,
    options: IpcOptions,
    /// How far a dropped receive had come.
    receiving: Option<Receiving>,
    message: Option<Bytes>,
}

struct Receiving {
    session: Session,
    connection: Option<Connection<PipeStream>>,
    /// The result of the session; the sender may not know yet.
    outcome: Option<Result<Bytes, Error>>,
    /// When to leave even if the sender has not left.
    leave: Option<Instant>,
}

impl Ipc {
    /// The Python module's default name.
    pub const DEFAULT_NAME: &str = "IPC_PIPE_DEFAULT";

    /// How long a receiver stays for the sender to see that the message was read.
    const LINGER: Duration = Duration::from_secs(1);

    /// Returns an `Ipc` on the Python module's default name, `IPC_PIPE_DEFAULT`, with the default
    /// options.
    #[must_use]
    pub fn new() -> Self {
        match Self::named(Self::DEFAULT_NAME) {
            Ok(ipc) => ipc,
            Err(_) => unreachable!("the name is valid"),
        }
    }

    /// Returns an `Ipc` on the pipe `name` with the default options: [`IpcOptions::open`].
    ///
    /// # Errors
    ///
    /// As [`IpcOptions::open`].
    pub fn named<N>(name: N) -> Result<Self, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        IpcOptions::new().open(name)
    }

    fn with_options(name: PipeName, options: IpcOptions) -> Result<Self, Error> {
        Ok(Self {
            send_turn: PipeName::new(&format!("{name}.npipes-send"))?,
            receive_turn: PipeName::new(&format!("{name}.npipes-receive"))?,
            name,
            options,
            receiving: None,
            message: None,
        })
    }

    /// Returns the name of the pipe.
    #[must_use]
    pub fn name(&self) -> &PipeName {
        &self.name
    }

    /// Returns the message that was received last, whether it was a text or not.
    #[must_use]
    pub fn message(&self) -> Option<&Bytes> {
        self.message.as_ref()
    }

    /// Waits for a peer, sends it one message, and returns when the peer has read it.
    ///
    /// This ends a receive that was dropped before it was done.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] before anything is opened, if the peer could not read the message.
    /// [`Error::NoPeer`] if no peer came before the deadline; nothing was sent. [`Error::Io`] with
    /// `TimedOut` if a peer came and had not read everything at the deadline: it may or may not
    /// read the message later. Otherwise as `connect` and [`Connection::send`].
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped may or may not have sent the message.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O and time enabled.
    pub async fn send_message(&mut self, message: impl Into<Bytes>) -> Result<Delivery, Error> {
        let message = message.into();
        self.options.format.one_write().header(message.len())?;
        self.receiving = None;
        let mut session = Session::new(self.send_turn.clone());
        let until = self.until();
        let sent = match session.meet(&self.name, &self.options, until).await {
            Ok(connection) => self.hand_over(connection, message).await,
            Err(error) => Err(error),
        };
        session.end().await;
        sent
    }

    /// Sends one text as [`send_message`](Self::send_message) does.
    ///
    /// # Errors
    ///
    /// [`Error::TextEncode`] before anything is opened, if the encoding lacks a character. Otherwise
    /// as [`send_message`](Self::send_message).
    ///
    /// # Cancel safety
    ///
    /// As [`send_message`](Self::send_message).
    ///
    /// # Panics
    ///
    /// As [`send_message`](Self::send_message).
    pub async fn send_text(&mut self, text: &str) -> Result<Delivery, Error> {
        let message = self.options.text.encode(text)?;
        self.send_message(message).await
    }

    /// Waits for a peer and returns the message that it sends, which [`message`](Self::message)
    /// keeps.
    ///
    /// Peers that come and leave without a message are ignored. If a peer sends several messages in
    /// one session, the first is returned and the others are lost.
    ///
    /// # Errors
    ///
    /// [`Error::NoPeer`] if no peer came before the deadline. [`Error::Io`] with `TimedOut` if a
    /// peer came and has not sent a whole message. [`Error::Frame`] if the data that it sent is no
    /// message or is corrupt. Otherwise as `connect` and [`Connection::receive`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the next receive goes on where the dropped future was. If the `Ipc` itself
    /// is dropped, a message that is just arriving may be lost.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O and time enabled.
    pub async fn receive_message(&mut self) -> Result<Bytes, Error> {
        let until = self.until();
        let name = &self.name;
        let receiving = self.receiving.get_or_insert_with(|| Receiving {
            session: Session::new(self.receive_turn.clone()),
            connection: None,
            outcome: None,
            leave: None,
        });
        let outcome = receiving.take_message(name, &self.options, until).await;
        self.receiving = None;
        if let Ok(message) = &outcome {
            self.message = Some(message.clone());
        }
        outcome
    }

    /// Receives one text as [`receive_message`](Self::receive_message) does.
    ///
    /// # Errors
    ///
    /// [`Error::TextDecode`] if the message is no text in the encoding. The error contains the
    /// message, and [`message`](Self::message) keeps it too. Otherwise as
    /// [`receive_message`](Self::receive_message).
    ///
    /// # Cancel safety
    ///
    /// As [`receive_message`](Self::receive_message).
    ///
    /// # Panics
    ///
    /// As [`receive_message`](Self::receive_message).
    pub async fn receive_text(&mut self) -> Result<String, Error> {
        let payload = self.receive_message().await?;
        read_text(self.options.text, payload)
    }

    fn until(&self) -> Option<Instant> {
        Instant::now().checked_add(self.options.timeout)
    }

    /// Ends at the deadline: the connection's close timeout is set to it.
    async fn hand_over(
        &self,
        mut connection: Connection<PipeStream>,
        message: Bytes,
    ) -> Result<Delivery, Error> {
        // Sent before closing: for closing, a peer that has left is no failure.
        connection.send(message).await?;
        match connection.close().await? {
            DrainOutcome::Drained => Ok(Delivery::Read),
            // A pipe tells what was read, so `Flushed` does not happen.
            DrainOutcome::PeerGone | DrainOutcome::Flushed => Ok(Delivery::PeerLeft),
            DrainOutcome::TimedOut { unread } => {
                let late = io::Error::new(io::ErrorKind::TimedOut, Undrained { unread });
                Err(Error::io(Operation::Close, Some(&self.name), late))
            }
        }
    }
}

impl Receiving {
    /// Keeps every state in `self`, so that the next call can go on after a dropped one.
    async fn take_message(
        &mut self,
        name: &PipeName,
        options: &IpcOptions,
        until: Option<Instant>,
    ) -> Result<Bytes, Error> {
        while self.outcome.is_none() {
            match self.try_receive(name, options, until).await {
                Ok(None) => {}
                Ok(Some(message)) => self.outcome = Some(Ok(message)),
                Err(error) => self.outcome = Some(Err(error)),
            }
        }
        if let (Some(Ok(_)), Some(connection)) = (&self.outcome, &mut self.connection) {
            // The sender closes when it has seen that the message was read. If this end left first,
            // it would look like a peer that failed.
            let leave = *self.leave.get_or_insert_with(|| Instant::now() + Ipc::LINGER);
            let _ = timeout_at(leave, connection.receive()).await;
        }
        self.connection = None;
        self.session.end().await;
        self.outcome.take().unwrap_or_else(|| Err(options.no_peer(name)))
    }

    /// Returns `None` if a peer came and left without a message.
    async fn try_receive(
        &mut self,
        name: &PipeName,
        options: &IpcOptions,
        until: Option<Instant>,
    ) -> Result<Option<Bytes>, Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(self.session.meet(name, options, until).await?),
        };
        let Some(received) = before(until, connection.receive()).await else {
            return Err(Error::io(Operation::Read, Some(name), io::ErrorKind::TimedOut.into()));
        };
        let message = received?;
        if message.is_none() {
            self.connection = None;
            self.session.pause(name, options, until).await?;
        }
        Ok(message.map(BytesMut::freeze))
    }
}

impl Default for Ipc {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Ipc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ipc").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Awaits `future` until a time; `None` if the time passes first.
async fn before<F: Future>(until: Option<Instant>, future: F) -> Option<F::Output> {
    match until {
        Some(until) => timeout_at(until, future).await.ok(),
        None => Some(future.await),
    }
}
