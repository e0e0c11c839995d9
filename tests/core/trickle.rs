//! A transport that gives and takes little at a time and is never ready twice in a row.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use npipes::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Gives `incoming` in pieces of `step` bytes and then the end of the stream, keeps what is written
/// in `written`, one entry for each write, and pends once before each read, write and flush.
#[derive(Debug)]
pub(crate) struct Trickle {
    incoming: VecDeque<u8>,
    pub(crate) written: Vec<Vec<u8>>,
    step: usize,
    vectored: bool,
    rested: bool,
}

impl Trickle {
    pub(crate) fn new(incoming: &[u8], step: usize) -> Self {
        Self {
            incoming: incoming.iter().copied().collect(),
            written: Vec::new(),
            step,
            vectored: false,
            rested: false,
        }
    }

    pub(crate) fn vectored(mut self) -> Self {
        self.vectored = true;
        self
    }

    pub(crate) fn all_written(&self) -> Vec<u8> {
        self.written.concat()
    }

    fn rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.rested = !self.rested;
        if self.rested {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        std::task::ready!(self.rest(cx));
        let len = self.step.min(buf.remaining()).min(self.incoming.len());
        let piece: Vec<u8> = self.incoming.drain(..len).collect();
        buf.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.rest(cx));
        let len = self.step.min(buf.len());
        self.written.push(buf[..len].to_vec());
        Poll::Ready(Ok(len))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(self.vectored, "asked for one slice at a time");
        let all: Vec<u8> = bufs.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.poll_write(cx, &all)
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.rest(cx).map(Ok)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.rest(cx).map(Ok)
    }
}

/// Returns the length of each write of a connection.
pub(crate) fn write_lens(connection: &Connection<Trickle>) -> Vec<usize> {
    connection.get_ref().written.iter().map(Vec::len).collect()
}
