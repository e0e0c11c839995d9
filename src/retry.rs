//! Whether a failure of some cause is worth another attempt, and when.

pub(crate) mod attempts;
mod backoff;

use std::time::Duration;

use tokio::time::Instant;

pub use self::backoff::{Backoff, Delays};

/// What a client does about one cause of failure: it gives up, or it tries again after a delay.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use npipes::retry::{Backoff, Retry};
///
/// const PATIENT: Retry =
///     Retry::with_backoff(Backoff::new(Duration::from_millis(10), Duration::from_millis(250)));
/// const FOR_A_SECOND: Retry = PATIENT.max_elapsed(Duration::from_secs(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Retry {
    backoff: Option<Backoff>,
    max_elapsed: Duration,
}

impl Retry {
    /// Gives up at once.
    pub const fn never() -> Self {
        Self { backoff: None, max_elapsed: Duration::MAX }
    }

    /// Tries again after the delays of `backoff`, until the client's deadline.
    pub const fn with_backoff(backoff: Backoff) -> Self {
        Self { backoff: Some(backoff), max_elapsed: Duration::MAX }
    }

    /// Gives up when this time has passed since this cause first occurred, if that comes before the
    /// client's deadline. The last attempt is made at that moment.
    pub const fn max_elapsed(mut self, time: Duration) -> Self {
        self.max_elapsed = time;
        self
    }
}

/// The state of a [`Retry`] within one call.
pub(crate) struct Retries {
    retry: Retry,
    begun: Option<(Delays, Instant)>,
}

impl Retries {
    pub(crate) const fn new(retry: Retry) -> Self {
        Self { retry, begun: None }
    }

    /// Returns the time to wait before the next attempt. `None` means to give up.
    pub(crate) fn next_delay(&mut self) -> Option<Duration> {
        let backoff = self.retry.backoff?;
        let (delays, since) = self.begun.get_or_insert_with(|| (backoff.delays(), Instant::now()));
        let left = self.retry.max_elapsed.saturating_sub(since.elapsed());
        (!left.is_zero()).then(|| delays.next_delay().min(left))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const DOUBLING: Backoff = Backoff::new(MS, Duration::from_millis(32)).without_jitter();

    /// Waits out all delays, up to 8, and returns them in milliseconds.
    async fn delays(retry: Retry) -> Vec<u128> {
        let mut retries = Retries::new(retry);
        let mut delays = Vec::new();
        while let Some(delay) = retries.next_delay().filter(|_| delays.len() < 8) {
            sleep(delay).await;
            delays.push(delay.as_millis());
        }
        delays
    }

    #[tokio::test(start_paused = true)]
    async fn never_means_not_once() {
        assert!(delays(Retry::never()).await.is_empty());
        assert!(delays(Retry::never().max_elapsed(Duration::MAX)).await.is_empty());
        assert!(delays(Retry::with_backoff(DOUBLING).max_elapsed(Duration::ZERO)).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_backoff_goes_on_for_ever_unless_it_is_limited() {
        assert_eq!(delays(Retry::with_backoff(DOUBLING)).await, [1, 2, 4, 8, 16, 32, 32, 32]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_attempt_falls_on_the_limit() {
        assert_eq!(
            delays(Retry::with_backoff(DOUBLING).max_elapsed(20 * MS)).await,
            [1, 2, 4, 8, 5]
        );
        assert_eq!(delays(Retry::with_backoff(DOUBLING).max_elapsed(7 * MS)).await, [1, 2, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_counts_from_the_first_time_and_not_from_the_start() {
        let mut retries = Retries::new(Retry::with_backoff(DOUBLING).max_elapsed(10 * MS));
        sleep(Duration::from_secs(60)).await;
        assert_eq!(retries.next_delay(), Some(MS));
        sleep(9 * MS).await;
        assert_eq!(retries.next_delay(), Some(MS));
        sleep(MS).await;
        assert_eq!(retries.next_delay(), None);
    }
}
