//! The future that waits until the peer has everything.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{drain_outcome::DrainOutcome, transport::Outlet, writer::Writer};
use crate::error::{Error, Operation};

/// Waits until the peer has everything, as far as the transport can tell, without closing the
/// transport. Dropping this future also ends the transport's wait.
pub(super) struct Drain<'a, W: Outlet> {
    writer: &'a mut Writer,
    io: Pin<&'a mut W>,
}

impl<'a, W: Outlet> Drain<'a, W> {
    pub(super) fn new(writer: &'a mut Writer, io: Pin<&'a mut W>) -> Self {
        Self { writer, io }
    }
}

impl<W: Outlet> Future for Drain<'_, W> {
    type Output = Result<DrainOutcome, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.writer.poll_drain(Operation::Drain, this.io.as_mut(), cx)
    }
}

impl<W: Outlet> Drop for Drain<'_, W> {
    fn drop(&mut self) {
        self.writer.end_drain(self.io.as_mut());
    }
}
