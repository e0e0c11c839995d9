//! Writes of one end: by a call of their own while the pipe keeps up, and through mio otherwise.

use std::{
    io::{self, IoSlice},
    os::windows::io::AsHandle,
    pin::pin,
    task::{Context, Poll, ready},
};

use tokio::task::coop::consume_budget;

use super::end::End;
use crate::pipe::windows::sys::{self, Begun, WaitingWrite};

/// The way of the next write, and the write under way.
///
/// A direct write costs one system call if the system takes it at once. If it waits for room, it
/// costs more than a write through mio, because its end is learned through the thread pool. So a
/// direct write that had to wait sends the next ones through mio, and twice as many each time.
#[derive(Default)]
pub(super) struct Writing {
    /// The direct write under way.
    waiting: Option<WaitingWrite>,
    /// Whether a write through mio may be under way.
    in_mio: bool,
    /// How many writes go through mio before a direct one is tried again.
    detour: u32,
    /// The length of the last detour.
    last_detour: u32,
}

impl Writing {
    /// The longest direct write, in bytes.
    const LONGEST: usize = 16 * 1024;

    const FIRST_DETOUR: u32 = 16;

    const LONGEST_DETOUR: u32 = 1024;

    /// Is ready when no write is under way. Returns the failure of the last one once.
    pub(super) fn poll_ready(&mut self, end: &End, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(waiting) = &self.waiting {
            let written = ready!(waiting.poll(cx));
            self.waiting = None;
            written?;
        }
        if self.in_mio {
            ready!(end.poll_write_ready(cx))?;
            self.in_mio = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Begins a write when no other is under way and `check` allows it, and returns its length.
    pub(super) fn poll_write(
        &mut self,
        end: &End,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        check: impl Fn() -> io::Result<()>,
    ) -> Poll<io::Result<usize>> {
        let len: usize = bufs.iter().map(|buf| buf.len()).sum();
        loop {
            let ready = ready!(self.poll_ready(end, cx));
            check()?;
            ready?;
            if self.detour == 0 && len <= Self::LONGEST {
                // A task that writes in a loop and never waits would keep others from running.
                ready!(pin!(consume_budget()).poll(cx));
                return Poll::Ready(self.write_directly(end, len, bufs));
            }
            self.in_mio = true;
            if let Some(count) = end.try_write_vectored(bufs)? {
                self.detour = self.detour.saturating_sub(1);
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn write_directly(&mut self, end: &End, len: usize, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match sys::write(end.as_handle(), bufs)? {
            Begun::Done(count) => {
                self.last_detour = self.last_detour.saturating_sub(1);
                Ok(count)
            }
            Begun::Waiting(waiting) => {
                self.waiting = Some(waiting);
                let next = (2 * self.last_detour).clamp(Self::FIRST_DETOUR, Self::LONGEST_DETOUR);
                (self.detour, self.last_detour) = (next, next);
                Ok(len)
            }
        }
    }

    /// Returns the direct write under way.
    pub(super) fn take_waiting(&mut self) -> Option<WaitingWrite> {
        self.waiting.take()
    }
}
