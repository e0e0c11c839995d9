//! Tokio's handle of one end, which the handles of a stream share: reading, writing, aborting.

use std::{
    io::{self, IoSlice},
    mem,
    os::windows::io::{AsHandle, BorrowedHandle},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    io::ReadBuf,
    net::windows::named_pipe::{NamedPipeClient, NamedPipeServer, PipeMode},
    runtime::Handle,
};

use super::{end::End, linger, writing::Writing};
use crate::{
    connection::{ConnectionOptions, Written},
    pipe::{
        places::Place,
        windows::sys::{self, Code, PipeType, token},
    },
};

/// An end that is closed when nobody shares it any more and its last write is complete.
pub(in crate::pipe) struct PipeHandle {
    /// `None` once the end was given away or closed.
    end: Option<End>,
    /// The runtime that drives the end. Without one nothing can wait for the last write.
    runtime: Option<Handle>,
    /// The type of the pipe, if the system told it when the pipe was opened.
    pipe_type: Option<PipeType>,
    /// How many bytes the pipe holds in a direction, once this was asked for.
    quota: OnceLock<u32>,
    /// The linger time, in milliseconds.
    linger: AtomicU64,
    /// Locked by the writing half alone, and when the end is closed.
    writing: Mutex<Writing>,
    is_aborted: AtomicBool,
    /// The task that waits until the peer has read everything.
    drainer: Mutex<Option<Waker>>,
    /// The place of this end's instance. It is given back after the end is closed.
    place: Place,
}

impl PipeHandle {
    /// The handle of a server that can only write may not ask whether its pipe keeps write
    /// boundaries, so a listener says it.
    pub(in crate::pipe) fn of_server(
        server: NamedPipeServer,
        keeps_messages: Option<bool>,
    ) -> Self {
        let pipe_type = keeps_messages.map(|keeps| match keeps {
            true => PipeType::Message,
            false => PipeType::Byte,
        });
        Self::new(End::Server(server), pipe_type)
    }

    pub(in crate::pipe) fn of_client(client: NamedPipeClient, pipe_type: Option<PipeType>) -> Self {
        Self::new(End::Client(client), pipe_type)
    }

    fn new(end: End, pipe_type: Option<PipeType>) -> Self {
        Self {
            end: Some(end),
            pipe_type,
            quota: OnceLock::new(),
            runtime: Handle::try_current().ok(),
            linger: AtomicU64::new(millis(ConnectionOptions::DEFAULT_LINGER)),
            writing: Mutex::default(),
            is_aborted: AtomicBool::new(false),
            drainer: Mutex::default(),
            place: Place::default(),
        }
    }

