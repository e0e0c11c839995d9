//! Tells who the client is when the caller does not have the stream.

use std::{
    fmt, io,
    sync::{Arc, Weak},
    time::SystemTime,
};

use super::{
    imp::{Peer, PipeHandle},
    stream::PipeStream,
};
use crate::{
    error::{Error, Operation},
    name::PipeName,
};

/// Tells who the client of a pipe is while the stream itself belongs to another, such as an HTTP
/// server.
///
/// It does not keep the pipe open. Cloning costs two reference counts.
///
/// # Examples
///
/// ```no_run
/// # async fn serve() -> Result<(), npipes::Error> {
/// use npipes::Listener;
///
/// let mut listener = Listener::bind("orders")?;
/// let stream = listener.accept_stream().await?;
/// let client = stream.peer_handle();
/// let serving = tokio::spawn(async move {
///     let (mut read, mut write) = tokio::io::split(stream);
///     tokio::io::copy(&mut read, &mut write).await
/// });
/// println!("{:?}", client.peer()?.process_id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PeerHandle {
    pipe: Weak<PipeHandle>,
    name: Option<PipeName>,
    opened: SystemTime,
}

impl PeerHandle {
    /// Returns who the client is; on the server's end only. [`Peer`] says how far to rely on it.
    ///
    /// # Errors
    ///
    /// As [`PipeStream::peer`]. A client that shows who it is with what it writes can be identified
    /// once something was read from it: while its first request is handled, but not when it has
    /// just connected. [`Error::Io`] of the kind `NotConnected` if the stream was dropped.
    pub fn peer(&self) -> Result<Peer, Error> {
        self.ask().map_err(|e| Error::io(Operation::Identify, self.name(), e))
    }

    fn ask(&self) -> io::Result<Peer> {
        let pipe = self.pipe.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        match pipe.is_server() {
            true => Peer::client_of(&*pipe, self.opened),
            // Before any system call: Wine would name the client itself.
            false => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Returns the name of the pipe; `None` if the stream was made from a bare handle.
    #[must_use]
    pub fn name(&self) -> Option<&PipeName> {
        self.name.as_ref()
    }
}

impl PipeStream {
    /// Returns a handle that tells who the client is after the stream was given away.
    #[must_use]
    pub fn peer_handle(&self) -> PeerHandle {
        PeerHandle {
            pipe: Arc::downgrade(self.handle()),
            name: self.name().cloned(),
            opened: self.opened(),
        }
    }
}

impl fmt::Debug for PeerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerHandle").field("name", &self.name).finish_non_exhaustive()
    }
}
