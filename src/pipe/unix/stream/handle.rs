//! Tokio's socket of one end, which the handles of a stream share: reading, writing, aborting.

use std::{
    io::{self, IoSlice},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::retry_on_intr,
    net::{SendAncillaryBuffer, SendFlags, Shutdown, send, sendmsg, shutdown},
};
use tokio::{
    io::{Interest, ReadBuf},
    net::UnixStream,
};

use crate::{
    connection::Written,
    pipe::{
        places::Place,
        unix::{peer::Credentials, sys},
    },
};

/// Apple's systems have no such flag.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

/// An end that is closed when nobody shares it any more.
pub(in crate::pipe) struct PipeHandle {
    /// `None` once the socket was given away or closed.
    stream: Option<UnixStream>,
    is_server: bool,
    /// A wait for the reader has cleared Tokio's readiness for writing, so a write asks the system
    /// itself.
    asks: AtomicBool,
    /// This end's own direction was ended.
    has_ended: AtomicBool,
    /// The peer has left and had not read everything.
    was_reset: AtomicBool,
    is_aborted: AtomicBool,
    /// The place of this socket's client. It is given back after the socket is closed.
    place: Place,
}

/// What the peer has not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipe::unix) enum Unread {
    Nothing,
    Something,
    /// The peer has left, and it is not known what it has read.
    Gone,
    /// The system does not tell.
    Unknown,
}

impl PipeHandle {
    /// No socket of a stream keeps write boundaries.
    pub(in crate::pipe) fn of_server(stream: UnixStream, _keeps_messages: Option<bool>) -> Self {
        Self::new(stream, true)
    }

    pub(in crate::pipe) fn of_client(stream: UnixStream) -> Self {
        Self::new(stream, false)
    }

    fn new(stream: UnixStream, is_server: bool) -> Self {
        Self {
            stream: Some(stream),
            is_server,
            asks: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            was_reset: AtomicBool::new(false),
            is_aborted: AtomicBool::new(false),
            place: Place::default(),
        }
    }

    /// Gives the end a place among a listener's clients.
    pub(in crate::pipe) fn in_place(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    pub(in crate::pipe) fn stream(&self) -> &UnixStream {
        match &self.stream {
            Some(stream) => stream,
            None => unreachable!("only what owns the handle takes its socket"),
        }
    }

    pub(in crate::pipe) fn into_stream(mut self) -> UnixStream {
        match self.stream.take() {
            Some(stream) => stream,
            None => unreachable!("only what owns the handle takes its socket"),
        }
    }

    pub(in crate::pipe) fn is_server(&self) -> bool {
        self.is_server
    }

    /// Does nothing: either the system has taken a write, or the write has not begun.
    #[expect(clippy::unused_self, reason = "other systems have something to set")]
    pub(in crate::pipe) fn set_linger(&self, _: Duration) {}

    /// Returns whether the system keeps write boundaries.
    #[expect(clippy::unused_self, reason = "other systems have pipes that do")]
    pub(in crate::pipe) fn keeps_messages(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// Returns whether one direction can be ended alone.
    #[expect(clippy::unused_self, reason = "other systems have pipes that cannot")]
    pub(in crate::pipe) fn can_half_close(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// Returns the process at the other end, if the system tells.
    pub(in crate::pipe) fn peer_process_id(&self) -> Option<u32> {
        Credentials::of(self.stream()).ok()?.process_id
    }

    pub(in crate::pipe) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.stream().poll_read_ready(cx))?;
            self.check()?;
            match self.try_read(buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(self.note(read)),
            }
        }
    }

    /// Reads what has arrived. If a read returns less than there was room for, the socket is empty
    /// (epoll(7)). Then the readiness is cleared, as Tokio's own reading does: the next read waits
    /// for an event instead of asking. `try_io` clears the readiness that it saw before the read,
    /// so no event is lost.
    fn try_read(&self, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let room = buf.remaining();
        let mut read = Err(io::ErrorKind::WouldBlock.into());
        let _: io::Result<()> = self.stream().try_io(Interest::READABLE, || {
            read = self.stream().try_read_buf(buf);
            match read {
                Ok(count) if 0 < count && count < room => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(()),
            }
        });
        read.map(|_| ())
    }