    /// Gives the end a place among a listener's instances.
    pub(in crate::pipe) fn in_place(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    pub(in crate::pipe) fn set_linger(&self, time: Duration) {
        self.linger.store(millis(time), Ordering::Relaxed);
    }

    pub(in crate::pipe) fn is_server(&self) -> bool {
        matches!(self.end(), End::Server(_))
    }

    /// Returns the type of the pipe, which its server has chosen.
    pub(in crate::pipe) fn pipe_type(&self) -> io::Result<PipeType> {
        if let Some(pipe_type) = self.pipe_type {
            return Ok(pipe_type);
        }
        Ok(match self.end().info()?.mode {
            PipeMode::Message => PipeType::Message,
            _ => PipeType::Byte,
        })
    }

    /// Returns whether the system keeps write boundaries.
    pub(in crate::pipe) fn keeps_messages(&self) -> io::Result<bool> {
        Ok(self.pipe_type()? == PipeType::Message)
    }

    /// Returns whether one direction can be ended alone. An end that may not ask cannot know that.
    pub(in crate::pipe) fn can_half_close(&self) -> io::Result<bool> {
        match self.keeps_messages() {
            Err(e) if Code::of(&e) == Code::AccessDenied => Ok(false),
            keeps => keeps,
        }
    }

    /// Writes no bytes, which is a message on a message-type pipe. Call it after the peer has read
    /// what came before: for a peer whose handle reads bytes, the end would otherwise be joined to
    /// unread data.
    pub(in crate::pipe) fn poll_close_write(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write(cx, &[]).map_ok(|_| ())
    }

    /// Returns an upper limit of the written bytes that the peer has not read; `None` if that is
    /// not known. The pipe is one of this machine.
    pub(in crate::pipe) fn unread_at_most(&self, written: &Written) -> Option<u64> {
        let quota = match self.quota.get() {
            Some(quota) => *quota,
            None => {
                let quota = sys::write_quota(self.as_handle())?;
                *self.quota.get_or_init(|| quota)
            }
        };
        Some(written.unread_at_most(quota.into()))
    }

    /// Returns the process at the other end of a pipe of this machine, if the system tells.
    pub(in crate::pipe) fn peer_process_id(&self) -> Option<u32> {
        match self.is_server() {
            true => token::client_process_id(self.as_handle()),
            false => token::server_process_id(self.as_handle()),
        }
        .ok()
    }

    pub(super) fn end(&self) -> &End {
        match &self.end {
            Some(end) => end,
            None => unreachable!("only what owns the handle takes its end"),
        }
    }

    pub(in crate::pipe) fn into_end(mut self) -> End {
        match self.end.take() {
            Some(end) => end,
            None => unreachable!("only what owns the handle takes its end"),
        }
    }

    pub(in crate::pipe) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let end = self.end();
        loop {
            ready!(end.poll_read_ready(cx))?;
            self.check()?;
            match end.try_read(buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(|_| ()).map_err(classify)),
            }
        }
    }

    /// Begins a write when the write before is complete, and returns its length.
    pub(in crate::pipe) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    /// As [`poll_write`](Self::poll_write).
    pub(in crate::pipe) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.writing().poll_write(self.end(), cx, bufs, || self.check());
        written.map_err(classify)
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the pipe up at once: every operation under way ends, and no new one begins.
    ///
    /// A server's end is disconnected, which discards what the client has not read
    /// (`DisconnectNamedPipe`) and ends a write that mio would not cancel. A client's end has no
    /// such call: its writes under way are cancelled, and the server can still read what the system
    /// has taken before.
    pub(in crate::pipe) fn abort(&self) {
        self.is_aborted.store(true, Ordering::SeqCst);
        match self.end() {
            // Without a client there is nothing to end.
            End::Server(handle) => drop(sys::disconnect(handle.as_handle())),
            End::Client(handle) => sys::cancel_io(handle.as_handle()),
        }
        if let Some(drainer) = self.drainer().take() {
            drainer.wake();
        }
    }

    fn drainer(&self) -> MutexGuard<'_, Option<Waker>> {
        self.drainer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails if the pipe was given up, and has [`abort`](Self::abort) wake the task of `cx`
    /// otherwise.
    pub(in crate::pipe) fn check_while_draining(&self, cx: &Context<'_>) -> io::Result<()> {
        *self.drainer() = Some(cx.waker().clone());
        self.check()
    }

    fn check(&self) -> io::Result<()> {
        match self.is_aborted.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => Ok(()),
        }
    }

    /// Is ready when no write is under way.
    pub(in crate::pipe) fn poll_written(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writing().poll_ready(self.end(), cx).map_err(classify)
    }

    /// Returns whether the peer has left and certainly had not read everything. The system does not
    /// tell, so this is never certain.
    #[expect(clippy::unused_self, reason = "other systems have sockets that tell")]
    pub(in crate::pipe) fn left_unread(&self) -> bool {
        false
    }
}

impl AsHandle for PipeHandle {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.end().as_handle()
    }
}

impl Drop for PipeHandle {
    fn drop(&mut self) {
        let Some(end) = self.end.take() else { return };
        let writing = self.writing.get_mut().unwrap_or_else(PoisonError::into_inner);
        let is_aborted = self.is_aborted.load(Ordering::SeqCst);
        let at_most = match is_aborted {
            true => Duration::ZERO,
            false => Duration::from_millis(self.linger.load(Ordering::Relaxed)),
        };
        let is_over = writing.poll_ready(&end, &mut Context::from_waker(Waker::noop())).is_ready();
        if let Some(waiting) = writing.take_waiting() {
            match end.as_handle().try_clone_to_owned() {
                Ok(pipe) => linger::until_over(&waiting, pipe, mem::take(&mut self.place), at_most),
                // Nothing would know when to end the write.
                Err(_) => sys::cancel_io(end.as_handle()),
            }
        } else if let (false, false, Some(runtime)) = (is_over, is_aborted, &self.runtime) {
            linger::until_written(runtime, end, mem::take(&mut self.place), at_most);
        }
    }
}

/// Half a billion years, at most.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Gives `ERROR_PIPE_NOT_CONNECTED` an error kind, because Rust has none for it. An end gets this
/// error when the other end has disconnected.
pub(in crate::pipe::windows) fn classify(error: io::Error) -> io::Error {
    match Code::of(&error) {
        Code::Disconnected => io::Error::new(io::ErrorKind::ConnectionReset, error),
        _ => error,
    }
}
