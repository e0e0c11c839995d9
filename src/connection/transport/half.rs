//! The access of one half of a split connection to the transport.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{AbortHandle, Outlet, Whole};

/// One half's access to the transport.
pub(in crate::connection) enum Half<T> {
    /// The half has its own handle. The other half never blocks it.
    Handle(Whole<T>),
    /// The transport has one handle, and the halves take turns with it. The lock is held for one
    /// poll, never across an `await`.
    Shared(Arc<Mutex<Whole<T>>>),
}

impl<T> Half<T> {
    /// Returns the access of the sending half and of the receiving half.
    pub(in crate::connection) fn split(whole: Whole<T>) -> (Self, Self) {
        match whole.reader() {
            Some(reader) => (Self::Handle(whole), Self::Handle(reader)),
            None => {
                let shared = Arc::new(Mutex::new(whole));
                (Self::Shared(Arc::clone(&shared)), Self::Shared(shared))
            }
        }
    }

    /// Returns the transport of the sending half, if `receiving` is the other half's access.
    ///
    /// The sending half's handle knows what was written.
    pub(in crate::connection) fn join(sending: Self, receiving: Self) -> Option<Whole<T>> {
        match (sending, receiving) {
            (Self::Handle(whole), Self::Handle(_)) => Some(whole),
            (Self::Shared(sending), Self::Shared(receiving)) => {
                drop(receiving);
                let lock = Arc::into_inner(sending)?;
                Some(lock.into_inner().unwrap_or_else(PoisonError::into_inner))
            }
            _ => None,
        }
    }

    pub(in crate::connection) fn with_io<R>(&self, ask: impl FnOnce(&T) -> R) -> R {
        match self {
            Self::Handle(whole) => ask(&whole.io),
            Self::Shared(shared) => ask(&lock(shared).io),
        }
    }

    pub(in crate::connection) fn abort_handle(&self) -> Option<AbortHandle> {
        match self {
            Self::Handle(whole) => whole.abort_handle(),
            Self::Shared(shared) => lock(shared).abort_handle(),
        }
    }

    /// Does the same as [`Transport::set_linger`](super::Transport::set_linger).
    pub(in crate::connection) fn set_linger(&self, time: Duration) {
        match self {
            Self::Handle(whole) => whole.set_linger(time),
            Self::Shared(shared) => lock(shared).set_linger(time),
        }
    }

    fn with<R>(&mut self, use_it: impl FnOnce(Pin<&mut Whole<T>>) -> R) -> R
    where
        T: Unpin,
    {
        match self {
            Self::Handle(whole) => use_it(Pin::new(whole)),
            Self::Shared(shared) => use_it(Pin::new(&mut *lock(shared))),
        }
    }
}

fn lock<T>(shared: &Mutex<Whole<T>>) -> MutexGuard<'_, Whole<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: AsyncWrite + Unpin> Outlet for Half<T> {
    fn tells_reads(&self) -> bool {
        match self {
            Self::Handle(whole) => whole.tells_reads(),
            Self::Shared(shared) => lock(shared).tells_reads(),
        }
    }

    fn poll_drained(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|whole| whole.poll_drained(cx))
    }

    fn stop_draining(mut self: Pin<&mut Self>) {
        self.with(Outlet::stop_draining);
    }

    fn poll_close_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|whole| whole.poll_close_write(cx))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Half<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|whole| whole.poll_read(cx, buf))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Half<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|whole| whole.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|whole| whole.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.with_io(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|whole| whole.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|whole| whole.poll_shutdown(cx))
    }
}
