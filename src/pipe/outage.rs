//! The behaviour of a listener while no further instance can be created.

use std::{
    io,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

use crate::{
    pipe::pending::Pending,
    retry::{Backoff, Delays},
};

/// A time in which no further instance could be created.
///
/// On Windows `ERROR_PIPE_BUSY` is no failure at first: a connection that was given up holds its
/// instance until the runtime's driver has closed the handle.
struct Outage {
    /// Not reported yet.
    unreported: Option<io::Error>,
    /// `None` once it is time for another attempt.
    retry: Option<Pending<()>>,
    delays: Delays,
    /// How many attempts have failed.
    attempts: u32,
    begun: Instant,
    /// The log was told of the outage.
    reported: bool,
}

impl Outage {
    /// Clients may wait for the instance, so attempts stay frequent. Thirty attempts a second have
    /// no measurable cost.
    const RETRY: Backoff =
        Backoff::new(Duration::from_millis(2), Duration::from_millis(32)).without_jitter();

    /// How many attempts come after only one turn of the driver, in which it closes handles.
    const TURNS: u32 = 8;

    /// How long the pipe may be busy until the log is told: a handle takes so long only if
    /// something holds it, such as a write that its client does not read.
    const QUIET: Duration = Duration::from_secs(1);

    /// Begins an outage with the failure that the caller of `accept` is to see; `None` for a
    /// failure that may pass by itself.
    fn new(error: Option<io::Error>) -> Self {
        Self {
            unreported: error,
            retry: Some(Pending::new(yield_now())),
            delays: Self::RETRY.delays(),
            attempts: 1,
            begun: Instant::now(),
            reported: false,
        }
    }

    /// Records that another attempt has failed.
    fn prolong(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
        self.retry = Some(if self.attempts <= Self::TURNS {
            Pending::new(yield_now())
        } else {
            Pending::new(sleep(self.delays.next_delay()))
        });
    }

    /// Waits until it is time for another attempt.
    fn poll_retry(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(retry) = &mut self.retry {
            ready!(retry.poll(cx));
            // The attempt itself may have to wait, and then this is asked again.
            self.retry = None;
        }
        Poll::Ready(())
    }

    /// Returns the error that the caller of `accept` is to see, once.
    fn take_unreported(&mut self) -> Option<io::Error> {
        self.unreported.take()
    }

    /// Returns whether the log is to be told now, once.
    fn begins_to_be_reported(&mut self) -> bool {
        let due = self.unreported.is_some() || self.begun.elapsed() >= Self::QUIET;
        let begins = due && !self.reported;
        self.reported |= due;
        begins
    }

    /// Returns whether the log was told.
    fn was_reported(&self) -> bool {
        self.reported
    }
}

/// The outage of a listener, if it is in one.
#[derive(Default)]
pub(in crate::pipe) struct Outages(Option<Outage>);

impl Outages {
    /// Waits until it is time for another attempt, which is at once without an outage.
    pub(in crate::pipe) fn poll_retry(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().map_or(Poll::Ready(()), |outage| outage.poll_retry(cx))
    }

    /// Records that an attempt has failed. The caller of `accept` is to see the first failure,
    /// unless it is `None`: it may pass by itself. Returns whether the log is to be told now.
    pub(in crate::pipe) fn failed(&mut self, error: Option<io::Error>) -> bool {
        let outage = match &mut self.0 {
            Some(outage) => {
                outage.prolong();
                outage
            }
            none => none.insert(Outage::new(error)),
        };
        outage.begins_to_be_reported()
    }

    /// Ends the outage. Returns how many attempts had failed, if the log was told of it.
    pub(in crate::pipe) fn end(&mut self) -> Option<u32> {
        self.0.take().filter(Outage::was_reported).map(|outage| outage.attempts)
    }

    /// Returns the error that the caller of `accept` is to see, once.
    pub(in crate::pipe) fn take_unreported(&mut self) -> Option<io::Error> {
        self.0.as_mut()?.take_unreported()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_failure_is_reported_and_told_once() {
        let mut outage = Outage::new(Some(io::ErrorKind::OutOfMemory.into()));
        assert!(outage.begins_to_be_reported());
        assert!(!outage.begins_to_be_reported() && outage.was_reported());
        assert_eq!(outage.take_unreported().unwrap().kind(), io::ErrorKind::OutOfMemory);
        outage.prolong();
        assert!(outage.take_unreported().is_none() && !outage.begins_to_be_reported());
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_pipe_is_not_reported_and_told_only_when_it_stays_busy() {
        let mut outage = Outage::new(None);
        let begun = Instant::now();
        while !outage.begins_to_be_reported() {
            assert!(outage.take_unreported().is_none());
            assert!(begun.elapsed() < Outage::QUIET && !outage.was_reported());
            poll_fn(|cx| outage.poll_retry(cx)).await;
            outage.prolong();
        }
        assert!(begun.elapsed() >= Outage::QUIET);
        assert!(!outage.begins_to_be_reported() && outage.was_reported());
    }

    #[tokio::test]
    async fn an_attempt_that_has_to_wait_can_be_made_again() {
        let mut outages = Outages::default();
        outages.failed(None);
        for _ in 0..3 {
            poll_fn(|cx| outages.poll_retry(cx)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tries_follow_the_driver_first_and_then_the_clock_without_an_end() {
        let mut outage = Outage::new(None);
        let mut delays = Vec::new();
        for _ in 0..Outage::TURNS + 7 {
            let before = Instant::now();
            poll_fn(|cx| outage.poll_retry(cx)).await;
            outage.prolong();
            delays.push(before.elapsed().as_millis());
        }
        assert_eq!(delays, [0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 8, 16, 32, 32, 32]);
    }
}
