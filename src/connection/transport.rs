//! What a transport can do for a connection beyond reading and writing.

mod half;
mod whole;

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite};

pub(super) use self::{
    half::Half,
    whole::{Abilities, Outlet, Whole},
};

/// A stream of bytes that can tell whether its peer has read everything.
///
/// A pipe is such a stream. [`Connection::with_transport`](crate::Connection::with_transport) uses
/// this trait: a close of its connection returns [`Drained`](crate::DrainOutcome::Drained), and not
/// [`Flushed`](crate::DrainOutcome::Flushed). [`Connection::new`](crate::Connection::new) takes any
/// stream of bytes and does not use this trait.
///
/// # Examples
///
/// A transport that wraps another one calls the methods of the inner one:
///
/// ```
/// use std::{
///     io,
///     pin::Pin,
///     task::{Context, Poll},
/// };
///
/// use npipes::connection::{AbortHandle, Transport};
/// use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
///
/// /// Counts the bytes that it reads.
/// struct Counted<T>(T, u64);
///
/// impl<T: Transport> Transport for Counted<T> {
///     fn poll_drained(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Pin::new(&mut self.0).poll_drained(cx)
///     }
///
///     fn stop_draining(mut self: Pin<&mut Self>) {
///         Pin::new(&mut self.0).stop_draining();
///     }
///
///     fn abort_handle(&self) -> Option<AbortHandle> {
///         self.0.abort_handle()
///     }
/// }
///
/// impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
///     fn poll_read(
///         mut self: Pin<&mut Self>,
///         cx: &mut Context<'_>,
///         buf: &mut ReadBuf<'_>,
///     ) -> Poll<io::Result<()>> {
///         let before = buf.filled().len();
///         let read = Pin::new(&mut self.0).poll_read(cx, buf);
///         self.1 += (buf.filled().len() - before) as u64;
///         read
///     }
/// }
///
/// impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
///     fn poll_write(
///         mut self: Pin<&mut Self>,
///         cx: &mut Context<'_>,
///         buf: &[u8],
///     ) -> Poll<io::Result<usize>> {
///         Pin::new(&mut self.0).poll_write(cx, buf)
///     }
///
///     fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Pin::new(&mut self.0).poll_flush(cx)
///     }
///
///     fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Pin::new(&mut self.0).poll_shutdown(cx)
///     }
/// }
/// ```
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Sized {
    /// Polls until the peer has read everything that was written. The transport stays open.
    ///
    /// # Errors
    ///
    /// `TimedOut` if the transport has its own deadline and the peer has not read everything.
    /// `BrokenPipe` or `ConnectionReset` if the peer has left: nothing can tell what it has read.
    /// `Unsupported` if the transport cannot tell. Any other error is a failure of the transport.
    fn poll_drained(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends a wait that [`poll_drained`](Self::poll_drained) has begun. The default does nothing.
    fn stop_draining(self: Pin<&mut Self>) {}

    /// Returns an upper bound for the written bytes that the peer has not read, without waiting.
    /// The default is `None`: it is not known.
    fn unread_at_most(self: Pin<&mut Self>) -> Option<u64> {
        None
    }

    /// Polls until the peer is told that nothing more is written. Reading goes on.
    ///
    /// # Errors
    ///
    /// `Unsupported`, the default, if one direction cannot be ended alone.
    fn poll_close_write(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Returns a handle that ends the transport at once, from anywhere. The default is `None`:
    /// dropping the transport is enough.
    fn abort_handle(&self) -> Option<AbortHandle> {
        None
    }

    /// Sets how long a write in progress goes on after the last handle is dropped. The default does
    /// nothing.
    fn set_linger(&self, time: Duration) {
        let _ = time;
    }

    /// Returns a second handle to the same transport. The second handle is only read from, and this
    /// one is only written to. The default is `None`: the halves of a split connection share the
    /// transport under a lock.
    fn reader(&self) -> Option<Self> {
        None
    }
}

/// Returns success also if the peer has left. This is no failure of a shutdown: a peer that has
/// read what it wanted leaves, and most conversations end like that.
#[cfg_attr(
    not(any(unix, windows, feature = "simulated")),
    expect(dead_code, reason = "only the crate's own transports use it")
)]
pub(crate) fn unless_peer_left(drained: io::Result<()>) -> io::Result<()> {
    match drained {
        Err(e)
            if matches!(e.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) =>
        {
            Ok(())
        }
        drained => drained,
    }
}

/// Ends a transport at once, whatever its peer does.
///
/// It does not keep the transport open. Cloning costs a reference count.
#[derive(Clone)]
pub struct AbortHandle(Arc<dyn Fn() + Send + Sync>);

impl AbortHandle {
    /// Returns a handle that calls `abort`. `abort` must not block.
    pub fn new(abort: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(abort))
    }

    /// Ends the transport. What it has not handed over is discarded, and its reads and writes fail.
    /// Does nothing if the transport was dropped.
    pub fn abort(&self) {
        (self.0)();
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{Empty, empty};

    use super::*;

    impl Transport for Empty {
        fn poll_drained(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_a_transport_does_not_implement_promises_nothing() {
        let mut io = empty();
        let closed = Pin::new(&mut io).poll_close_write(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Err(error)) = closed else { panic!("{closed:?}") };
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert_eq!(Pin::new(&mut io).unread_at_most(), None);
        assert!(io.abort_handle().is_none() && io.reader().is_none());
    }

    #[test]
    fn a_peer_that_left_is_no_failure_of_a_shutdown_and_anything_else_is() {
        let kind = |kind: io::ErrorKind| unless_peer_left(Err(kind.into())).map_err(|e| e.kind());
        assert_eq!(kind(io::ErrorKind::BrokenPipe), Ok(()));
        assert_eq!(kind(io::ErrorKind::ConnectionReset), Ok(()));
        assert_eq!(kind(io::ErrorKind::TimedOut), Err(io::ErrorKind::TimedOut));
        assert!(unless_peer_left(Ok(())).is_ok());
    }
}
