//! The two directions of a stream, for two tasks.

use std::{
    error, fmt,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::PipeStream;
use crate::{
    connection::{AbortHandle, DrainOutcome},
    error::Error,
    name::PipeName,
};

impl PipeStream {
    /// Returns the reading and the writing half, for two tasks. Neither ever waits for the other.
    ///
    /// The pipe closes when both are dropped. Dropping one tells the peer nothing: see
    /// [`OwnedWriteHalf::close_write`].
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let reader = self.second();
        (OwnedReadHalf(reader), OwnedWriteHalf(self))
    }

    /// Returns a second stream over the same handle. It does not know what is written.
    pub(super) fn second(&self) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
            name: self.name.clone(),
            opened: self.opened(),
            close_timeout: self.close_timeout,
            undrained: false,
            completing: false,
            written: self.written,
            write_grace: 0,
            has_lost: false,
            drain: None,
        }
    }
}

/// The reading half of a [`PipeStream`]: see [`PipeStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf(PipeStream);

/// The writing half of a [`PipeStream`]: see [`PipeStream::into_split`].
///
/// Shutting it down waits until the peer has read everything, as with a [`PipeStream`], and closes
/// nothing.
#[derive(Debug)]
pub struct OwnedWriteHalf(PipeStream);

impl OwnedReadHalf {
    /// Returns the stream that both halves come from.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`], which has both halves, if they come from two streams.
    pub fn reunite(self, half: OwnedWriteHalf) -> Result<PipeStream, ReuniteError> {
        match Arc::ptr_eq(&self.0.handle, &half.0.handle) {
            true => Ok(half.0),
            false => Err(ReuniteError(Box::new((self, half)))),
        }
    }
}

impl OwnedWriteHalf {
    /// Returns the stream that both halves come from.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`], which has both halves, if they come from two streams.
    pub fn reunite(self, half: OwnedReadHalf) -> Result<PipeStream, ReuniteError> {
        half.reunite(self)
    }

    /// Waits until the peer has read everything that was written: [`PipeStream::drained`].
    ///
    /// # Errors
    ///
    /// As [`PipeStream::drained`].
    ///
    /// # Cancel safety
    ///
    /// As [`PipeStream::drained`].
    ///
    /// # Panics
    ///
    /// As [`PipeStream::drained`].
    pub async fn drained(&mut self) -> Result<DrainOutcome, Error> {
        self.0.drained().await
    }

    /// Ends this direction and leaves the other open: [`PipeStream::close_write`].
    ///
    /// # Errors
    ///
    /// As [`PipeStream::close_write`].
    ///
    /// # Cancel safety
    ///
    /// As [`PipeStream::close_write`].
    ///
    /// # Panics
    ///
    /// As [`PipeStream::close_write`].
    pub async fn close_write(&mut self) -> Result<DrainOutcome, Error> {
        self.0.close_write().await
    }
}

/// The methods of both halves.
macro_rules! half {
    ($half:ident) => {
        impl $half {
            /// Returns the name of the pipe: [`PipeStream::name`].
            #[must_use]
            pub fn name(&self) -> Option<&PipeName> {
                self.0.name()
            }

            /// Closes the pipe at once, whatever the peer does, as [`PipeStream::abort`] does. The
            /// other half finds it closed.
            pub fn abort(self) {
                self.0.abort();
            }

            /// Returns a handle that closes the pipe at once, from anywhere.
            #[must_use]
            pub fn abort_handle(&self) -> AbortHandle {
                self.0.abort_handle()
            }
        }

        impl AsRef<PipeStream> for $half {
            fn as_ref(&self) -> &PipeStream {
                &self.0
            }
        }
    };
}

half!(OwnedReadHalf);
half!(OwnedWriteHalf);

impl AsyncRead for OwnedReadHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for OwnedWriteHalf {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The two halves come from two streams.
#[derive(Debug)]
pub struct ReuniteError(Box<(OwnedReadHalf, OwnedWriteHalf)>);

impl ReuniteError {
    /// Returns the halves.
    #[must_use]
    pub fn into_halves(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        *self.0
    }
}

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are of two streams")
    }
}

impl error::Error for ReuniteError {}
