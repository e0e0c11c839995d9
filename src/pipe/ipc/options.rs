//! What can be set about an [`Ipc`].

use std::time::Duration;

use tokio::time::Instant;

use super::Ipc;
use crate::{
    connection::ConnectionOptions,
    error::Error,
    frame::FrameFormat,
    name::PipeName,
    pipe::{connect::ConnectOptions, listener::ListenerOptions},
    text::TextEncoding,
};

/// How an [`Ipc`] behaves; each setter says its default.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), npipes::Error> {
/// use npipes::{frame::FrameFormat, ipc::IpcOptions, text::TextEncoding};
///
/// let ipc = IpcOptions::new()
///     .format(FrameFormat::new().detect_dialect(true))
///     .text_encoding(TextEncoding::Utf8)
///     .open("orders")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct IpcOptions {
    pub(super) format: FrameFormat,
    pub(super) text: TextEncoding,
    pub(super) timeout: Duration,
    pub(super) role: IpcRole,
    pub(super) listener: ListenerOptions,
    pub(super) connect: ConnectOptions,
}

impl IpcOptions {
    /// The default for [`timeout`](Self::timeout): 30 s.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

    /// Returns the default options: what PyPI `npipes` 1.0.1 understands.
    pub fn new() -> Self {
        Self {
            format: FrameFormat::NPIPES_1_0_1,
            text: TextEncoding::Ascii,
            timeout: Self::DEFAULT_TIMEOUT,
            role: IpcRole::Either,
            listener: ListenerOptions::new(),
            connect: ConnectOptions::new(),
        }
    }

    /// Sets the dialect, the size limits, and what becomes of the CRC-32 in each direction. The
    /// default is [`FrameFormat::NPIPES_1_0_1`].
    pub fn format(mut self, format: FrameFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets how text becomes a message and back. The default is [`TextEncoding::Ascii`].
    pub fn text_encoding(mut self, encoding: TextEncoding) -> Self {
        self.text = encoding;
        self
    }

    /// Gives up after this time, in each call: until a peer has come and has read the message, or
    /// has sent one. The default is 30 s; [`Duration::MAX`] waits for ever.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets which end of the pipe this may be. The default is [`IpcRole::Either`].
    pub fn role(mut self, role: IpcRole) -> Self {
        self.role = role;
        self
    }

    /// Sets who may connect when this end owns the name: [`ListenerOptions::access`], its security
    /// descriptor, and whether remote clients may. Nothing else is taken from here, and no filter is
    /// asked. The default is [`ListenerOptions::new`].
    pub fn listener(mut self, options: ListenerOptions) -> Self {
        self.listener = options;
        self
    }

    /// Sets how the pipe is opened when the other end owns the name. Its deadline, and how its
    /// connection behaves, are not taken from here. The default is [`ConnectOptions::new`].
    pub fn connect(mut self, options: ConnectOptions) -> Self {
        self.connect = options;
        self
    }

    /// Returns an [`Ipc`] on the pipe `name`. Nothing is opened before a message is sent or
    /// received.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if no pipe can have the name. It must leave room for the 15 characters
    /// of a second one: peers that would both send, or both receive, take turns by it.
    pub fn open<N>(&self, name: N) -> Result<Ipc, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        Ipc::with_options(name.try_into()?, self.clone())
    }

    /// How a connection behaves that is made now, in a call that gives up at `until`.
    pub(super) fn connection(&self, until: Option<Instant>) -> ConnectionOptions {
        let left = until.map_or(Duration::MAX, |until| until.duration_since(Instant::now()));
        ConnectionOptions::NPIPES_1_0_1.format(self.format).close_timeout(left)
    }

    pub(super) fn no_peer(&self, name: &PipeName) -> Error {
        Error::NoPeer { pipe: name.clone(), timeout: self.timeout }
    }
}

impl Default for IpcOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Which end of the pipe an [`Ipc`] may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum IpcRole {
    /// The server if the name is free, and the client if it is taken. Of two that may be either, one
    /// gets the name and the other one becomes its client.
    #[default]
    Either,
    /// The server only, for a peer that can only connect. It waits in vain while a peer that may be
    /// either owns the name.
    Server,
    /// The client only, for a peer that can only be the server.
    ///
    /// The Python module's `send_message` is one: it fails, and says nothing to its caller, when the
    /// name is taken. To receive from it at any time, be the client.
    Client,
}
