//! Coming by a connection: attempts, the delays between them, and when to give up.
//!
//! ```text
//!   ┌─────────┐  first poll   ┌─────────┐ established
//!   │ Resting │ ────────────▶ │ Dialing │ ───────────▶ a connection: Resting again
//!   └─────────┘               └─────────┘
//!        │ lost, unproven        │   ▲
//!        │        ┌─────────┐ ◀──┘   │ the delay is over
//!        └──────▶ │ Pausing │ ───────┘
//!                 └─────────┘
//! ```
//!
//! The limits, and a failure that no further attempt can mend, lead back to Resting.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::{Instant, Sleep, sleep, sleep_until},
};
use tracing::debug;

use super::options::ClientOptions;
use crate::{
    connection::Connection,
    error::{Error, WithoutContent},
    frame::FrameError,
    retry::Delays,
};

/// What a [`Client`](crate::Client) connects with. Over a pipe that is a `Connector`; for another
/// transport, or to choose among several servers, implement it.
///
/// # Examples
///
/// ```
/// use npipes::{Connect, Connection, Error};
/// use tokio::net::TcpStream;
///
/// struct Tcp(&'static str);
///
/// impl Connect for Tcp {
///     type Io = TcpStream;
///
///     async fn connect(&self) -> Result<Connection<TcpStream>, Error> {
///         Ok(Connection::new(TcpStream::connect(self.0).await?))
///     }
/// }
/// ```
pub trait Connect: Send + Sync + 'static {
    /// The transport.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Makes one attempt to connect. The client drops the future when it gives up or is dropped.
    ///
    /// After [`Error::Io`], [`Error::Connect`], and whatever [is closed](Error::is_closed),
    /// [a timeout](Error::is_timeout) or [retryable](Error::is_retryable), the client tries again.
    /// Any other error, and an [`Error::Io`] of the kind `PermissionDenied`, ends the attempts.
    fn connect(&self) -> impl Future<Output = Result<Connection<Self::Io>, Error>> + Send;
}

/// Where a [`Client`](crate::Client) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ClientState {
    /// There is no connection, and none is wanted: nothing was done yet, the attempts were given up,
    /// or the client was shut down.
    #[default]
    Idle,
    /// There is no connection yet, or no more.
    Connecting {
        /// The attempt that is under way or comes next, counted from 1.
        attempt: u32,
    },
    /// There is a connection, as far as is known.
    Connected {
        /// Which one, counted from 1.
        session: u64,
    },
}

pub(super) type HookFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;
type Hook<T> = dyn for<'a> Fn(&'a mut Connection<T>) -> HookFuture<'a> + Send + Sync;
type Dialing<T> = Pin<Box<dyn Future<Output = Result<Connection<T>, Error>> + Send>>;

pub(super) struct Dialer<C: Connect> {
    connector: Arc<C>,
    hook: Option<Arc<Hook<C::Io>>>,
    options: ClientOptions,
    delays: Delays,
    phase: Phase<C::Io>,
    /// Attempts that have failed in a row.
    failures: u32,
    since: Option<Instant>,
    limit: Option<Pin<Box<Sleep>>>,
    last_failure: Option<Box<Error>>,
    sessions: u64,
    /// Attempts that have failed, ever.
    failed_attempts: u64,
    state: watch::Sender<ClientState>,
}

enum Phase<T> {
    Resting,
    Pausing(Pin<Box<Sleep>>),
    Dialing(Dialing<T>),
}

impl<C: Connect> Dialer<C> {
    pub(super) fn new(connector: C, options: ClientOptions) -> Self {
        Self {
            connector: Arc::new(connector),
            hook: None,
            options,
            delays: options.backoff.delays(),
            phase: Phase::Resting,
            failures: 0,
            since: None,
            limit: None,
            last_failure: None,
            sessions: 0,
            failed_attempts: 0,
            state: watch::Sender::default(),
        }
    }

    pub(super) fn set_hook(&mut self, hook: Arc<Hook<C::Io>>) {
        self.hook = Some(hook);
    }

    pub(super) fn state(&self) -> &watch::Sender<ClientState> {
        &self.state
    }

