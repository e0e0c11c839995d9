//! Serving: an accept loop, a task per connection, and an end that loses nothing.
//!
//! ```text
//!   ┌───────────┐ shutdown, or accepting fails for good ┌───────────┐ the deadline   ┌─────────┐
//!   │ Accepting │ ────────────────────────────────────▶ │ Finishing │ ─────────────▶ │ Cutting │
//!   └───────────┘                                       └───────────┘                └─────────┘
//!                     every handler is told, and goes on as long as it needs     what is left is
//!                                                                                dropped, and counted
//! ```

mod handlers;
mod report;
pub(crate) mod serve;

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::handlers::Handlers;
pub use self::report::ServeReport;
use crate::{
    connection::Connection,
    error::{Error, WithoutContent},
    retry::Backoff,
};

/// What [`serve`](crate::serve()) gets its connections from. Over a pipe that is a `Listener`.
///
/// # Examples
///
/// ```
/// use npipes::{Connection, Error, server::Accept};
/// use tokio::net::{TcpListener, TcpStream};
///
/// struct Tcp(TcpListener);
///
/// impl Accept for Tcp {
///     type Io = TcpStream;
///
///     async fn accept(&mut self) -> Result<Connection<TcpStream>, Error> {
///         Ok(Connection::new(self.0.accept().await?.0))
///     }
/// }
/// ```
pub trait Accept {
    /// The transport.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for a client. A future that is dropped must lose none.
    ///
    /// After an error that is [retryable](Error::is_retryable), and after any [`Error::Io`],
    /// [`serve`](crate::serve()) calls it again, after a delay. Any other error ends the serving.
    fn accept(&mut self) -> impl Future<Output = Result<Connection<Self::Io>, Error>> + Send;

    /// Stops listening. Returns when clients can no longer connect; dropping is the default.
    fn close(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized + Send,
    {
        async move { drop(self) }
    }
}

/// What a handler of [`serve`](crate::serve()) returns: the connection, to be closed, or nothing.
pub trait IntoConnection<T> {
    /// Returns the connection; `None` if there is nothing to close.
    fn into_connection(self) -> Option<Connection<T>>;
}

/// The handler has closed the connection, or lets it be dropped.
impl<T> IntoConnection<T> for () {
    fn into_connection(self) -> Option<Connection<T>> {
        None
    }
}

impl<T> IntoConnection<T> for Connection<T> {
    fn into_connection(self) -> Option<Self> {
        Some(self)
    }
}

impl<T> IntoConnection<T> for Option<Connection<T>> {
    fn into_connection(self) -> Self {
        self
    }
}

/// How to [`serve`](crate::serve()); each setter says its default.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use npipes::server::ServeOptions;
///
/// const OPTIONS: ServeOptions =
///     ServeOptions::new().max_connections(64).shutdown_timeout(Duration::from_secs(10));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ServeOptions {
    max_connections: usize,
    shutdown_timeout: Duration,
}

impl ServeOptions {
    /// The default for [`max_connections`](Self::max_connections): 1,024.
    pub const DEFAULT_MAX_CONNECTIONS: usize = 1024;

    /// The default for [`shutdown_timeout`](Self::shutdown_timeout): 30 s, the time that service
    /// managers commonly give.
    pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

    /// The delays after failures to accept, which are mostly a shortage of something.
    pub(crate) const ACCEPT_RETRY: Backoff =
        Backoff::new(Duration::from_millis(5), Duration::from_secs(1)).without_jitter();

    /// The time that handlers have to end when they are cut. One that awaits ends at once; one that
    /// blocks its thread is not waited for.
    const CUT_GRACE: Duration = Duration::from_secs(1);

    /// Returns the default options.
    pub const fn new() -> Self {
        Self {
            max_connections: Self::DEFAULT_MAX_CONNECTIONS,
            shutdown_timeout: Self::DEFAULT_SHUTDOWN_TIMEOUT,
        }
    }

