//! Methods that tell who is at the other end, for every type that holds an end.

use std::io;

use super::{
    imp::{Peer, ServerIdentity},
    stream::{OwnedReadHalf, OwnedWriteHalf, PipeStream},
};
use crate::{
    connection::{Connection, ReceiveHalf, SendHalf},
    error::{Error, Operation},
    name::PipeName,
};

impl PipeStream {
    /// Returns who the client is; on the server's end only. [`Peer`] says how far to rely on it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: this is the client's end. On Windows also: the client is anonymous
    /// (`ERROR_CANT_OPEN_ANONYMOUS`, 1347), or the client shows who it is with what it writes and
    /// nothing was read from it yet (`ERROR_CANNOT_IMPERSONATE`, 1368). The second error concerns
    /// every client that does not ask for static tracking: std's `File`, Node, pywin32, .NET by
    /// default. A client of this crate does ask. The second error does not happen after the first
    /// message. Refuse a client that cannot be identified.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn serve() -> Result<(), npipes::Error> {
    /// use npipes::Listener;
    ///
    /// let mut listener = Listener::bind("orders")?;
    /// let connection = listener.accept().await?;
    /// let peer = connection.peer()?;
    /// if !peer.is_same_user() {
    ///     println!("process {:?} of another user calls", peer.process_id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer(&self) -> Result<Peer, Error> {
        self.only_server()?;
        Peer::client_of(&**self.handle(), self.opened())
            .map_err(|e| Error::io(Operation::Identify, self.name(), e))
    }

    /// Refuses the client's end before any system call: Wine would name the client itself.
    pub(super) fn only_server(&self) -> Result<(), Error> {
        match self.is_server() {
            true => Ok(()),
            false => {
                let source = io::ErrorKind::Unsupported.into();
                Err(Error::io(Operation::Identify, self.name(), source))
            }
        }
    }

    /// Returns who the server is, as far as this process can tell; on the client's end only.
    ///
    /// [`ServerIdentity`] says how far to rely on each field. `connect` has judged the server
    /// already, by the [`server_trust`](crate::ConnectOptions::server_trust) of its options.
    ///
    /// For a pipe of another machine the operating system asks through the network. So call this on
    /// a blocking thread there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: this is the server's end (`Unsupported`), or on Windows the server has
    /// disconnected, or the operating system does not tell the owner.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn order() -> Result<(), npipes::Error> {
    /// let connection = npipes::connect("orders").await?;
    /// let server = connection.server()?;
    /// println!("served by process {:?}", server.process_id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn server(&self) -> Result<ServerIdentity, Error> {
        let local = self.name().is_none_or(PipeName::is_local);
        match self.is_server() {
            true => Err(io::ErrorKind::Unsupported.into()),
            false => ServerIdentity::of(self.handle(), local, self.opened()),
        }
        .map_err(|e| Error::io(Operation::Identify, self.name(), e))
    }
}

impl Connection<PipeStream> {
    /// Returns the name of the pipe; `None` if the stream was made from a bare handle.
    #[must_use]
    pub fn name(&self) -> Option<&PipeName> {
        self.get_ref().name()
    }
}

/// Adds these methods to types that hold a stream.
macro_rules! ask_through {
    ($($holder:ty: ($held:ident, $ask:ident) $through:expr;)*) => {$(
        impl $holder {
            /// Returns who the client is; on the server's end only: [`PipeStream::peer`].
            ///
            /// # Errors
            ///
            /// As [`PipeStream::peer`].
            pub fn peer(&self) -> Result<Peer, Error> {
                let ($held, $ask) = (self, PipeStream::peer);
                $through
            }

            /// Returns who the server is; on the client's end only: [`PipeStream::server`].
            ///
            /// # Errors
            ///
            /// As [`PipeStream::server`].
            pub fn server(&self) -> Result<ServerIdentity, Error> {
                let ($held, $ask) = (self, PipeStream::server);
                $through
            }
        }
    )*};
}

ask_through! {
    Connection<PipeStream>: (connection, ask) ask(connection.get_ref());
    SendHalf<PipeStream>: (half, ask) half.with_io(ask);
    ReceiveHalf<PipeStream>: (half, ask) half.with_io(ask);
    OwnedReadHalf: (half, ask) ask(half.as_ref());
    OwnedWriteHalf: (half, ask) ask(half.as_ref());
}