    /// Returns the connections made and the attempts that failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.sessions, self.failed_attempts)
    }

    /// Returns a connection on which the hook has run.
    pub(super) fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Connection<C::Io>, Error>> {
        loop {
            match &mut self.phase {
                Phase::Resting => {
                    self.begin();
                    self.dial();
                }
                Phase::Pausing(delay) => match delay.as_mut().poll(cx) {
                    Poll::Ready(()) => self.dial(),
                    Poll::Pending => return self.poll_limit(cx),
                },
                Phase::Dialing(dialing) => match dialing.as_mut().poll(cx) {
                    Poll::Ready(Ok(connection)) => {
                        self.sessions += 1;
                        self.end(ClientState::Connected { session: self.sessions });
                        let session = self.sessions;
                        connection.span().in_scope(|| debug!(session, "session begins"));
                        return Poll::Ready(Ok(connection));
                    }
                    Poll::Ready(Err(error)) => self.fail(error)?,
                    Poll::Pending => return self.poll_limit(cx),
                },
            }
        }
    }

    /// Takes note that the connection is gone. One that has not proved itself is replaced only after
    /// a delay.
    pub(super) fn lost(&mut self, proven: bool) {
        self.begin();
        if proven {
            self.delays.reset();
            self.dial();
        } else {
            self.pause();
        }
    }

    /// Stops trying.
    pub(super) fn rest(&mut self) {
        self.end(ClientState::Idle);
    }

    fn begin(&mut self) {
        self.since = Some(Instant::now());
        let limit = self.options.deadline.and_then(|limit| Instant::now().checked_add(limit));
        self.limit = limit.map(|limit| Box::pin(sleep_until(limit)));
    }

    fn end(&mut self, state: ClientState) {
        self.phase = Phase::Resting;
        self.failures = 0;
        self.limit = None;
        self.last_failure = None;
        self.state.send_replace(state);
    }

    fn dial(&mut self) {
        let (connector, hook) = (Arc::clone(&self.connector), self.hook.clone());
        self.phase = Phase::Dialing(Box::pin(async move {
            let mut connection = connector.connect().await?;
            if let Some(hook) = hook {
                hook(&mut connection).await?;
            }
            Ok(connection)
        }));
        self.announce();
    }

    fn pause(&mut self) {
        let delay = self.delays.next_delay();
        debug!(attempt = self.failures.saturating_add(1), ?delay, "next attempt");
        self.phase = Phase::Pausing(Box::pin(sleep(delay)));
        self.announce();
    }

    fn announce(&self) {
        let state = ClientState::Connecting { attempt: self.failures.saturating_add(1) };
        self.state.send_if_modified(|now| std::mem::replace(now, state) != state);
    }

    /// Takes note of a failed attempt, and returns the error that ends them all if there is one.
    fn fail(&mut self, error: Error) -> Result<(), Error> {
        self.failures = self.failures.saturating_add(1);
        self.failed_attempts += 1;
        debug!(attempt = self.failures, error = %WithoutContent(&error), "attempt failed");
        if !may_pass(&error) {
            self.give_up(None);
            return Err(error);
        }
        self.last_failure = Some(Box::new(error));
        if self.options.max_attempts.is_some_and(|max| self.failures >= max) {
            return Err(self.give_up(None));
        }
        self.pause();
        Ok(())
    }

    fn poll_limit<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        let Some(limit) = &mut self.limit else {
            return Poll::Pending;
        };
        ready!(limit.as_mut().poll(cx));
        Poll::Ready(Err(self.give_up(self.options.deadline)))
    }

    /// Rests; the next poll begins a new series of attempts.
    fn give_up(&mut self, deadline: Option<Duration>) -> Error {
        let error = Error::GaveUp {
            attempts: self.failures,
            elapsed: self.since.map_or_else(Default::default, |since| since.elapsed()),
            deadline,
            source: self.last_failure.take(),
        };
        self.delays.reset();
        debug!(attempts = self.failures, "attempts end");
        self.end(ClientState::Idle);
        error
    }
}

/// Returns whether another attempt can do better: the transport failed, or the peer went away.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::Io { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
        Error::Connect(_) | Error::Frame(FrameError::Truncated { .. }) => true,
        other => other.is_closed() || other.is_timeout() || other.is_retryable(),
    }
}

impl<C: Connect> fmt::Debug for Dialer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}
