//! The server's side: a name that is owned from `bind` on, and instances that wait on it.

mod admission;
mod instance;
mod options;
mod outage;

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use tracing::{debug, warn};

pub use self::options::ListenerOptions;
use self::{
    admission::{Admission, Candidacy, Candidate},
    instance::{Hold, Instance},
    outage::Outage,
};
use super::{
    places::{Arrival, Place, Places},
    security::SecurityDescriptor,
    stream::PipeStream,
    sys::{self, InstanceFlags},
};
use crate::{
    connection::{Connection, ConnectionOptions},
    error::{Error, Operation},
    name::PipeName,
    server::Accept,
};

/// The server's side of a pipe name: it owns the name from [`bind`](Self::bind) until it is dropped
/// or closed, and has instances waiting for clients.
///
/// Whether [`accept`](Self::accept) is awaited or not, nobody else can create the name meanwhile, and
/// a client that comes while no instance waits finds the pipe busy, never absent. That is so at any
/// [`max_instances`](ListenerOptions::max_instances): one instance more, which lets nobody in, holds
/// the name.
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
    flags: InstanceFlags,
    security: SecurityDescriptor,
    backlog: usize,
    admission: Admission,
    /// Connected, and not admitted yet; oldest first.
    candidates: VecDeque<Candidate>,
    connection: ConnectionOptions,
    /// Oldest first: the operating system gives clients to instances in this order.
    waiting: VecDeque<Instance>,
    places: Places,
    /// The limit of instances was reached, and the log was told.
    full: bool,
    outage: Option<Outage>,
    /// Keeps the name while no other instance does.
    _hold: Hold,
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

    /// Fills the backlog of a listener that holds its name.
    fn started(mut self) -> Result<Self, Error> {
        while self.waiting.len() < self.backlog {
            let Some(place) = self.places.try_take() else { break };
            self.arm(place).map_err(|e| self.error(Operation::Listen, e))?;
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
    /// At the limit of [`max_instances`](ListenerOptions::max_instances) it waits until a connection
    /// is given up, and for a client then.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], after which `accept` can be called again. A failure to create a further
    /// instance is reported once, when no instance waits any more; `accept` then keeps trying and
    /// goes on when the cause is gone. That all instances are in use is no failure.
    ///
    /// # Cancel safety
    ///
    /// No client is lost: one that has connected meanwhile is returned by the next call.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O and time enabled.
    pub async fn accept(&mut self) -> Result<Connection<PipeStream>, Error> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Waits for a client and returns the stream to it, for a protocol of your own.
    ///
    /// Of [`ListenerOptions::connection`] it has the
    /// [`close_timeout`](ConnectionOptions::close_timeout) and the
    /// [`linger`](ConnectionOptions::linger) time.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Cancel safety
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Panics
    ///
    /// As [`accept`](Self::accept).
    pub async fn accept_stream(&mut self) -> Result<PipeStream, Error> {
        let stream = poll_fn(|cx| self.poll_accept_stream(cx)).await?;
        debug!(pipe = %self.name, "accepted");
        Ok(stream)
    }

    /// Returns the connections as a stream, which never ends.
    ///
    /// # Panics
    ///
    /// Polling it does as [`accept`](Self::accept) does.
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
        self.poll_accept_stream(cx).map_ok(|stream| {
            self.accepted += 1;
            let connection = stream.into_connection(&self.connection, Some(self.accepted), 0);
            connection.span().in_scope(|| debug!(pipe = %self.name, "accepted"));
            connection
        })
    }

    fn poll_accept_stream(&mut self, cx: &mut Context<'_>) -> Poll<Result<PipeStream, Error>> {
        self.poll_admitted(cx).map_ok(|arrival| {
            PipeStream::server(arrival, self.name.clone())
                .with_close_deadline(self.connection.close_timeout)
                .with_linger(self.connection.linger)
        })
    }

    fn poll_admitted(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival, Error>> {
        self.poll_rearm(cx);
        if let Some(error) = self.unreported_outage() {
            return Poll::Ready(Err(error));
        }
        while let Some(connected) = self.poll_connected(cx) {
            match connected.map(|arrival| self.admission.examine(arrival, &self.name)) {
                Ok(Candidacy::Admitted(arrival)) => return Poll::Ready(Ok(arrival)),
                Ok(Candidacy::Undecided(candidate)) => self.candidates.push_back(candidate),
                Err(e) => return Poll::Ready(Err(e)),
            }
            if let Some(arrival) = self.poll_candidates(cx) {
                return Poll::Ready(Ok(arrival));
            }
        }
        self.poll_candidates(cx).map_or(Poll::Pending, |arrival| Poll::Ready(Ok(arrival)))
    }

    /// Decides on the candidates, and returns the first that is admitted.
    fn poll_candidates(&mut self, cx: &mut Context<'_>) -> Option<Arrival> {
        let mut undecided = 0;
        // Each is taken out while it is polled: should a filter panic, that client alone is lost.
        for _ in 0..self.candidates.len() {
            let Some(mut candidate) = self.candidates.pop_front() else { break };
            match candidate.as_mut().poll(cx) {
                Poll::Pending => {
                    self.candidates.push_back(candidate);
                    undecided += 1;
                }
                Poll::Ready(Some(arrival)) => {
                    self.candidates.rotate_right(undecided);
                    return Some(arrival);
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
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Option<Result<Arrival, Error>> {
        for index in 0..self.waiting.len() {
            let Poll::Ready(connected) = self.waiting[index].connected.as_mut().poll(cx) else {
                continue;
            };
            let instance = self.waiting.remove(index).and_then(Instance::into_arrival);
            // Before the client is handed out, so that the next one does not find the server busy.
            self.poll_rearm(cx);
            return Some(match (connected, instance) {
                (Ok(()), Some(arrival)) => Ok(arrival),
                (Err(e), _) => Err(self.error(Operation::Accept, e)),
                (Ok(()), None) => unreachable!("the connect future was the only other owner"),
            });
        }
        None
    }

    /// Fills the backlog as far as the limit of instances lets it, and if that fails tries again
    /// after a while.
    fn poll_rearm(&mut self, cx: &mut Context<'_>) {
        while self.waiting.len() < self.backlog {
            if self.outage.as_mut().is_some_and(|outage| outage.poll_retry(cx).is_pending()) {
                return;
            }
            let Poll::Ready(place) = self.places.poll_take(cx) else {
                if self.waiting.is_empty() && !self.full {
                    self.full = true;
                    debug!(pipe = %self.name, "all instances are in use");
                }
                return;
            };
            match self.arm(place) {
                Ok(()) => {
                    self.full = false;
                    if let Some(outage) = self.outage.take().filter(Outage::was_reported) {
                        let attempts = outage.attempts;
                        warn!(pipe = %self.name, attempts, "instances can be created again");
                    }
                }
                Err(error) => self.note_outage(error),
            }
        }
    }

    fn note_outage(&mut self, error: io::Error) {
        let text = error.to_string();
        let outage = match &mut self.outage {
            Some(outage) => {
                outage.prolong();
                outage
            }
            none => none.insert(Outage::new(error)),
        };
        if outage.begins_to_be_reported() {
            warn!(pipe = %self.name, error = text, "no further instance can be created");
        }
    }

    fn arm(&mut self, place: Place) -> io::Result<()> {
        let handle = sys::create_instance(&self.name, self.flags, self.security.as_descriptor())?;
        self.waiting.push_back(Instance::new(sys::register_server(handle)?, place));
        Ok(())
    }

    fn unreported_outage(&mut self) -> Option<Error> {
        if !self.waiting.is_empty() {
            return None;
        }
        let error = self.outage.as_mut()?.take_unreported()?;
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
            .field("undecided", &self.candidates.len())
            .field("accepted", &self.accepted)
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
