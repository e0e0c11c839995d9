//! One piece of the codec's work, repeated, for an instruction counter: `scripts/count-instructions`
//!
//! `instructions WORK STREAMS`, where WORK is `decode` or `encode` with `-crc`, `-plain` or
//! `-length-delimited` after it, each stream being 1,024 frames of 64 bytes, or `crc`, the CRC-32 of
//! as many payloads; or `receive` or `feed`, the same through a connection with a transport that does
//! nothing.

use std::{
    hint::black_box,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use npipes::{
    Connection, ConnectionOptions, FrameCodec,
    frame::{FrameFormat, ReceiveChecksum, SendChecksum},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

const FRAMES: usize = 1024;
const PAYLOAD: &[u8] = &[b'x'; 64];

fn encode<C: Encoder<Bytes>>(mut codec: C, streams: usize) {
    let mut wire = BytesMut::with_capacity(FRAMES * 80);
    for _ in 0..streams {
        wire.clear();
        for _ in 0..FRAMES {
            assert!(
                black_box(&mut codec)
                    .encode(Bytes::from_static(black_box(PAYLOAD)), &mut wire)
                    .is_ok()
            );
        }
        black_box(&wire);
    }
}

fn decode<C: Decoder<Item = BytesMut> + Encoder<Bytes>>(mut codec: C, streams: usize) {
    let mut stream = BytesMut::new();
    for _ in 0..FRAMES {
        assert!(black_box(&mut codec).encode(Bytes::from_static(PAYLOAD), &mut stream).is_ok());
    }
    for _ in 0..streams {
        let mut wire = stream.clone();
        let mut count = 0;
        while let Ok(Some(frame)) = black_box(&mut codec).decode(&mut wire) {
            assert_eq!(black_box(&frame).len(), PAYLOAD.len());
            count += 1;
        }
        assert_eq!(count, FRAMES);
    }
}

/// Gives a stream so many times, 64 KiB at most at a time, and takes everything.
struct Transport {
    stream: Bytes,
    left: Bytes,
    times: usize,
}

impl Transport {
    fn new(times: usize) -> Self {
        let mut stream = BytesMut::new();
        for _ in 0..FRAMES {
            assert!(FrameCodec::default().encode(PAYLOAD, &mut stream).is_ok());
        }
        Self { stream: stream.freeze(), left: Bytes::new(), times }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left.is_empty() && self.times > 0 {
            self.times -= 1;
            self.left = self.stream.clone();
        }
        let len = self.left.len().min(buf.remaining()).min(64 * 1024);
        buf.put_slice(&self.left.split_to(len));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(black_box(buf).len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn done<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the transport has everything"),
    }
}

fn receive(streams: usize) {
    let mut connection = Connection::new(Transport::new(streams));
    let mut count = 0;
    while let Ok(Some(message)) = done(connection.receive()) {
        assert_eq!(black_box(&message).len(), PAYLOAD.len());
        count += 1;
    }
    assert_eq!(count, streams * FRAMES);
}

fn receive_batch(streams: usize, options: &ConnectionOptions) {
    let mut connection = Connection::with_options(Transport::new(streams), options);
    let mut count = 0;
    while let Ok(Some(batch)) = done(connection.receive_batch()) {
        for message in batch {
            assert_eq!(black_box(message).len(), PAYLOAD.len());
            count += 1;
        }
    }
    assert_eq!(count, streams * FRAMES);
}

fn feed_slice(streams: usize, options: &ConnectionOptions) {
    let mut connection = Connection::with_options(Transport::new(0), options);
    for _ in 0..streams * FRAMES {
        assert!(done(connection.feed_slice(black_box(PAYLOAD))).is_ok());
    }
    assert!(done(connection.flush()).is_ok());
}

fn encode_slice(mut codec: FrameCodec, streams: usize) {
    let mut wire = BytesMut::with_capacity(FRAMES * 80);
    for _ in 0..streams {
        wire.clear();
        for _ in 0..FRAMES {
            assert!(black_box(&mut codec).encode(black_box(PAYLOAD), &mut wire).is_ok());
        }
        black_box(&wire);
    }
}

fn feed(streams: usize) {
    let mut connection = Connection::new(Transport::new(0));
    for _ in 0..streams * FRAMES {
        assert!(done(connection.feed(black_box(PAYLOAD))).is_ok());
    }
    assert!(done(connection.flush()).is_ok());
}

const PLAIN: FrameFormat =
    FrameFormat::new().send_checksum(SendChecksum::Zero).receive_checksum(ReceiveChecksum::Ignore);

fn plain() -> FrameCodec {
    FrameCodec::new(PLAIN)
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let (Some(work), Some(Ok(streams))) = (args.next(), args.next().map(|n| n.parse())) else {
        println!("usage: instructions WORK STREAMS; scripts/count-instructions runs it");
        return;
    };
    match work.as_str() {
        "decode-crc" => decode(FrameCodec::default(), streams),
        "decode-plain" => decode(plain(), streams),
        "decode-length-delimited" => decode(LengthDelimitedCodec::new(), streams),
        "encode-crc" => encode(FrameCodec::default(), streams),
        "encode-plain" => encode(plain(), streams),
        "encode-length-delimited" => encode(LengthDelimitedCodec::new(), streams),
        "encode-slice-crc" => encode_slice(FrameCodec::default(), streams),
        "encode-slice-plain" => encode_slice(plain(), streams),
        "receive-batch-crc" => receive_batch(streams, &ConnectionOptions::new()),
        "receive-batch-plain" => receive_batch(streams, &ConnectionOptions::new().format(PLAIN)),
        "feed-slice-crc" => feed_slice(streams, &ConnectionOptions::new()),
        "feed-slice-plain" => feed_slice(streams, &ConnectionOptions::new().format(PLAIN)),
        "receive" => receive(streams),
        "feed" => feed(streams),
        "crc" => (0..streams * FRAMES).for_each(|_| {
            black_box(crc32fast::hash(black_box(PAYLOAD)));
        }),
        other => panic!("no such work: {other}"),
    }
}
