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
/// A direct write costs one system call if the system takes it at once. A write that has to wait for
/// room goes through mio: only what has a packet for the completion port outlives the thread that
/// began it, and a direct write has none. So the system is asked for the room in the pipe, once for
/// as many bytes as there was room for.
///
/// Where there was no room, the next writes go through mio too, and twice as many each time: to ask
/// costs a system call. The same is done where the system does not tell the room and a direct write
/// had to wait.
#[derive(Default)]
pub(super) struct Writing {
    /// The direct write under way.
    waiting: Option<WaitingWrite>,
    /// Whether a write through mio may be under way.
    in_mio: bool,
    /// So many bytes the pipe certainly takes at once.
    room: usize,
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
                if self.has_room(end, len) {
                    // A task that writes in a loop and never waits would keep others from running.
                    ready!(pin!(consume_budget()).poll(cx));
                    let count = self.write_directly(end, len, bufs)?;
                    end_if_given_up(end, check);
                    return Poll::Ready(Ok(count));
                }
                self.begin_detour();
            }
            self.in_mio = true;
            self.room = 0;
            if let Some(count) = end.try_write_vectored(bufs)? {
                self.detour = self.detour.saturating_sub(1);
                end_if_given_up(end, check);
                return Poll::Ready(Ok(count));
            }
        }
    }

    /// Returns whether the pipe takes so many bytes at once. Only what is written makes the room
    /// smaller, and nobody else writes.
    fn has_room(&mut self, end: &End, len: usize) -> bool {
        if self.room < len {
            self.room = sys::write_room(end.as_handle());
        }
        self.room >= len
    }

    fn begin_detour(&mut self) {
        let next = (2 * self.last_detour).clamp(Self::FIRST_DETOUR, Self::LONGEST_DETOUR);
        (self.detour, self.last_detour) = (next, next);
    }

    fn write_directly(&mut self, end: &End, len: usize, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match sys::write(end.as_handle(), bufs)? {
            Begun::Done(count) => {
                self.room = self.room.saturating_sub(count);
                self.last_detour = self.last_detour.saturating_sub(1);
                Ok(count)
            }
            Begun::Waiting(waiting) => {
                self.waiting = Some(waiting);
                self.room = 0;
                self.begin_detour();
                Ok(len)
            }
        }
    }

    /// Returns the direct write under way.
    pub(super) fn take_waiting(&mut self) -> Option<WaitingWrite> {
        self.waiting.take()
    }
}

/// Ends the writes under way if the pipe was given up meanwhile: perhaps that was before the write
/// could be cancelled.
fn end_if_given_up(end: &End, check: impl Fn() -> io::Result<()>) {
    if check().is_err() {
        sys::cancel_io(end.as_handle());
    }
}
