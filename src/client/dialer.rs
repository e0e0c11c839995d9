//! How a client gets a connection: attempts, the delays between them, and when to give up.
//!
//! ```text
//!              ┌─────────┐  connected, and the hook has run
//!   start ───▶ │ Dialing │ ───────────────────────────────────▶ a connection
//!              └─────────┘                                          │
//!          failed │   ▲ the delay is over                           │ lost
//!                 ▼   │                                             ▼
//!              ┌─────────┐ ◀── it has not lasted ── it has ─────▶ Dialing, the series begins anew
//!              │ Pausing │
//!              └─────────┘
//! ```
//!
//! Attempts that lead to no connection, and connections that do not last, form one series. Only a
//! connection that lasts as long as the longest delay ends the series. So a server that says
//! something before it hangs up is called at the same times as a server that hangs up at once. The
//! limits apply to a series.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tracing::debug;

use super::{
    ClientState, Connect,
    connect::{Hook, HookError},
    shared::Shared,
};
use crate::{
    connection::Connection,
    error::{Error, WithoutContent},
    frame::FrameError,
    retry::Delays,
};

type Dialing<T> = Pin<Box<dyn Future<Output = Result<Connection<T>, HookError>> + Send>>;

pub(super) struct Dialer<C: Connect> {
    connector: Arc<C>,
    hook: Option<Arc<Hook<C::Io>>>,
    shared: Arc<Shared>,
    delays: Delays,
    phase: Phase<C::Io>,
    /// The number of failures in the series.
    failures: u32,
    last_failure: Option<Arc<Error>>,
    /// Time of the series that was spent without a connection, up to `since`.
    spent: Duration,
    since: Instant,
    limit: Option<Pin<Box<Sleep>>>,
    connections: u64,
    failed_attempts: u64,
}

enum Phase<T> {
    Pausing(Pin<Box<Sleep>>),
    Dialing(Dialing<T>),
    Connected,
}

impl<C: Connect> Dialer<C> {
    pub(super) fn new(connector: C, hook: Option<Arc<Hook<C::Io>>>, shared: Arc<Shared>) -> Self {
        Self {
            connector: Arc::new(connector),
            hook,
            delays: shared.options.backoff.delays(),
            shared,
            phase: Phase::Connected,
            failures: 0,
            last_failure: None,
            spent: Duration::ZERO,
            since: Instant::now(),
            limit: None,
            connections: 0,
            failed_attempts: 0,
        }
    }

