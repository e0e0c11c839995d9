//! The course of one call to connect: what each failed attempt means for the next one. It opens
//! nothing itself, so that whatever stands in for a pipe keeps to the same course.

use std::{fmt, future::Future, io, time::Duration};

use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::{Backoff, Retries, Retry};
use crate::{
    error::{Attempts, ConnectError, Error},
    name::PipeName,
};

/// What a client waits out, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) deadline: Duration,
    pub(crate) busy: Retry,
    pub(crate) not_found: Retry,
    pub(crate) access_denied: Retry,
}

impl Patience {
    pub(crate) const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

    pub(crate) const DEFAULT_BUSY: Retry =
        Retry::after(Backoff::new(Duration::from_millis(1), Duration::from_millis(32)));

    /// As long as a server that is between two instances may take on a machine that is busy.
    pub(crate) const ABSENCE_GRACE: Duration = Duration::from_millis(100);

    /// What a client does when a server is absent that was busy before in the same call.
    const ABSENT_AFTER_BUSY: Retry =
        Retry::after(Backoff::new(Duration::from_millis(1), Duration::from_millis(16)))
            .at_most(Self::ABSENCE_GRACE);

    pub(crate) const fn new() -> Self {
        Self {
            deadline: Self::DEFAULT_DEADLINE,
            busy: Self::DEFAULT_BUSY,
            not_found: Retry::never(),
            access_denied: Retry::never(),
        }
    }
}

/// What stands in the way of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    Busy,
    NotFound,
    AccessDenied,
    Other,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "busy",
            Self::NotFound => "not found",
            Self::AccessDenied => "access denied",
            Self::Other => "other",
        })
    }
}

/// One call to connect.
pub(crate) struct Course<'a> {
    name: &'a PipeName,
    patience: Patience,
    start: Instant,
    end: Option<Instant>,
    busy: Retries,
    not_found: Retries,
    /// From the last time that the server was busy.
    absent_after_busy: Option<Retries>,
    access_denied: Retries,
    attempts: Attempts,
}

impl<'a> Course<'a> {
    pub(crate) fn new(name: &'a PipeName, patience: Patience) -> Self {
        let start = Instant::now();
        Self {
            name,
            patience,
            start,
            end: start.checked_add(patience.deadline),
            busy: Retries::new(patience.busy),
            not_found: Retries::new(patience.not_found),
            absent_after_busy: None,
            access_denied: Retries::new(patience.access_denied),
            attempts: Attempts::default(),
        }
    }

    /// Awaits `attempt` until the deadline. One that is done at once counts even after it.
    pub(crate) async fn attempt<F: Future>(&mut self, attempt: F) -> Result<F::Output, Error> {
        let Some(end) = self.end else {
            return Ok(attempt.await);
        };
        timeout_at(end, attempt).await.map_err(|elapsed| {
            self.attempts.unanswered += 1;
            self.give_up(Some(self.patience.deadline), elapsed.into())
        })
    }

    /// Takes note that an attempt met an obstacle, and returns the time to wait before the next one.
    ///
    /// # Errors
    ///
    /// What the call fails with, if no other attempt is to be made.
    pub(crate) fn meet(
        &mut self,
        obstacle: Obstacle,
        source: io::Error,
    ) -> Result<Duration, Error> {
        self.attempts.count(obstacle);
        let delay = match obstacle {
            Obstacle::Busy => {
                self.absent_after_busy = Some(Retries::new(Patience::ABSENT_AFTER_BUSY));
                self.busy.next_delay()
            }
            // Both are asked, so that the grace is over as soon as it is without the policy.
            Obstacle::NotFound => {
                let grace = self.absent_after_busy.as_mut().and_then(Retries::next_delay);
                self.not_found.next_delay().or(grace)
            }
            Obstacle::AccessDenied => self.access_denied.next_delay(),
            Obstacle::Other => None,
        };
        let Some(delay) = delay else {
            return Err(self.give_up(None, source));
        };
        let left = self.end.map_or(Duration::MAX, |at| at.duration_since(Instant::now()));
        if left.is_zero() {
            return Err(self.give_up(Some(self.patience.deadline), source));
        }
        // The last attempt falls on the deadline itself.
        let delay = delay.min(left);
        let attempt = self.attempts.total();
        debug!(pipe = %self.name, attempt, cause = %obstacle, ?delay, "retrying");
        Ok(delay)
    }

    /// Returns the attempts that failed before the one that succeeded.
    pub(crate) fn finish(self) -> Attempts {
        self.attempts
    }

    fn give_up(&self, deadline: Option<Duration>, source: io::Error) -> Error {
        let (attempts, elapsed) = (self.attempts, self.start.elapsed());
        debug!(pipe = %self.name, attempts = attempts.total(), ?elapsed, %source, "gave up");
        let pipe = self.name.clone();
        Error::Connect(Box::new(ConnectError { pipe, elapsed, attempts, deadline, source }))
    }
}

impl Attempts {
    pub(crate) fn log_success(&self, pipe: &PipeName) {
        let Self { busy, not_found, access_denied, .. } = self;
        debug!(%pipe, busy, not_found, access_denied, "connected");
    }

    fn count(&mut self, obstacle: Obstacle) {
        let counter = match obstacle {
            Obstacle::Busy => &mut self.busy,
            Obstacle::NotFound => &mut self.not_found,
            Obstacle::AccessDenied => &mut self.access_denied,
            Obstacle::Other => &mut self.other,
        };
        *counter = counter.saturating_add(1);
    }
}
