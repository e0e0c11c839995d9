//! Lets a write of a dropped end wait for room in the pipe, for a limited time.
//!
//! mio cancels reads when a pipe is dropped, but not a write under way. So the handle, the instance
//! and the pipe's name would exist until the peer reads or leaves, and for ever if the peer hangs.
//! So a task keeps an end with a write under way until the write is complete, and a thread cancels
//! a write that takes too long. The thread uses no timer of Tokio: a runtime may have no timer, or
//! a paused one, which would end the time at once.

use std::{
    os::windows::io::{AsHandle, OwnedHandle},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

use super::end::End;
use crate::pipe::{
    places::Place,
    windows::sys::{self, WaitingWrite},
};

/// How soon to cancel a write again that is not over: mio may have been about to write the rest of
/// a short write.
const AGAIN: Duration = Duration::from_millis(10);

/// How long the thread stays for more work.
const IDLE: Duration = Duration::from_millis(500);

/// Stack of the thread in bytes.
const STACK: usize = 128 * 1024;

static CANCELLER: Canceller = Canceller {
    state: Mutex::new(State { lingering: Vec::new(), runs: false }),
    changed: Condvar::new(),
};

/// Closes `end` when its write is complete, or has been cancelled after `at_most`, and gives its
/// `place` back.
///
/// A runtime that ends meanwhile cancels the write and drops the end, because nothing drives it any
/// more.
pub(super) fn until_written(runtime: &Handle, end: End, place: Place, at_most: Duration) {
    let end = Arc::new(end);
    let weak: Weak<dyn AsHandle + Send + Sync> = Arc::<End>::downgrade(&end);
    CANCELLER.add(weak, at_most);
    let lingering = Lingering { end, _place: place };
    runtime.spawn(async move {
        // Fails only if the runtime ends.
        let _ = lingering.end.writable().await;
    });
}

/// An end that was dropped, perhaps with a write under way.
struct Lingering {
    end: Arc<End>,
    /// Given back after the end is closed.
    _place: Place,
}

impl Drop for Lingering {
    /// Cancels what is still under way. A driver that ends after its tasks still sees the end of the
    /// write, and only then mio closes the handle.
    fn drop(&mut self) {
        sys::cancel_io(self.end.as_handle());
    }
}

/// Keeps a handle of the pipe until the direct write of a dropped end is over, or has been cancelled
/// after `at_most`, and gives the end's `place` back then. Needs no runtime.
pub(super) fn until_over(
    waiting: &WaitingWrite,
    pipe: OwnedHandle,
    place: Place,
    at_most: Duration,
) {
    let pipe: Arc<dyn AsHandle + Send + Sync> = Arc::new(pipe);
    CANCELLER.add(Arc::downgrade(&pipe), at_most);
    // The place is given back after the handle is closed.
    waiting.keep((pipe, place));
}

struct Canceller {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The ends that may still have a write under way, and the time at which that write is
    /// cancelled.
    lingering: Vec<(Weak<dyn AsHandle + Send + Sync>, Instant)>,
    runs: bool,
}

impl Canceller {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&'static self, end: Weak<dyn AsHandle + Send + Sync>, at_most: Duration) {
        // A time that the clock cannot represent means for ever.
        let Some(at) = Instant::now().checked_add(at_most) else { return };
        let mut state = self.lock();
        let is_next = state.lingering.iter().all(|(_, other)| at < *other);
        state.lingering.push((end, at));
        if !state.runs {
            let builder = thread::Builder::new().name("npipes-linger".to_owned());
            // If no thread can be started, the next end that lingers tries again.
            state.runs = builder.stack_size(STACK).spawn(|| self.run()).is_ok();
        } else if is_next {
            self.changed.notify_one();
        }
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let next = state.cancel_what_is_due();
            let waited = self.changed.wait_timeout(state, next.unwrap_or(IDLE));
            let (back, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = back;
            if next.is_none() && waited.timed_out() && state.lingering.is_empty() {
                state.runs = false;
                return;
            }
        }
    }
}

impl State {
    /// Returns the time until there is something to do; `None` if there is nothing.
    fn cancel_what_is_due(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let mut next = None::<Duration>;
        self.lingering.retain(|(end, at)| {
            let Some(end) = end.upgrade() else { return false };
            let left = at.saturating_duration_since(now);
            if left.is_zero() {
                sys::cancel_io(end.as_handle());
            }
            let again = left.max(AGAIN);
            next = Some(next.map_or(again, |next| next.min(again)));
            true
        });
        next
    }
}