    /// Returns the numbers of connections made and of attempts that failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.connections, self.failed_attempts)
    }

    /// Begins with the first attempt.
    pub(super) fn begin(&mut self) {
        self.leave_connection();
        self.dial();
    }

    /// Returns whether an attempt is in progress. Otherwise a delay is.
    pub(super) fn is_dialing(&self) -> bool {
        matches!(self.phase, Phase::Dialing(_))
    }

    /// Returns a connection on which the hook has run.
    ///
    /// # Errors
    ///
    /// [`Error::GaveUp`] if there is no further attempt.
    pub(super) fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Connection<C::Io>, Error>> {
        loop {
            match &mut self.phase {
                Phase::Pausing(delay) => match delay.as_mut().poll(cx) {
                    Poll::Ready(()) => self.dial(),
                    Poll::Pending => return self.poll_limit(cx),
                },
                Phase::Dialing(dialing) => match dialing.as_mut().poll(cx) {
                    Poll::Ready(Ok(connection)) => {
                        self.connected(&connection);
                        return Poll::Ready(Ok(connection));
                    }
                    Poll::Ready(Err(error)) => self.fail(error)?,
                    Poll::Pending => return self.poll_limit(cx),
                },
                Phase::Connected => self.dial(),
            }
        }
    }

    fn connected(&mut self, connection: &Connection<C::Io>) {
        self.connections += 1;
        self.spent += self.since.elapsed();
        self.limit = None;
        self.phase = Phase::Connected;
        let session = self.connections;
        self.shared.state.send_replace(ClientState::Connected { session });
        connection.span().in_scope(|| debug!(session, "session begins"));
    }

    /// Records that a connection is gone that has lasted for `lasted`.
    ///
    /// # Errors
    ///
    /// [`Error::GaveUp`] at the limit of attempts.
    pub(super) fn lost(&mut self, lasted: Duration, cause: &Arc<Error>) -> Result<(), Error> {
        if lasted >= self.shared.options.backoff.cap() {
            self.failures = 0;
            self.last_failure = None;
            self.spent = Duration::ZERO;
            self.delays.reset();
            self.leave_connection();
            self.dial();
            return Ok(());
        }
        self.leave_connection();
        self.note_failure(Arc::clone(cause), None)
    }

    fn leave_connection(&mut self) {
        self.since = Instant::now();
        let left = self.shared.options.timeout.map(|limit| limit.saturating_sub(self.spent));
        let limit = left.and_then(|left| self.since.checked_add(left));
        self.limit = limit.map(|limit| Box::pin(sleep_until(limit)));
    }

    fn dial(&mut self) {
        let (connector, hook) = (Arc::clone(&self.connector), self.hook.clone());
        let deadline = self.shared.options.attempt_timeout;
        self.phase = Phase::Dialing(Box::pin(async move {
            let attempt = async {
                let mut connection = connector.connect().await?;
                if let Some(hook) = hook {
                    hook(&mut connection).await?;
                }
                Ok(connection)
            };
            match timeout(deadline, attempt).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Error::AttemptTimedOut { timeout: deadline }.into()),
            }
        }));
        self.announce();
    }

    fn announce(&self) {
        let state = ClientState::Connecting { attempt: self.failures.saturating_add(1) };
        self.shared.state.send_if_modified(|now| std::mem::replace(now, state) != state);
    }

    /// Records a failed attempt, and returns the error that ends them all if there is one.
    fn fail(&mut self, error: HookError) -> Result<(), Error> {
        self.failed_attempts += 1;
        let (error, delay, is_final) = match error {
            HookError::Failed(error) => {
                let is_final = !may_pass(&error);
                (error, None, is_final)
            }
            HookError::RetryAfter(delay) => {
                let reason = format!("it asks to be called again after {delay:?}");
                (Error::Refused { reason, retry_after: Some(delay) }, Some(delay), false)
            }
            HookError::GiveUp(reason) => (Error::Refused { reason, retry_after: None }, None, true),
        };
        let attempt = self.failures.saturating_add(1);
        debug!(attempt, error = %WithoutContent(&error), "attempt failed");
        if is_final {
            self.failures = attempt;
            self.last_failure = Some(Arc::new(error));
            return Err(self.give_up(None));
        }
        self.note_failure(Arc::new(error), delay)
    }

    /// Counts a failure and waits for `delay`, or for the next delay of the backoff.
    fn note_failure(&mut self, cause: Arc<Error>, delay: Option<Duration>) -> Result<(), Error> {
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(cause);
        if self.shared.options.max_attempts.is_some_and(|max| self.failures >= max) {
            return Err(self.give_up(None));
        }
        let delay = delay.unwrap_or_else(|| self.delays.next_delay());
        debug!(attempt = self.failures.saturating_add(1), ?delay, "next attempt");
        self.phase = Phase::Pausing(Box::pin(sleep(delay)));
        self.announce();
        Ok(())
    }

    fn poll_limit<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        let Some(limit) = &mut self.limit else {
            return Poll::Pending;
        };
        ready!(limit.as_mut().poll(cx));
        Poll::Ready(Err(self.give_up(self.shared.options.timeout)))
    }

    fn give_up(&mut self, timeout: Option<Duration>) -> Error {
        debug!(attempts = self.failures, "attempts end");
        Error::GaveUp {
            attempts: self.failures,
            elapsed: self.spent + self.since.elapsed(),
            timeout,
            source: self.last_failure.take(),
        }
    }
}

/// Returns whether another attempt can succeed: the transport failed, or the peer went away.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::Io { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
        Error::Connect(_) | Error::Frame(FrameError::Truncated { .. }) => true,
        other => other.is_closed() || other.is_timeout() || other.is_retryable(),
    }
}
