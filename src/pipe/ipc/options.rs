//! The options of an `Ipc`.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    connection::ConnectionOptions,
    error::Error,
    frame::FrameFormat,
    name::PipeName,
    pipe::{connect::ConnectOptions, listener::ListenerOptions},
    text::TextEncoding,
};

/// How an [`Ipc`](crate::ipc::Ipc) behaves; each setter says its default.
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

    /// Returns the default options, which PyPI `npipes` 1.0.1 understands.
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

    /// Sets the dialect, the size limits, and the treatment of the CRC-32 in each direction. The
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

    /// Sets the time after which each call gives up. Within this time a peer must come and read the
    /// message, or send one. The default is 30 s; [`Duration::MAX`] waits for ever.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets which end of the pipe this may be. The default is [`IpcRole::Either`].
    pub fn role(mut self, role: IpcRole) -> Self {
        self.role = role;
        self
    }

    /// Sets who may connect when this end owns the name: [`ListenerOptions::access`], and on
    /// Windows a security descriptor and whether remote clients may connect. The default is
    /// [`ListenerOptions::new`].
    ///
    /// [`open`](Self::open) refuses a [`filter`](ListenerOptions::filter) and a
    /// [`handshake_timeout`](ListenerOptions::handshake_timeout), since an `Ipc` would not keep out
    /// the clients that these keep out. Other settings of `options` have no effect: an `Ipc` serves
    /// one client at a time ([`backlog`](ListenerOptions::backlog),
    /// [`max_instances`](ListenerOptions::max_instances)), its own options say how a session goes
    /// ([`connection`](ListenerOptions::connection)), and on Windows the directions, the type and
    /// the buffers of the pipe are those that the Python module expects.
    pub fn listener(mut self, options: ListenerOptions) -> Self {
        self.listener = options;
        self
    }

    /// Sets how the pipe is opened when the other end owns the name, such as whose server is
    /// trusted. The timeout, the retries and the connection options in `options` have no effect: the
    /// `Ipc` tries again until its own [`timeout`](Self::timeout). The default is
    /// [`ConnectOptions::new`].
    pub fn connect(mut self, options: ConnectOptions) -> Self {
        self.connect = options;
        self
    }

    /// Returns the options of a connection that is made now, in a call that gives up at `until`.
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

/// Which end of the pipe an [`Ipc`](crate::ipc::Ipc) may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum IpcRole {
    /// The server if the name is free, and the client if it is taken. If both ends may be either,
    /// one gets the name and the other becomes its client.
    #[default]
    Either,
    /// The server only, for a peer that can only connect. While a peer that may be either owns the
    /// name, it waits without success.
    Server,
    /// The client only, for a peer that can only be the server.
    ///
    /// The Python module's `send_message` is such a peer: it fails when the name is taken, and does
    /// not tell its caller. To receive from it at any time, be the client.
    Client,
}
