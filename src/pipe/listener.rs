//! The server's side: a name that is owned from `bind` on, and instances that wait on it.

mod instance;
mod options;
mod outage;

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::net::windows::named_pipe::NamedPipeServer;
use tracing::{debug, warn};

pub use self::options::ListenerOptions;
use self::{instance::Instance, outage::Outage};
use super::{
    admission::{Admission, Candidacy, Candidate},
    security::SecurityDescriptor,
    stream::PipeStream,
    sys::{self, InstanceWords},
};
use crate::{
    connection::{Connection, ConnectionOptions},
    error::{Error, Operation},
    name::PipeName,
    server::Accept,
};

/// The server's side of a pipe name: it owns the name from [`bind`](Self::bind) until it is dropped
/// or closed, and always has instances waiting, so that no client finds the server busy or absent.
///
/// # Examples
///
/// ```no_run
/// # async fn serve() -> Result<(), npipes::Error> {
/// use npipes::Listener;
///
/// let mut listener = Listener::bind("orders")?;
/// loop {
///     let mut connection = listener.accept().await?;
///     tokio::spawn(async move {
///         while let Some(order) = connection.receive().await? {
///             connection.send(order).await?;
///         }
///         Ok::<(), npipes::Error>(())
///     });
/// }
/// # }
/// ```
pub struct Listener {
    name: PipeName,
    words: InstanceWords,
    security: SecurityDescriptor,
    backlog: usize,
    admission: Admission,
    /// Connected, and not admitted yet; oldest first.
    candidates: VecDeque<Candidate>,
    connection: ConnectionOptions,
    /// Oldest first: the operating system gives clients to instances in this order.
    waiting: VecDeque<Instance>,
    outage: Option<Outage>,
    /// Connections handed out, to number them by.
    accepted: u64,
}