    pub(in crate::pipe) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    pub(in crate::pipe) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let written = if self.asks.load(Ordering::Relaxed) {
                self.check()?;
                self.send(bufs)
            } else {
                ready!(self.stream().poll_write_ready(cx))?;
                self.check()?;
                self.stream().try_io(Interest::WRITABLE, || self.send(bufs))
            };
            match written {
                // From now on Tokio's readiness is right: new room is an event (epoll(7)).
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.asks.store(false, Ordering::Relaxed);
                }
                written => return Poll::Ready(self.note(written)),
            }
        }
    }

    /// Writes without a signal if the peer has left: a program may have restored the default of
    /// SIGPIPE, which ends it (send(2): `MSG_NOSIGNAL`).
    fn send(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut nothing = SendAncillaryBuffer::default();
        Ok(retry_on_intr(|| match bufs {
            // The system has less to copy than for a message of slices.
            [buf] => send(self.stream(), buf, SEND_FLAGS),
            bufs => sendmsg(self.stream(), bufs, &mut nothing, SEND_FLAGS),
        })?)
    }

    /// Ends this direction, after what was written.
    pub(in crate::pipe) fn poll_close_write(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.has_ended.store(true, Ordering::Relaxed);
        Poll::Ready(shutdown(self.stream(), Shutdown::Write).map_err(io::Error::from))
    }

    /// Is ready when no write is under way. That is always so.
    #[expect(clippy::unused_self, reason = "other systems write in the background")]
    pub(in crate::pipe) fn poll_written(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Gives the socket up at once: every operation under way ends, and no new one begins. The peer
    /// can still read what it has not read.
    pub(in crate::pipe) fn abort(&self) {
        self.is_aborted.store(true, Ordering::Relaxed);
        // Fails if the socket is not connected. Then there is nothing to end.
        let _ = shutdown(self.stream(), Shutdown::Both);
    }

    fn check(&self) -> io::Result<()> {
        match self.is_aborted.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => Ok(()),
        }
    }

    /// Records that the peer has left and had not read everything. The system tells this only once.
    fn note<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        if matches!(&outcome, Err(e) if e.kind() == io::ErrorKind::ConnectionReset) {
            self.was_reset.store(true, Ordering::Relaxed);
        }
        outcome
    }

    /// Returns an upper limit of the written bytes that the peer has not read; `None` if that is
    /// not known. It is not known of a peer that may have left, since what it has not read is gone
    /// then, as if it had been read.
    pub(in crate::pipe) fn unread_at_most(&self, written: &Written) -> Option<u64> {
        // Asked first, as in `unread`.
        let memory = sys::unread(self.stream())?;
        let events = self.events().ok()?;
        let may_have_left = self.was_reset.load(Ordering::Relaxed)
            || events.intersects(PollFlags::HUP | PollFlags::ERR);
        (!may_have_left).then(|| memory.min(written.total()))
    }

    /// Returns what the system tells without being asked for it: the peer's end, and errors.
    fn events(&self) -> io::Result<PollFlags> {
        let mut socket = [PollFd::new(self.stream(), PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // A signal interrupts this also if nothing is waited for (poll(2): `EINTR`).
        retry_on_intr(|| poll(&mut socket, Some(&now)))?;
        Ok(socket[0].revents())
    }

    /// Returns whether the peer has left and certainly had not read everything.
    ///
    /// It reads and throws away what the peer has sent: the kernel tells this after that
    /// (af_unix.c: `unix_stream_read_generic`).
    pub(in crate::pipe) fn left_unread(&self) -> bool {
        let mut rest = [0; 4096];
        loop {
            match self.note(rustix::io::read(self.stream(), &mut rest).map_err(io::Error::from)) {
                Ok(1..) => {}
                _ => return self.was_reset.load(Ordering::Relaxed),
            }
        }
    }

    /// Returns what the peer has not read.
    pub(in crate::pipe::unix) fn unread(&self) -> io::Result<Unread> {
        // Asked first: the kernel reports that a peer has left before it throws away what the peer
        // has not read (af_unix.c: `unix_release_sock`).
        let memory = sys::unread(self.stream());
        let events = self.events()?;
        // Both directions have ended: the peer has left, or both ends have ended their direction.
        let hung_up = events.contains(PollFlags::HUP);
        let reset = self.was_reset.load(Ordering::Relaxed) || events.contains(PollFlags::ERR);
        let has_ended = self.has_ended.load(Ordering::Relaxed);
        Ok(match memory {
            _ if reset || (hung_up && !has_ended) => Unread::Gone,
            Some(0) => Unread::Nothing,
            Some(_) if hung_up => Unread::Gone,
            Some(_) => Unread::Something,
            None => Unread::Unknown,
        })
    }

    /// Polls for what the peer has not read, until the answer is not `Something`.
    ///
    /// Each read gives memory back to the writer and makes it writable (af_unix.c:
    /// `unix_write_space`). That is an event also for a socket that was writable before (epoll(7):
    /// `EPOLLET`). So this clears the readiness, and new readiness means that the peer has read.
    /// `try_io` clears the readiness that it saw before it asked, so a read after that is not
    /// missed.
    pub(in crate::pipe::unix) fn poll_unread(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Unread>> {
        loop {
            ready!(self.stream().poll_write_ready(cx))?;
            let looked = self.stream().try_io(Interest::WRITABLE, || match self.unread()? {
                Unread::Something => Err(io::ErrorKind::WouldBlock.into()),
                unread => Ok(unread),
            });
            match looked {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.asks.store(true, Ordering::Relaxed);
                }
                looked => return Poll::Ready(looked),
            }
        }
    }
}

impl Drop for PipeHandle {
    /// Makes the peer find the end of the stream. A socket that is closed with something unread
    /// resets its peer's connection instead (af_unix.c: `unix_release_sock`). So this shuts the
    /// socket down and throws the unread data away. Nothing can be sent to a socket that is shut
    /// down, so no more data comes. The peer learns that this end has left before the thrown away
    /// data could look as if it had been read.
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        if shutdown(&stream, Shutdown::Both).is_ok() {
            let mut unread = [0; 4096];
            while matches!(rustix::io::read(&stream, &mut unread), Ok(1..)) {}
        }
    }
}
