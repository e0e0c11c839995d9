//! One piece of the codec's work, repeated, for an instruction counter: `scripts/count-instructions`
//!
//! `instructions WORK STREAMS`, where WORK is `decode` or `encode` with `-crc`, `-plain` or
//! `-length-delimited` after it, each stream being 1,024 frames of 64 bytes, or `crc`, the CRC-32 of
//! as many payloads.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use npipes::{FrameCodec, FrameFormat, ReceiveChecksum, SendChecksum};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

const FRAMES: usize = 1024;
const PAYLOAD: &[u8] = &[b'x'; 64];

fn encode<C: Encoder<Bytes>>(mut codec: C, streams: usize) {
    let mut wire = BytesMut::with_capacity(FRAMES * 80);
    for _ in 0..streams {
        wire.clear();
        for _ in 0..FRAMES {
            assert!(codec.encode(Bytes::from_static(PAYLOAD), &mut wire).is_ok());
        }
        black_box(&wire);
    }
}

fn decode<C: Decoder<Item = BytesMut> + Encoder<Bytes>>(mut codec: C, streams: usize) {
    let mut stream = BytesMut::new();
    for _ in 0..FRAMES {
        assert!(codec.encode(Bytes::from_static(PAYLOAD), &mut stream).is_ok());
    }
    for _ in 0..streams {
        let mut wire = stream.clone();
        let mut count = 0;
        while let Ok(Some(frame)) = codec.decode(&mut wire) {
            assert_eq!(black_box(&frame).len(), PAYLOAD.len());
            count += 1;
        }
        assert_eq!(count, FRAMES);
    }
}

fn plain() -> FrameCodec {
    let format = FrameFormat::new()
        .send_checksum(SendChecksum::Zero)
        .receive_checksum(ReceiveChecksum::Ignore);
    FrameCodec::new(format)
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
        "crc" => (0..streams * FRAMES).for_each(|_| {
            black_box(crc32fast::hash(black_box(PAYLOAD)));
        }),
        other => panic!("no such work: {other}"),
    }
}
