//! An instance of a pipe that waits for a client.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::net::windows::named_pipe::NamedPipeServer;

use super::Arrival;
use crate::pipe::{pending::Pending, places::Place};

/// An instance that waits for a client. A dropped instance lets nobody in any more.
pub(in crate::pipe) struct Instance {
    /// `None` once a client has connected and the server's end was taken.
    server: Option<Arc<NamedPipeServer>>,
    /// Shares the server until this future is dropped.
    connected: Option<Pending<io::Result<()>>>,
    place: Place,
}

impl Instance {
    pub(in crate::pipe) fn new(server: NamedPipeServer, place: Place) -> Self {
        let server = Arc::new(server);
        let waiting = Arc::clone(&server);
        let connected = Pending::new(async move { waiting.connect().await });
        Self { server: Some(server), connected: Some(connected), place }
    }

    /// Is ready when a client has connected. Do not poll it again after that.
    pub(in crate::pipe) fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.connected {
            Some(connected) => connected.poll(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Returns the server's end of the client that has connected.
    pub(in crate::pipe) fn into_arrival(mut self) -> Option<Arrival> {
        self.connected = None;
        let server = self.server.take().and_then(Arc::into_inner)?;
        Some(Arrival::now(server, std::mem::take(&mut self.place)))
    }
}

impl Drop for Instance {
    /// A dropped handle lets clients in until the runtime's driver has run. A disconnected handle
    /// does not.
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            let _ = server.disconnect();
        }
    }
}
