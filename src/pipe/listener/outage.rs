//! What a listener does while no further instance can be created.

use std::{io, pin::Pin, time::Duration};

use tokio::time::Sleep;

use crate::backoff::{Backoff, Delays};

/// A time in which no further instance could be created.
pub(super) struct Outage {
    /// Not reported yet.
    pub(super) error: Option<io::Error>,
    pub(super) retry: Pin<Box<Sleep>>,
    delays: Delays,
    /// That have failed.
    pub(super) attempts: u32,
}

impl Outage {
    /// A client may leave at any time and make room, and nothing tells of it. Others may wait for
    /// that, so tries stay frequent; thirty a second cost nothing that would show.
    const RETRY: Backoff =
        Backoff::new(Duration::from_millis(2), Duration::from_millis(32)).without_jitter();

    pub(super) fn new(error: io::Error) -> Self {
        let mut delays = Self::RETRY.delays();
        let retry = Box::pin(tokio::time::sleep(delays.next_delay()));
        Self { error: Some(error), retry, delays, attempts: 1 }
    }

    pub(super) fn prolong(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
        self.retry = Box::pin(tokio::time::sleep(self.delays.next_delay()));
    }
}