    /// Serves this many connections at once, and accepts no further one until one of them has ended.
    /// The default is 1,024; 0 counts as 1.
    ///
    /// Clients that come meanwhile wait as the transport lets them: those of a pipe are connected,
    /// and not answered, as long as instances wait for clients.
    pub const fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = if connections == 0 { 1 } else { connections };
        self
    }

    /// Sets how long handlers may go on after shutdown. The default is 30 s.
    pub const fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Accepts connections and runs `handler` on each in a task of its own, until `shutdown` is
    /// cancelled. Then it stops accepting, lets the handlers finish until the deadline, and returns
    /// what there was.
    ///
    /// The token that a handler gets is cancelled at shutdown. A handler should look at it whenever
    /// it waits for the next request, and only then: what it has begun it may finish. If a handler
    /// fails or panics, its own connection ends and no other.
    ///
    /// The connection that a handler returns is [closed](Connection::close), so that the peer gets
    /// everything. A handler that returns `()` has closed it, or lets it be
    /// [dropped](Connection#dropping-it).
    ///
    /// It never fails for want of a client: what it does after an error is said at
    /// [`Accept::accept`].
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped stops accepting, and the handlers' futures are dropped where they
    /// are; their connections are aborted.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with time enabled.
    pub async fn serve<A, H, F, R>(
        self,
        listener: A,
        shutdown: CancellationToken,
        handler: H,
    ) -> ServeReport
    where
        A: Accept + Send,
        H: Fn(Connection<A::Io>, CancellationToken) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, Error>> + Send + 'static,
        R: IntoConnection<A::Io>,
    {
        let mut handlers = Handlers::new(&shutdown, Arc::new(handler));
        // For a caller who drops this future.
        let _cut = handlers.cut.clone().drop_guard();

        let accept_error = self.accept_all(listener, &mut handlers).await;
        // Handlers are told when accepting ends, for whatever reason.
        handlers.shutdown.cancel();
        handlers.tasks.close();
        debug!(connections = handlers.tasks.len(), "finishing");

        if timeout(self.shutdown_timeout, handlers.tasks.wait()).await.is_err() {
            warn!(connections = handlers.tasks.len(), "cutting what is left");
            handlers.cut.cancel();
            let _ = timeout(Self::CUT_GRACE, handlers.tasks.wait()).await;
        }
        while let Ok(ending) = handlers.endings.try_recv() {
            handlers.served.count(ending);
        }
        handlers.served.cut += handlers.tasks.len() as u64;
        ServeReport { accept_error, ..handlers.served }
    }

    async fn accept_all<A, H, F, R>(
        &self,
        mut listener: A,
        handlers: &mut Handlers<H>,
    ) -> Option<Error>
    where
        A: Accept + Send,
        H: Fn(Connection<A::Io>, CancellationToken) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, Error>> + Send + 'static,
        R: IntoConnection<A::Io>,
    {
        let mut delays = Self::ACCEPT_RETRY.delays();
        let failure = loop {
            let accepted = {
                let mut accept = pin!(listener.accept());
                let mut shutdown = pin!(handlers.shutdown.cancelled());
                poll_fn(|cx| {
                    if shutdown.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(None);
                    }
                    while let Poll::Ready(Some(ending)) = handlers.endings.poll_recv(cx) {
                        handlers.running -= 1;
                        handlers.served.count(ending);
                    }
                    match handlers.running < self.max_connections {
                        true => accept.as_mut().poll(cx).map(Some),
                        false => Poll::Pending,
                    }
                })
                .await
            };
            match accepted {
                None => break None,
                Some(Ok(connection)) => {
                    delays.reset();
                    handlers.take_in(connection);
                }
                Some(Err(error)) if may_pass(&error) => {
                    let delay = delays.next_delay();
                    warn!(error = %WithoutContent(&error), ?delay, "accepting failed");
                    let _ = handlers.shutdown.run_until_cancelled(sleep(delay)).await;
                }
                Some(Err(error)) => break Some(error),
            }
        };
        listener.close().await;
        failure
    }
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns whether accepting can go on after this error.
fn may_pass(error: &Error) -> bool {
    error.is_retryable() || matches!(error, Error::Io { .. })
}
