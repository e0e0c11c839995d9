//! The server's side: a name that the listener owns from `bind` on, and instances that wait for
//! clients.

mod admission;
mod incoming;
mod options;
#[cfg(windows)]
mod windows;

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    task::{Context, Poll},
};

use tracing::debug;

use self::admission::{Admission, Candidacy, Candidate};
pub use self::{
    incoming::{Incoming, IncomingStreams},
    options::ListenerOptions,
};
use super::{
    imp::{Arrival, Backlog, Hold},
    stream::PipeStream,
};
use crate::{
    connection::{Connection, ConnectionOptions},
    error::Error,
    name::PipeName,
    server::Accept,
};

/// The server's side of a pipe name: it owns the name from [`bind`](Self::bind) until it is dropped
/// or closed, and has instances waiting for clients.
///
/// Nobody else can create the name meanwhile, also while [`accept`](Self::accept) is not awaited. A
/// client that comes while no instance waits finds the pipe busy, never absent. This is true for
/// any [`max_instances`](ListenerOptions::max_instances): on Windows one more instance holds the
/// name and lets nobody in.
///
/// On Unix the name is a socket's path. A lock on the file `PATH.lock` beside it owns the name. The
/// socket appears at its path when clients can connect, and it has its final mode from then on.
/// Both files are removed when the listener is closed or dropped. If the process is killed, the
/// next listener takes the files over. A server that does not know the lock keeps its socket. A
/// server that removes whatever is at its path, as many do, takes the name away. On macOS a client
/// finds the pipe absent while the listener's queue is full.
///
/// # Examples
///
/// ```no_run
/// # async fn serve() -> Result<(), npipes::Error> {
/// use npipes::Listener;
///
/// let mut listener = Listener::bind("orders")?;
/// loop {
///     let mut connection = match listener.accept().await {
///         Ok(connection) => connection,
///         // No client is lost, and the next call goes on when the cause is gone.
///         Err(e) => {
///             eprintln!("{e}");
///             continue;
///         }
///     };
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
    backlog: Backlog,
    admission: Admission,
    /// Clients that are connected and not admitted yet; oldest first.
    candidates: VecDeque<Candidate>,
    connection: ConnectionOptions,
    /// Whether the pipe keeps write boundaries.
    keeps_messages: bool,
    /// Keeps the name. It is dropped after the fields that let clients in.
    _hold: Hold,
    /// How many connections were handed out; it gives each its number.
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

    /// Returns the name that the listener listens on.
    #[must_use]
    pub fn name(&self) -> &PipeName {
        &self.name
    }

    /// Waits for a client and returns the connection to it.
    ///
    /// A client that has connected, written and left is returned too: its messages can be received.
    /// At the limit of [`max_instances`](ListenerOptions::max_instances) it waits until a
    /// connection is given up, and then for a client.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], after which `accept` can be called again. If no further instance can be
    /// created, or if on Unix a client cannot be accepted because files or memory run out, `accept`
    /// reports this once, when no instance waits any more. `accept` then keeps trying and goes on
    /// when the cause is gone. It is no failure that all instances are in use.
    ///
    /// # Cancel safety
    ///
    /// No client is lost: the next call returns a client that has connected meanwhile.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O and time enabled.
    pub async fn accept(&mut self) -> Result<Connection<PipeStream>, Error> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Waits for a client and returns the stream to it, for a protocol of your own.
    ///
    /// The stream has the [`close_timeout`](ConnectionOptions::close_timeout) and the
    /// [`linger`](ConnectionOptions::linger) time of [`ListenerOptions::connection`].
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
        poll_fn(|cx| self.poll_accept_stream(cx)).await
    }

    /// Returns the connections as a stream, which never ends.
    ///
    /// # Panics
    ///
    /// Polling the stream panics where [`accept`](Self::accept) does.
    pub fn incoming(self) -> Incoming {
        Incoming::new(self)
    }

    /// Returns the streams to clients as a stream, which never ends, for servers that take one,
    /// such as tonic's `serve_with_incoming`.
    ///
    /// # Panics
    ///
    /// Polling the stream panics where [`accept`](Self::accept) does.
    pub fn incoming_streams(self) -> IncomingStreams {
        IncomingStreams::new(self)
    }

    /// Stops listening. When this returns, clients can no longer connect and the name is free
    /// again. On Windows the name becomes free when the accepted connections are closed too; this
    /// call leaves them open. A client that had connected and was not accepted finds its connection
    /// reset.
    ///
    /// Dropping the listener does the same, but on Windows the name stays in use until the runtime
    /// has next looked for finished I/O.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has dropped the listener.
    pub async fn close(self) {
        drop(self);
        // On Windows mio keeps a handle open until the runtime has seen the end of its cancelled `connect`.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    /// Polls for a client as [`accept`](Self::accept) waits for one.
    ///
    /// Wakes the task that polled last.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Panics
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Connection<PipeStream>, Error>> {
        self.poll_arrival(cx).map_ok(|stream| {
            let connection =
                stream.into_numbered_connection(&self.connection, Some(self.accepted), 0);
            connection.span().in_scope(|| debug!(pipe = %self.name(), "accepted"));
            connection
        })
    }

    /// Polls for a client as [`accept_stream`](Self::accept_stream) waits for one.
    ///
    /// Wakes the task that polled last.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Panics
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept_stream(&mut self, cx: &mut Context<'_>) -> Poll<Result<PipeStream, Error>> {
        self.poll_arrival(cx).map_ok(|stream| {
            debug!(pipe = %self.name(), "accepted");
            stream
                .with_close_timeout(self.connection.close_timeout)
                .with_linger(self.connection.linger)
        })
    }

    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Result<PipeStream, Error>> {
        self.poll_admitted(cx).map_ok(|arrival| {
            self.accepted += 1;
            PipeStream::of_server(arrival, self.name().clone(), self.keeps_messages)
        })
    }

    fn poll_admitted(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival, Error>> {
        while let Some(connected) = self.backlog.poll_connected(cx) {
            match connected.map(|arrival| self.admission.examine(arrival, self.name())) {
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
        // Each candidate is taken out while it is polled. If a filter panics, only that client is
        // lost.
        for _ in 0..self.candidates.len() {
            let Some(mut candidate) = self.candidates.pop_front() else { break };
            match candidate.poll(cx) {
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
            debug!(pipe = %self.name(), "dropped a client that has said nothing for the longest");
            self.candidates.pop_front();
        }
        None
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

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("name", self.name())
            .field("waiting", &self.backlog.waiting())
            .field("undecided", &self.candidates.len())
            .field("accepted", &self.accepted)
            .finish_non_exhaustive()
    }
}
