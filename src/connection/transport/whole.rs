//! A stream of bytes, with the functions of a [`Transport`] if it is one.

use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{AbortHandle, Transport};

/// The functions of a [`Transport`] as values.
struct Functions<T> {
    poll_drained: fn(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<()>>,
    stop_draining: fn(Pin<&mut T>),
    unread_at_most: fn(Pin<&mut T>) -> Option<u64>,
    poll_close_write: fn(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<()>>,
    abort_handle: fn(&T) -> Option<AbortHandle>,
    set_linger: fn(&T, Duration),
    reader: fn(&T) -> Option<T>,
}

impl<T: Transport> Functions<T> {
    fn of_transport() -> Self {
        Self {
            poll_drained: T::poll_drained,
            stop_draining: T::stop_draining,
            unread_at_most: T::unread_at_most,
            poll_close_write: T::poll_close_write,
            abort_handle: T::abort_handle,
            set_linger: T::set_linger,
            reader: T::reader,
        }
    }
}

/// The functions of a [`Transport`], kept while the stream is out of its connection. `None` for any
/// other stream.
pub(in crate::connection) struct Abilities<T>(Option<fn() -> Functions<T>>);

impl<T> fmt::Debug for Abilities<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Abilities").field(&self.0.is_some()).finish()
    }
}

/// The transport of a whole connection. A connection is generic over any stream of bytes. So it has
/// no bound that says whether its stream is a [`Transport`]; it learns that when it is made.
pub(in crate::connection) struct Whole<T> {
    pub(in crate::connection) io: T,
    functions: Option<fn() -> Functions<T>>,
}

impl<T> Whole<T> {
    pub(in crate::connection) fn stream(io: T) -> Self {
        Self { io, functions: None }
    }

    pub(in crate::connection) fn transport(io: T) -> Self
    where
        T: Transport,
    {
        Self { io, functions: Some(Functions::of_transport) }
    }

    /// Returns the stream, and its functions if it is a transport.
    pub(in crate::connection) fn into_parts(self) -> (T, Abilities<T>) {
        (self.io, Abilities(self.functions))
    }

    pub(in crate::connection) fn from_parts(io: T, Abilities(functions): Abilities<T>) -> Self {
        Self { io, functions }
    }

    fn functions(&self) -> Option<Functions<T>> {
        self.functions.map(|functions| functions())
    }

    pub(in crate::connection) fn abort_handle(&self) -> Option<AbortHandle> {
        (self.functions()?.abort_handle)(&self.io)
    }

    pub(super) fn set_linger(&self, time: Duration) {
        if let Some(functions) = self.functions() {
            (functions.set_linger)(&self.io, time);
        }
    }

    /// Returns a second handle to the transport, for reading.
    pub(super) fn reader(&self) -> Option<Self> {
        let io = (self.functions()?.reader)(&self.io)?;
        Some(Self { io, functions: self.functions })
    }
}

impl<T: Unpin> Whole<T> {
    pub(in crate::connection) fn unread_at_most(&mut self) -> Option<u64> {
        (self.functions()?.unread_at_most)(Pin::new(&mut self.io))
    }
}

/// What the sending direction needs from a transport beyond writing.
pub(in crate::connection) trait Outlet: AsyncWrite {
    /// Returns whether the transport can tell what the peer has read.
    fn tells_reads(&self) -> bool;

    /// Does the same as [`Transport::poll_drained`]. It is ready at once if the transport cannot
    /// tell.
    fn poll_drained(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Does the same as [`Transport::stop_draining`].
    fn stop_draining(self: Pin<&mut Self>);

    /// Does the same as [`Transport::poll_close_write`]. Shuts down a stream that is not a
    /// transport.
    fn poll_close_write(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl<T: AsyncWrite + Unpin> Outlet for Whole<T> {
    fn tells_reads(&self) -> bool {
        self.functions.is_some()
    }

    fn poll_drained(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.functions() {
            Some(functions) => (functions.poll_drained)(Pin::new(&mut self.io), cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn stop_draining(mut self: Pin<&mut Self>) {
        if let Some(functions) = self.functions() {
            (functions.stop_draining)(Pin::new(&mut self.io));
        }
    }

    fn poll_close_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.functions() {
            Some(functions) => (functions.poll_close_write)(Pin::new(&mut self.io), cx),
            None => Pin::new(&mut self.io).poll_shutdown(cx),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Whole<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Whole<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
