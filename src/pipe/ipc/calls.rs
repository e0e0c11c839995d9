//! The two calls, and what one leaves for the next.

use std::fmt;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    options::IpcOptions,
    receiving::Receiving,
    sending::{Delivery, send},
    session::Session,
};
use crate::{
    connection::read_text,
    error::Error,
    name::{InvalidName, NameError, PipeName},
};

/// Sends and receives messages, each in its own session over one pipe name, as the Python module
/// does. Either side may come first, and the first one waits.
///
/// Each call tries to own the name. If another end owns the name, the call becomes its client.
/// Several senders, or several receivers, on one name take turns, so each message has one sender
/// and one receiver.
///
/// On Windows the pipe is of message type and has one instance: `Ipc` is the counterpart of the
/// unchanged PyPI `npipes` 1.0.1, which runs on Windows alone. On Unix it is a socket that lets one
/// client in, and the names by which ends take turns are locks beside it. Every end needs the right
/// to make files in the folder of the socket, also an end that is always the client. The frames and
/// the limits of a message are the same.
///
/// For a conversation, use a `Listener` and [`connect`](crate::connect) instead: their connections
/// carry any number of messages both ways.
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

impl Ipc {
    /// The Python module's default name.
    pub const DEFAULT_NAME: &str = "IPC_PIPE_DEFAULT";

    /// Returns an `Ipc` on the Python module's default name, `IPC_PIPE_DEFAULT`, with the default
    /// options.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] on Unix, if the path of the folder of temporary files is so long that
    /// no socket in it can have this name.
    pub fn new() -> Result<Self, Error> {
        Self::named(Self::DEFAULT_NAME)
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
        if let Some(option) = options.listener.refuses_clients_by() {
            return Err(Error::UnusedOption { pipe: name, option });
        }
        let turn = |whose| {
            PipeName::new(&format!("{name}{whose}")).map_err(|e| match e.source {
                NameError::TooLong { len, max } => {
                    InvalidName::new(name.as_str(), NameError::NoRoomForTurns { len, max })
                }
                _ => e,
            })
        };
        Ok(Self {
            receive_turn: turn(".npipes-receive")?,
            send_turn: turn(".npipes-send")?,
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
    /// If a peer leaves and the system shows that the peer does not have the whole message, the
    /// message goes to the next peer.
    ///
    /// This ends a receive that was dropped before it was done.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] before anything is opened, if the peer could not read the message.
    /// [`Error::NoPeer`] if no peer came before the deadline, or none that got the whole message.
    /// [`Error::Io`] with `TimedOut` if a peer came and had not read everything at the deadline: it
    /// may or may not read the message later. Otherwise as `connect` and
    /// [`Connection::send`](crate::Connection::send).
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
        let sent = send(message, &mut session, &self.name, &self.options, self.until()).await;
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
    /// message or is corrupt. Otherwise as `connect` and
    /// [`Connection::receive`](crate::Connection::receive).
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
        let receiving = self
            .receiving
            .get_or_insert_with(|| Receiving::new(Session::new(self.receive_turn.clone())));
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
}

impl IpcOptions {
    /// Returns an [`Ipc`] on the pipe `name`. Nothing is opened before a message is sent or
    /// received.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if no pipe can have the name. The path must leave room for the 15
    /// bytes of a second name, by which peers that would both send, or both receive, take turns.
    /// [`Error::UnusedOption`] if the [listener options](Self::listener) refuse clients in a way
    /// that an `Ipc` does not.
    pub fn open<N>(&self, name: N) -> Result<Ipc, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        Ipc::with_options(name.try_into()?, self.clone())
    }
}

impl fmt::Debug for Ipc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ipc").field("name", &self.name).finish_non_exhaustive()
    }
}
