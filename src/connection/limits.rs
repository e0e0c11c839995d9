//! Time limits for receiving, and for waiting until the peer has read. Receiving has no clock if it
//! has no limit.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::{error::Error, frame::FrameError};

/// The time limits of receiving. `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// The time from the first bytes of a frame until the frame is complete.
    pub(super) frame: Option<Duration>,
    /// The time without anything arriving.
    pub(super) idle: Option<Duration>,
}

impl Limits {
    pub(super) const NONE: Self = Self { frame: None, idle: None };
}

/// Watches the limits. It is asked only when the transport has nothing more. So what has arrived in
/// time is never late, even if it was not read in time.
#[derive(Debug)]
pub(super) struct Clock {
    limits: Limits,
    /// The moment from which the frame that was begun is late.
    frame_end: Option<Instant>,
    /// The moment from which nothing has arrived for too long.
    idle_end: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    /// Returns a clock if there is a limit to watch.
    pub(super) fn new(limits: Limits) -> Option<Self> {
        let limited = limits != Limits::NONE;
        limited.then_some(Self { limits, frame_end: None, idle_end: None, timer: None })
    }

    pub(super) fn arrived(&mut self) {
        self.idle_end = None;
    }

    pub(super) fn frame_ended(&mut self) {
        self.frame_end = None;
    }

    /// Is ready when a limit is exceeded. `partial` describes a frame that was begun: it is the
    /// error that the frame would be if the stream ended here.
    ///
    /// A deadline that is set stays, however often this is called: if a receive is given up and
    /// tried again, the deadline does not change.
    pub(super) fn poll(
        &mut self,
        partial: Option<FrameError>,
        cx: &mut Context<'_>,
    ) -> Poll<Error> {
        let begun = match partial {
            Some(FrameError::Truncated { have, need }) => Some((have, need)),
            _ => None,
        };
        let from_now = |limit: Option<Duration>| Instant::now().checked_add(limit?);
        if self.idle_end.is_none() {
            self.idle_end = from_now(self.limits.idle);
        }
        if begun.is_some() && self.frame_end.is_none() {
            self.frame_end = from_now(self.limits.frame);
        }
        let Some(end) = self.idle_end.into_iter().chain(self.frame_end).min() else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.deadline() != end {
            timer.as_mut().reset(end);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(match (begun, self.limits) {
            (Some((have, need)), Limits { frame: Some(timeout), .. })
                if self.frame_end == Some(end) =>
            {
                Error::FrameTimedOut { timeout, have, need }
            }
            (_, limits) => Error::IdleTimedOut { timeout: limits.idle.unwrap_or_default() },
        })
    }
}

/// The time that a transport gets after the close deadline. A pipe has the same deadline and can
/// report how much is unread, which takes it a moment.
const TRANSPORT_GRACE: Duration = Duration::from_secs(1);

/// The moment at which a drain or a close is over.
#[derive(Debug)]
pub(super) struct Deadline {
    timer: Pin<Box<Sleep>>,
    is_extended: bool,
}

impl Deadline {
    pub(super) fn new(after: Duration) -> Self {
        Self { timer: Box::pin(sleep(after)), is_extended: false }
    }

    /// Is ready when the deadline has passed. If it is now the transport that waits, it is ready a
    /// little later.
    pub(super) fn poll(&mut self, in_transport: bool, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.timer.as_mut().poll(cx));
        if in_transport && !self.is_extended {
            self.is_extended = true;
            let extended = self.timer.deadline() + TRANSPORT_GRACE;
            self.timer.as_mut().reset(extended);
            return self.timer.as_mut().poll(cx);
        }
        Poll::Ready(())
    }
}
