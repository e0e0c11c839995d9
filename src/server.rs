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

/// Where [`serve`](crate::serve()) gets its connections from. Over a pipe that is a `Listener`.
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

    /// Waits for a client. A dropped future must lose no client.
    ///
    /// After an error that is [retryable](Error::is_retryable), and after any [`Error::Io`],
    /// [`serve`](crate::serve()) waits and calls it again. Any other error ends the serving.
    fn accept(&mut self) -> impl Future<Output = Result<Connection<Self::Io>, Error>> + Send;

    /// Stops listening. Returns when clients can no longer connect. The default drops the listener.
    fn close(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized + Send,
    {
        async move { drop(self) }
    }
}

/// What a handler of [`serve`](crate::serve()) returns: the connection, which is then closed, or
/// nothing.
pub trait IntoConnection<T> {
    /// Returns the connection, or `None` if there is nothing to close.
    fn into_connection(self) -> Option<Connection<T>>;
}

/// The handler has closed the connection, or dropped it.
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

/// The options of [`serve`](crate::serve()). Each setter names its default.
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

    /// The default for [`shutdown_timeout`](Self::shutdown_timeout): 30 s. Service managers
    /// commonly give a service this time.
    pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

    /// The delays after a failed accept. The cause is mostly a shortage of a resource.
    pub(crate) const ACCEPT_RETRY: Backoff =
        Backoff::new(Duration::from_millis(5), Duration::from_secs(1)).without_jitter();

    /// The time that handlers have to end when they are cut. A handler that awaits ends at once. A
    /// handler that blocks its thread is not waited for.
    const CUT_GRACE: Duration = Duration::from_secs(1);

    /// Returns the default options.
    pub const fn new() -> Self {
        Self {
            max_connections: Self::DEFAULT_MAX_CONNECTIONS,
            shutdown_timeout: Self::DEFAULT_SHUTDOWN_TIMEOUT,
        }
    }

    /// Serves at most this many connections at once. No further connection is accepted until one of
    /// them has ended. The default is 1,024. 0 counts as 1.
    ///
    /// How other clients wait meanwhile depends on the transport. The clients of a pipe are
    /// connected as long as instances wait for clients, but get no answer.
    pub const fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = if connections == 0 { 1 } else { connections };
        self
    }

    /// Sets how long handlers may go on after shutdown. The default is 30 s.
    pub const fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Accepts connections and runs `handler` on each in its own task, until `shutdown` is
    /// cancelled. Then it stops accepting, lets the handlers finish until the deadline, and returns
    /// a report.
    ///
    /// The token that a handler gets is cancelled at shutdown. A handler should check it only while
    /// it waits for the next request, so that it can finish what it has begun. If a handler fails
    /// or panics, only its own connection ends.
    ///
    /// The connection that a handler returns is [closed](Connection::close), so that the peer gets
    /// everything. A handler that returns `()` has closed its connection, or
    /// [drops](Connection#dropping-a-connection) it.
    ///
    /// It does not fail because it gets no client. [`Accept::accept`] says what it does after an
    /// error.
    ///
    /// # Cancel safety
    ///
    /// A dropped future stops accepting. The futures of the handlers are dropped where they are,
    /// and their connections are aborted.
    ///
    /// # Panics
    ///
    /// Panics outside a Tokio runtime with time enabled.
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
        // For the case that the caller drops this future.
        let _cut = handlers.cut.clone().drop_guard();

        let accept_error = self.accept_all(listener, &mut handlers).await;
        // The handlers learn that accepting has ended, for whatever reason.
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
