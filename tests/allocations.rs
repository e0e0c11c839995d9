//! What a stream of frames costs in allocations, counted by the allocator itself.
#![allow(clippy::unwrap_used, reason = "a test that meets an impossible value is to panic")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/counting.rs"]
mod counting;

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use npipes::{Connection, FrameCodec};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::codec::{Decoder, Encoder};

use crate::counting::{held_here, spent};

/// Reads like a pipe under mio: at most 64 KiB at once, as much as there is; then pends.
struct Source {
    stream: Bytes,
    reads: usize,
    /// So many bytes arrive at a time, and before each time nothing.
    lone: Option<usize>,
    waited: bool,
}

impl Source {
    fn of(stream: Bytes) -> Self {
        Self { stream, reads: 0, lone: None, waited: false }
    }
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = self.lone.unwrap_or(64 * 1024);
        let len = self.stream.len().min(buf.remaining()).min(most);
        self.waited = self.lone.is_some() && !self.waited;
        if len == 0 || self.waited {
            return Poll::Pending;
        }
        buf.put_slice(&self.stream.split_to(len));
        self.reads += 1;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Source {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn stream(len: usize, count: usize) -> Bytes {
    let payload = Bytes::from(vec![7; len]);
    let mut wire = BytesMut::with_capacity((len + 12) * count);
    for _ in 0..count {
        FrameCodec::default().encode(payload.clone(), &mut wire).unwrap();
    }
    wire.freeze()
}

/// Receives all of a stream and drops each message, and returns the reads that it took.
fn receive_all(connection: &mut Connection<Source>, count: usize) -> usize {
    for _ in 0..count {
        match poll_once(connection.receive()) {
            Poll::Ready(Ok(Some(message))) => drop(message),
            other => panic!("{other:?}"),
        }
    }
    assert!(poll_once(connection.receive()).is_pending());
    connection.get_ref().reads
}

#[test]
fn a_stream_costs_the_buffers_it_needs_and_idleness_next_to_nothing() {
    let mut codec = FrameCodec::default();
    let mut wire = BytesMut::from(&stream(64, 1000)[..]);
    drop(codec.decode(&mut wire));
    let decoding = || {
        for _ in 1..1000 {
            assert_eq!(codec.decode(&mut wire).unwrap().unwrap().len(), 64);
        }
    };
    assert_eq!(spent(decoding), (0, 0), "decoding small frames");

    let payload = Bytes::from_static(&[7; 64]);
    let mut out = BytesMut::with_capacity(100_000);
    let encoding = || {
        for _ in 0..1000 {
            codec.encode(payload.clone(), &mut out).unwrap();
        }
    };
    assert_eq!(spent(encoding), (0, 0), "encoding small frames");

    for (len, count) in [(64, 100_000), (64 * 1024, 200), (1024 * 1024, 20)] {
        let before = held_here();
        let wire = stream(len, count);
        let total = wire.len();
        let mut connection = Connection::new(Source::of(wire));
        let mut reads = 0;
        let (_, bytes) = spent(|| reads = receive_all(&mut connection, count));
        assert!(bytes < total / 4, "{bytes} bytes allocated for {total} in frames of {len}");
        let at_best = total.div_ceil(64 * 1024);
        assert!(reads <= at_best + at_best / 16 + 4, "{reads} reads for {total} bytes");

        assert!(poll_once(connection.send(vec![7; len])).is_ready());
        let idle = held_here() - before;
        assert!(idle <= 1024, "{idle} bytes held after frames of {len}, with nothing to do");
        drop(connection);
    }
    for len in [1, 64, 200, 400, 8192] {
        converse(len);
    }
}

/// Messages that each come alone and are answered.
fn converse(len: usize) {
    const COUNT: usize = 1000;
    let before = held_here();
    let message = Bytes::from(vec![7; len]);
    let wire = stream(len, COUNT);
    let lone = Some(wire.len() / COUNT);
    let mut connection = Connection::new(Source { lone, ..Source::of(wire) });
    let mut answer = || {
        assert!(poll_once(connection.receive()).is_pending());
        let question = loop {
            // A long one arrives in pieces.
            if let Poll::Ready(received) = poll_once(connection.receive()) {
                break received.unwrap().unwrap();
            }
        };
        assert_eq!(question, message);
        drop(question);
        assert!(poll_once(connection.send(message.clone())).is_ready());
    };
    answer();
    let spent = spent(|| (1..COUNT).for_each(|_| answer()));
    if len <= 200 {
        assert_eq!(spent, (0, 0), "questions and answers of {len}");
    }
    assert!(poll_once(connection.receive()).is_pending());
    let idle = held_here() - before - len;
    assert!(idle <= 1024, "{idle} bytes held after questions and answers of {len}");
}
