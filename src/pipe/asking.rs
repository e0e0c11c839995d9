//! Who is at the other end, asked of whatever has an end.

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
    /// Returns who the client is; on the server's end only. [`Peer`] says what that is worth.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: this is the client's end. On Windows also: the client is anonymous
    /// (`ERROR_CANT_OPEN_ANONYMOUS`, 1347), or shows who it is with what it writes and nothing was
    /// read of it yet (`ERROR_CANNOT_IMPERSONATE`, 1368). The latter is so with every client that
    /// does not ask for static tracking: std's `File`, Node, pywin32, .NET by default; a client of
    /// this crate does ask. After the first message it does not happen. Whoever cannot be
    /// identified is nobody: refuse it.
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
    /// [`ServerIdentity`] says what each of it is worth. Connecting has judged the server already, by
    /// the [`server_trust`](crate::ConnectOptions::server_trust) of its options.
    ///
    /// Of a pipe of another machine the operating system asks through the network, so there it belongs
    /// on a blocking thread.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: this is the server's end (`Unsupported`), or on Windows the server has
    /// disconnected, or its owner is not told.
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

/// Lets what holds the stream be asked.
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
