//! The two directions between two ends, and how they break. There is no clock.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::io::ReadBuf;

use super::faults::{Cut, Faults};

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Server,
    Client,
}

/// What both ends of a connection share.
#[derive(Debug, Clone)]
pub(super) struct Wire(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    to_server: Lane,
    to_client: Lane,
    server_left: bool,
    client_left: bool,
    broken: Option<Cut>,
}

/// One direction.
#[derive(Debug)]
struct Lane {
    unread: VecDeque<u8>,
    /// The size of the pipe's buffer in bytes.
    capacity: usize,
    /// The bytes written so far, and the place at which the connection breaks.
    written: u64,
    cut: Option<(u64, Cut)>,
    split: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wire {
    pub(super) fn new(capacity: usize, faults: Faults) -> Self {
        let split = faults.split.unwrap_or(usize::MAX);
        let lane = |cut| Lane {
            unread: VecDeque::new(),
            capacity,
            written: 0,
            cut,
            split,
            reader: None,
            writer: None,
        };
        Self(Arc::new(Mutex::new(State {
            to_server: lane(faults.to_server),
            to_client: lane(faults.to_client),
            server_left: false,
            client_left: false,
            broken: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn poll_read(
        &self,
        end: End,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state();
        let (broken, peer_left) = (state.broken, state.peer_left(end));
        let lane = state.inbound(end);
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if !lane.unread.is_empty() {
            lane.give(buf);
            return Poll::Ready(Ok(()));
        }
        match broken {
            Some(Cut::Reset) => Poll::Ready(Err(Cut::Reset.error())),
            Some(Cut::End) => Poll::Ready(Ok(())),
            None if peer_left => Poll::Ready(Ok(())),
            None => {
                lane.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Takes all of `bytes`, unless an earlier write still waits for room: a write is done when it
    /// is handed over.
    pub(super) fn poll_write(
        &self,
        end: End,
        cx: &mut Context<'_>,
        bytes: &[&[u8]],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if let Some(cut) = state.end_of(end) {
            return Poll::Ready(Err(cut.error()));
        }
        let lane = state.outbound(end);
        if lane.unread.len() > lane.capacity {
            lane.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let (count, cut) = lane.take(bytes);
        if let Some(cut) = cut {
            state.break_off(cut);
        }
        Poll::Ready(Ok(count))
    }

    /// Is ready when the other end has read everything, or will never read it.
    pub(super) fn poll_drained(&self, end: End, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if let Some(cut) = state.end_of(end) {
            return Poll::Ready(Err(cut.error()));
        }
        let lane = state.outbound(end);
        if lane.unread.is_empty() {
            return Poll::Ready(Ok(()));
        }
        lane.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Returns how many bytes the other end has not read. Windows reports this if it is less than
    /// the pipe's buffer holds.
    pub(super) fn unread(&self, end: End) -> Option<u64> {
        let mut state = self.state();
        let lane = state.outbound(end);
        (lane.unread.len() < lane.capacity).then_some(lane.unread.len() as u64)
    }

    /// Returns how many bytes the buffer towards the other end holds.
    pub(super) fn capacity(&self, end: End) -> u64 {
        self.state().outbound(end).capacity as u64
    }

    pub(super) fn leave(&self, end: End) {
        let mut state = self.state();
        match end {
            End::Server => state.server_left = true,
            End::Client => state.client_left = true,
        }
        state.wake();
    }

    /// Breaks the connection now.
    pub(super) fn cut(&self, cut: Cut) {
        let mut state = self.state();
        if cut == Cut::Reset {
            state.to_server.unread.clear();
            state.to_client.unread.clear();
        }
        state.break_off(cut);
    }

    pub(super) fn is_over(&self) -> bool {
        let state = self.state();
        state.broken.is_some() || (state.server_left && state.client_left)
    }
}

impl State {
    fn inbound(&mut self, end: End) -> &mut Lane {
        match end {
            End::Server => &mut self.to_server,
            End::Client => &mut self.to_client,
        }
    }

    fn outbound(&mut self, end: End) -> &mut Lane {
        match end {
            End::Server => &mut self.to_client,
            End::Client => &mut self.to_server,
        }
    }

    fn peer_left(&self, end: End) -> bool {
        match end {
            End::Server => self.client_left,
            End::Client => self.server_left,
        }
    }

    /// Returns why this end cannot write any more.
    fn end_of(&self, end: End) -> Option<Cut> {
        self.broken.or_else(|| self.peer_left(end).then_some(Cut::End))
    }

    fn break_off(&mut self, cut: Cut) {
        self.broken.get_or_insert(cut);
        self.wake();
    }

    fn wake(&mut self) {
        for lane in [&mut self.to_server, &mut self.to_client] {
            for waker in [lane.reader.take(), lane.writer.take()].into_iter().flatten() {
                waker.wake();
            }
        }
    }
}

impl Lane {
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.unread.len().min(self.split).min(buf.remaining());
        let (front, back) = self.unread.as_slices();
        let first = count.min(front.len());
        buf.put_slice(&front[..first]);
        buf.put_slice(&back[..count - first]);
        self.unread.drain(..count);
        if self.unread.len() <= self.capacity {
            if let Some(writer) = self.writer.take() {
                writer.wake();
            }
        }
    }

    /// Takes as much of a write as arrives, and returns its length and the cut that it causes.
    fn take(&mut self, bytes: &[&[u8]]) -> (usize, Option<Cut>) {
        let count = bytes.iter().map(|piece| piece.len()).sum();
        let room = match self.cut {
            Some((at, _)) => usize::try_from(at - self.written).unwrap_or(usize::MAX),
            None => usize::MAX,
        };
        let arrives = room.min(count);
        self.unread.extend(bytes.iter().flat_map(|piece| piece.iter()).take(arrives));
        self.written += arrives as u64;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        let cut = self.cut.and_then(|(at, cut)| (self.written >= at).then_some(cut));
        (count, cut)
    }
}