impl Listener {
    /// Listens on `name` with the default options: [`ListenerOptions::bind`].
    ///
    /// # Errors
    ///
    /// As [`ListenerOptions::bind`].
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O and time enabled.
    pub fn bind<N>(name: N) -> Result<Self, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        ListenerOptions::new().bind(name)
    }

    /// Fills the backlog of a listener that has its first instance.
    fn started(mut self) -> Result<Self, Error> {
        while self.waiting.len() < self.backlog {
            self.arm().map_err(|e| self.error(Operation::Listen, e))?;
        }
        debug!(pipe = %self.name, backlog = self.backlog, "listening");
        Ok(self)
    }

    /// Returns the name that it listens on.
    #[must_use]
    pub fn name(&self) -> &PipeName {
        &self.name
    }

    /// Waits for a client and returns the connection to it.
    ///
    /// A client that has connected, written and left is returned too: its messages can be received.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], after which `accept` can be called again. A failure to create a further
    /// instance is reported once, when no instance waits any more; `accept` then keeps trying and
    /// goes on when the cause is gone.
    ///
    /// # Cancel safety
    ///
    /// No client is lost: one that has connected meanwhile is returned by the next call.
    pub async fn accept(&mut self) -> Result<Connection<PipeStream>, Error> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Waits for a client and returns Tokio's bare handle, for a protocol of your own.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Cancel safety
    ///
    /// As [`accept`](Self::accept).
    pub async fn accept_raw(&mut self) -> Result<NamedPipeServer, Error> {
        let server = poll_fn(|cx| self.poll_accept_raw(cx)).await?;
        debug!(pipe = %self.name, "accepted");
        Ok(server)
    }

    /// Returns the connections as a stream, which never ends.
    pub fn incoming(self) -> Incoming {
        Incoming { listener: self }
    }

    /// Stops listening. Clients can no longer connect when this returns, and the name is free again
    /// when the accepted connections, which are left alone, are closed too. A client that had
    /// connected and was not accepted finds its connection reset.
    ///
    /// Dropping the listener does the same, but the name stays in use until the runtime has next
    /// looked for finished I/O.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has dropped the listener.
    pub async fn close(self) {
        drop(self);
        // mio keeps a handle open until the runtime has seen the end of its cancelled `connect`.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    /// Polls for a connection: what [`accept`](Self::accept) awaits.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Connection<PipeStream>, Error>> {
        self.poll_accept_raw(cx).map_ok(|server| {
            self.accepted += 1;
            let stream = PipeStream::server(server, self.name.clone());
            let connection = stream.into_connection(&self.connection, Some(self.accepted), 0);
            connection.span().in_scope(|| debug!(pipe = %self.name, "accepted"));
            connection
        })
    }

    fn poll_accept_raw(&mut self, cx: &mut Context<'_>) -> Poll<Result<NamedPipeServer, Error>> {
        self.poll_rearm(cx);
        if let Some(error) = self.unreported_outage() {
            return Poll::Ready(Err(error));
        }
        while let Some(connected) = self.poll_connected(cx) {
            match connected.map(|server| self.admission.examine(server, &self.name)) {
                Ok(Candidacy::Admitted(server)) => return Poll::Ready(Ok(server)),
                Ok(Candidacy::Undecided(candidate)) => self.candidates.push_back(candidate),
                Err(e) => return Poll::Ready(Err(e)),
            }
            if let Some(server) = self.poll_candidates(cx) {
                return Poll::Ready(Ok(server));
            }
        }
        self.poll_candidates(cx).map_or(Poll::Pending, |server| Poll::Ready(Ok(server)))
    }

    /// Decides on the candidates, and returns the first that is admitted.
    fn poll_candidates(&mut self, cx: &mut Context<'_>) -> Option<NamedPipeServer> {
        let mut undecided = 0;
        // Each is taken out while it is polled: should a filter panic, that client alone is lost.
        for _ in 0..self.candidates.len() {
            let Some(mut candidate) = self.candidates.pop_front() else { break };
            match candidate.as_mut().poll(cx) {
                Poll::Pending => {
                    self.candidates.push_back(candidate);
                    undecided += 1;
                }
                Poll::Ready(Some(server)) => {
                    self.candidates.rotate_right(undecided);
                    return Some(server);
                }
                Poll::Ready(None) => {}
            }
        }
        while self.candidates.len() > Admission::MAX_CANDIDATES {
            debug!(pipe = %self.name, "dropped a client that has said nothing for the longest");
            self.candidates.pop_front();
        }
        None
    }

    /// Returns the next client that has connected.
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Option<Result<NamedPipeServer, Error>> {
        for index in 0..self.waiting.len() {
            let Poll::Ready(connected) = self.waiting[index].connected.as_mut().poll(cx) else {
                continue;
            };
            let instance = self.waiting.remove(index).and_then(Instance::into_server);
            // Before the client is handed out: at no time is there no instance, so neither does a
            // client find the server busy, nor can another process take the name.
            self.poll_rearm(cx);
            return Some(match (connected, instance) {
                (Ok(()), Some(server)) => Ok(server),
                (Err(e), _) => Err(self.error(Operation::Accept, e)),
                (Ok(()), None) => unreachable!("the connect future was the only other owner"),
            });
        }
        None
    }

    /// Fills the backlog, and if that fails tries again after a while.
    fn poll_rearm(&mut self, cx: &mut Context<'_>) {
        while self.waiting.len() < self.backlog {
            if let Some(outage) = &mut self.outage {
                if outage.retry.as_mut().poll(cx).is_pending() {
                    return;
                }
            }
            match self.arm() {
                Ok(()) => {
                    if let Some(outage) = self.outage.take() {
                        let attempts = outage.attempts;
                        warn!(pipe = %self.name, attempts, "instances can be created again");
                    }
                }
                Err(e) => match &mut self.outage {
                    Some(outage) => outage.prolong(),
                    None => {
                        warn!(pipe = %self.name, error = %e, "no further instance can be created");
                        self.outage = Some(Outage::new(e));
                    }
                },
            }
        }
    }

    fn arm(&mut self) -> io::Result<()> {
        let server = sys::create_instance(&self.name, self.words, self.security.as_descriptor())?;
        self.waiting.push_back(Instance::new(server));
        Ok(())
    }

    fn unreported_outage(&mut self) -> Option<Error> {
        if !self.waiting.is_empty() {
            return None;
        }
        let error = self.outage.as_mut()?.error.take()?;
        Some(self.error(Operation::Listen, error))
    }

    fn error(&self, operation: Operation, source: io::Error) -> Error {
        Error::io(operation, Some(&self.name), source)
    }
}

impl Accept for Listener {
    type Io = PipeStream;

    async fn accept(&mut self) -> Result<Connection<PipeStream>, Error> {
        Self::accept(self).await
    }

    async fn close(self) {
        Self::close(self).await;
    }
}

impl Drop for Listener {
    /// Lets nobody in from now on. A handle that is dropped while it listens stays open, and clients
    /// can still open the pipe, until the runtime's driver has run; a disconnected one refuses them,
    /// but `DisconnectNamedPipe` fails while an instance listens (`ERROR_PIPE_LISTENING`). So each
    /// place that is left is taken first, if the pipe's access rights let this process.
    fn drop(&mut self) {
        let places = 0..self.waiting.len();
        let taken: Vec<_> = places.map_while(|_| sys::take_place(&self.name).ok()).collect();
        for instance in &self.waiting {
            let _ = instance.server.disconnect();
        }
        drop(taken);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("name", &self.name)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

/// The connections that a [`Listener`] accepts, as a stream.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Incoming {
    listener: Listener,
}

impl Incoming {
    /// Returns the listener.
    #[must_use]
    pub fn into_listener(self) -> Listener {
        self.listener
    }
}

impl Stream for Incoming {
    type Item = Result<Connection<PipeStream>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.listener.poll_accept(cx).map(Some)
    }
}
