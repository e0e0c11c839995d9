//! The server's side of a simulated pipe.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::{Sleep, sleep_until};
use tracing::debug;

use super::{
    state::{Arrival, Shared},
    stream::Stream,
    wire::End,
};
use crate::{
    connection::{Connection, ConnectionOptions, Origin, Role},
    error::Error,
    server::Accept,
};

/// Listens on a simulated pipe, as a `Listener` does on Windows. It owns the name until it is
/// dropped or closed, and clients connect before they are accepted.
#[derive(Debug)]
pub struct Listener {
    pipe: Arc<Shared>,
    connection: ConnectionOptions,
    /// The number of connections handed out. It numbers the next connection.
    accepted: u64,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Listener {
    pub(super) fn new(pipe: Arc<Shared>) -> Self {
        Self { pipe, connection: ConnectionOptions::new(), accepted: 0, timer: None }
    }

    /// Sets how connections behave. The default is [`ConnectionOptions::new`].
    #[must_use]
    pub fn connection(mut self, options: ConnectionOptions) -> Self {
        self.connection = options;
        self
    }

    /// Waits for a client and returns the connection to it.
    ///
    /// A client that has connected, written and left is returned too.
    ///
    /// # Errors
    ///
    /// There are none so far.
    ///
    /// # Cancel safety
    ///
    /// No client is lost: the next call returns a client that has connected meanwhile.
    ///
    /// # Panics
    ///
    /// Panics outside a Tokio runtime with time enabled, if it has to wait for the pipe's delay.
    pub async fn accept(&mut self) -> Result<Connection<Stream>, Error> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Stops listening, as a drop does. Clients that were not accepted find their connections
    /// reset. Accepted connections go on.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has dropped the listener.
    pub async fn close(self) {
        drop(self);
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Connection<Stream>, Error>> {
        loop {
            let due = match self.pipe.take_arrival(cx.waker()) {
                Ok(arrival) => return Poll::Ready(Ok(self.take_in(arrival))),
                Err(None) => return Poll::Pending,
                Err(Some(due)) => due,
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn take_in(&mut self, arrival: Arrival) -> Connection<Stream> {
        let Arrival { wire, instance, .. } = arrival;
        self.accepted += 1;
        let name = self.pipe.name();
        let deadline = self.connection.close_timeout;
        let stream = Stream::new(wire, End::Server, name.clone(), deadline, Some(instance));
        let origin = Origin {
            pipe: Some(name.clone()),
            role: Some(Role::Server),
            id: Some(self.accepted),
            retries: 0,
        };
        let connection = Connection::over_transport(stream, &self.connection, origin);
        connection.span().in_scope(|| debug!(pipe = %name, "accepted"));
        connection
    }
}

impl Accept for Listener {
    type Io = Stream;

    async fn accept(&mut self) -> Result<Connection<Stream>, Error> {
        Self::accept(self).await
    }

    async fn close(self) {
        Self::close(self).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.pipe.unlisten();
    }
}
