//! Counts the instances of a listener: those that wait, and those of the streams that it has handed
//! out.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

/// The places of a listener: one for each instance that waits, is being examined, or is handed out.
pub(super) struct Places {
    /// `None` is no limit.
    free: Option<PollSemaphore>,
}

impl Places {
    pub(super) fn limited(max: Option<u8>) -> Self {
        let semaphore = |max: u8| PollSemaphore::new(Arc::new(Semaphore::new(max.into())));
        Self { free: max.map(semaphore) }
    }

    /// Takes a place if one is free.
    #[cfg_attr(
        not(any(windows, test)),
        expect(dead_code, reason = "a socket needs a place when there is a client")
    )]
    pub(super) fn try_take(&self) -> Option<Place> {
        match &self.free {
            None => Some(Place::default()),
            Some(free) => {
                let place = free.clone_inner().try_acquire_owned().ok()?;
                Some(Place(Some(place)))
            }
        }
    }

    /// Takes a place. Wakes the task of `cx` when one becomes free.
    pub(super) fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Place> {
        match &mut self.free {
            None => Poll::Ready(Place::default()),
            // `None` would mean that the semaphore is closed. Nobody closes it.
            Some(free) => free.poll_acquire(cx).map(Place),
        }
    }
}

/// A place of a listener. The place is free again when this is dropped. So an owner of both the
/// place and the instance's handle drops the handle first. The default belongs to no listener.
#[derive(Default)]
pub(super) struct Place(
    #[expect(dead_code, reason = "it is there to be dropped")] Option<OwnedSemaphorePermit>,
);

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

/// The server's end of a client that has connected. Its fields are dropped in this order.
pub(super) struct Arrival<Server> {
    pub(super) server: Server,
    pub(super) place: Place,
    /// When the client was seen. It had opened the pipe by then.
    pub(super) seen: SystemTime,
}

impl<Server> Arrival<Server> {
    pub(super) fn now(server: Server, place: Place) -> Self {
        Self { server, place, seen: SystemTime::now() }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::poll_fn};

    use super::*;

    #[test]
    fn there_are_as_many_places_as_the_limit_says() {
        for max in [1, 2, 254] {
            let places = Places::limited(Some(max));
            let mut taken: Vec<_> = std::iter::from_fn(|| places.try_take()).collect();
            assert_eq!(taken.len(), usize::from(max));
            taken.pop();
            assert!(places.try_take().is_some());
        }
    }

    #[tokio::test]
    async fn a_place_that_is_given_back_wakes_who_waits_for_one() {
        let mut places = Places::limited(Some(1));
        let place = places.try_take().unwrap();
        let mut next = Box::pin(poll_fn(|cx| places.poll_take(cx)));
        assert!(next.as_mut().now_or_never().is_none());
        let dropping = tokio::spawn(async move { drop(place) });
        next.await;
        dropping.await.unwrap();
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_loses_no_place() {
        let mut places = Places::limited(Some(1));
        let place = places.try_take().unwrap();
        assert!(poll_fn(|cx| places.poll_take(cx)).now_or_never().is_none());
        drop(place);
        let place = poll_fn(|cx| places.poll_take(cx)).now_or_never().unwrap();
        assert!(poll_fn(|cx| places.poll_take(cx)).now_or_never().is_none());
        drop(place);
        assert!(poll_fn(|cx| places.poll_take(cx)).now_or_never().is_some());
    }

    #[test]
    fn without_a_limit_there_is_always_a_place() {
        let places = Places::limited(None);
        let taken: Vec<_> = std::iter::from_fn(|| places.try_take()).take(1000).collect();
        assert_eq!(taken.len(), 1000);
    }
}
