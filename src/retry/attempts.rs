//! The attempts of one call to connect, and what each failure means for the next attempt. Nothing
//! is opened here, so real and simulated pipes run the same loop.

use std::{fmt, future::Future, io, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use super::{Backoff, Retries, Retry};
use crate::{
    error::{Attempts, ConnectError, Error},
    name::PipeName,
};

/// Which causes a client waits for, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    pub(crate) timeout: Duration,
    pub(crate) busy: Retry,
    pub(crate) not_found: Retry,
    pub(crate) access_denied: Retry,
}

impl RetryPolicy {
    pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    pub(crate) const DEFAULT_BUSY: Retry =
        Retry::with_backoff(Backoff::new(Duration::from_millis(1), Duration::from_millis(32)));

    /// The time that a server may take between two instances on a busy machine.
    pub(crate) const ABSENCE_GRACE: Duration = Duration::from_millis(100);

    /// What a client does if a server is absent that was busy before in the same call.
    const ABSENT_AFTER_BUSY: Retry =
        Retry::with_backoff(Backoff::new(Duration::from_millis(1), Duration::from_millis(16)))
            .max_elapsed(Self::ABSENCE_GRACE);

    pub(crate) const fn new() -> Self {
        Self {
            timeout: Self::DEFAULT_TIMEOUT,
            busy: Self::DEFAULT_BUSY,
            not_found: Retry::never(),
            access_denied: Retry::never(),
        }
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Busy,
    NotFound,
    AccessDenied,
    #[cfg_attr(
        not(any(unix, windows)),
        expect(dead_code, reason = "only a real pipe fails otherwise")
    )]
    Other,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "busy",
            Self::NotFound => "not found",
            Self::AccessDenied => "access denied",
            Self::Other => "other",
        })
    }
}

/// Opens a pipe.
pub(crate) trait Open {
    type Stream;

    /// Makes one attempt. After the inner failure another attempt may be made; the outer error ends
    /// the call.
    fn open(&mut self) -> impl Future<Output = Result<Result<Self::Stream, Failed>, Error>> + Send;

    /// Waits until a server that was busy may be free, for `max_elapsed` that long.
    fn wait_for_free(&mut self, at_most: Duration) -> impl Future<Output = ()> + Send;
}

/// An attempt that failed.
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    pub(crate) source: io::Error,
}

/// Opens the pipe `name`, with as many attempts and for as long as `policy` says. Also returns the
/// attempts that failed before.
pub(crate) async fn open<O: Open>(
    name: &PipeName,
    policy: RetryPolicy,
    mut opener: O,
) -> Result<(O::Stream, Attempts), Error> {
    let mut call = Call::new(name, policy);
    loop {
        let Failed { failure, source } = match call.within_deadline(opener.open()).await?? {
            Ok(stream) => return Ok((stream, call.attempts)),
            Err(failed) => failed,
        };
        let delay = call.on_failure(failure, source)?;
        match failure {
            Failure::Busy => opener.wait_for_free(delay).await,
            Failure::NotFound | Failure::AccessDenied | Failure::Other => sleep(delay).await,
        }
    }
}

/// One call to connect.
struct Call<'a> {
    name: &'a PipeName,
    policy: RetryPolicy,
    start: Instant,
    end: Option<Instant>,
    busy: Retries,
    not_found: Retries,
    /// Runs from the last time that the server was busy.
    absent_after_busy: Option<Retries>,
    access_denied: Retries,
    attempts: Attempts,
}

impl<'a> Call<'a> {
    fn new(name: &'a PipeName, policy: RetryPolicy) -> Self {
        let start = Instant::now();
        Self {
            name,
            policy,
            start,
            end: start.checked_add(policy.timeout),
            busy: Retries::new(policy.busy),
            not_found: Retries::new(policy.not_found),
            absent_after_busy: None,
            access_denied: Retries::new(policy.access_denied),
            attempts: Attempts::default(),
        }
    }

    /// Awaits `attempt` until the deadline. An attempt that is done at once counts even after the
    /// deadline.
    async fn within_deadline<F: Future>(&mut self, attempt: F) -> Result<F::Output, Error> {
        let Some(end) = self.end else {
            return Ok(attempt.await);
        };
        timeout_at(end, attempt).await.map_err(|elapsed| {
            self.attempts.unanswered += 1;
            self.give_up(Some(self.policy.timeout), elapsed.into())
        })
    }

    /// Records a failure, and returns the time to wait before the next attempt.
    ///
    /// # Errors
    ///
    /// The error of the call, if there is no further attempt.
    fn on_failure(&mut self, failure: Failure, source: io::Error) -> Result<Duration, Error> {
        self.attempts.count(failure);
        let delay = match failure {
            Failure::Busy => {
                self.absent_after_busy = Some(Retries::new(RetryPolicy::ABSENT_AFTER_BUSY));
                self.busy.next_delay()
            }
            // Both are called, so that the grace ends at the same time whatever the policy is.
            Failure::NotFound => {
                let grace = self.absent_after_busy.as_mut().and_then(Retries::next_delay);
                self.not_found.next_delay().or(grace)
            }
            Failure::AccessDenied => self.access_denied.next_delay(),
            Failure::Other => None,
        };
        let Some(delay) = delay else {
            return Err(self.give_up(None, source));
        };
        let left = self.end.map_or(Duration::MAX, |at| at.duration_since(Instant::now()));
        if left.is_zero() {
            return Err(self.give_up(Some(self.policy.timeout), source));
        }
        // The last attempt is made exactly at the deadline.
        let delay = delay.min(left);
        let attempt = self.attempts.total();
        debug!(pipe = %self.name, attempt, cause = %failure, ?delay, "retrying");
        Ok(delay)
    }

    fn give_up(&self, timeout: Option<Duration>, source: io::Error) -> Error {
        let (attempts, elapsed) = (self.attempts, self.start.elapsed());
        debug!(pipe = %self.name, attempts = attempts.total(), ?elapsed, %source, "gave up");
        let pipe = self.name.clone();
        Error::Connect(Box::new(ConnectError { pipe, elapsed, attempts, timeout, source }))
    }
}

impl Attempts {
    pub(crate) fn log_success(&self, pipe: &PipeName) {
        let Self { busy, not_found, access_denied, .. } = self;
        debug!(%pipe, busy, not_found, access_denied, "connected");
    }

    fn count(&mut self, failure: Failure) {
        let counter = match failure {
            Failure::Busy => &mut self.busy,
            Failure::NotFound => &mut self.not_found,
            Failure::AccessDenied => &mut self.access_denied,
            Failure::Other => &mut self.other,
        };
        *counter = counter.saturating_add(1);
    }
}
