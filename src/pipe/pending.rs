//! A future that has begun, in a type that threads may share.

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

/// A boxed future that is `Send + Sync`. Polling takes exclusive access, so nobody ever waits for
/// the lock. `std::sync::Exclusive` would do the same, and is not stable.
pub(super) struct Pending<T>(Mutex<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T> Pending<T> {
    pub(super) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Mutex::new(Box::pin(future)))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(cx)
    }
}
