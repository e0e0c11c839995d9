//! Who the server is, asked of an open pipe.

use std::{io, os::windows::io::AsHandle};

use super::evidence::{Evidence, Questions, ServerIdentity};
use crate::{
    connection::{Connection, ReceiveHalf, SendHalf},
    error::{Error, Operation},
    name::PipeName,
    pipe::{peer::Peer, stream::PipeStream},
};

impl PipeStream {
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
    /// [`Error::Io`]: this is the server's end (`Unsupported`), the server has disconnected, or its
    /// owner is not told.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn order() -> Result<(), npipes::Error> {
    /// let connection = npipes::connect("orders").await?;
    /// let server = connection.server()?;
    /// println!("served by process {:?} of {:?}", server.process_id, server.owner);
    /// # Ok(())
    /// # }
    /// ```
    pub fn server(&self) -> Result<ServerIdentity, Error> {
        let unknown = |e| Error::io(Operation::Identify, self.name(), e);
        if self.is_server() {
            return Err(unknown(io::ErrorKind::Unsupported.into()));
        }
        let this = Peer::this_process().map_err(unknown)?;
        let local = self.name().is_none_or(PipeName::is_local);
        let evidence = Evidence::of(self.as_handle(), this.user, Questions { local, all: true });
        Ok(evidence.map_err(unknown)?.server(&this, self.opened()))
    }
}

impl Connection<PipeStream> {
    /// Returns who the server is; on the client's end only: [`PipeStream::server`].
    ///
    /// # Errors
    ///
    /// As [`PipeStream::server`].
    pub fn server(&self) -> Result<ServerIdentity, Error> {
        self.get_ref().server()
    }
}

impl SendHalf<PipeStream> {
    /// Returns who the server is; on the client's end only: [`PipeStream::server`].
    ///
    /// # Errors
    ///
    /// As [`PipeStream::server`].
    pub fn server(&self) -> Result<ServerIdentity, Error> {
        self.with_io(PipeStream::server)
    }
}

impl ReceiveHalf<PipeStream> {
    /// Returns who the server is; on the client's end only: [`PipeStream::server`].
    ///
    /// # Errors
    ///
    /// As [`PipeStream::server`].
    pub fn server(&self) -> Result<ServerIdentity, Error> {
        self.with_io(PipeStream::server)
    }
}
