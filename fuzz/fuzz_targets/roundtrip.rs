//! Arbitrary payloads, encoded and decoded in arbitrary pieces, come back as they were; encode
//! refuses exactly what decode would.
#![no_main]

mod format;

use arbitrary::Arbitrary;
use bytes::{Bytes, BytesMut};
use format::{AnyFormat, AnyReceive};
use libfuzzer_sys::fuzz_target;
use npipes::{Error, FrameCodec, frame::FrameError};
use tokio_util::codec::{Decoder, Encoder};

#[derive(Debug, Arbitrary)]
struct Input {
    sender: AnyFormat,
    /// Takes the sender's place in everything but the dialect and the checksum, and detects the
    /// dialect if it is told another one.
    receiver: AnyFormat,
    payloads: Vec<Payload>,
    cuts: [u8; 8],
}

#[derive(Debug, Arbitrary)]
enum Payload {
    Literal(Vec<u8>),
    Repeated { byte: u8, len: u16 },
}

impl Payload {
    fn bytes(&self) -> Bytes {
        match self {
            Self::Literal(bytes) => Bytes::copy_from_slice(bytes),
            Self::Repeated { byte, len } => vec![*byte; usize::from(*len)].into(),
        }
    }
}

fuzz_target!(|input: Input| {
    let max = usize::from(input.sender.max_payload);
    let mut encoder = FrameCodec::new(input.sender.build());
    let mut wire = BytesMut::new();
    let mut expected = Vec::new();
    for payload in input.payloads.iter().take(16) {
        let payload = payload.bytes();
        let before = wire.len();
        match encoder.encode(payload.clone(), &mut wire) {
            Ok(()) => {
                assert!(payload.len() <= max);
                expected.push(payload);
            }
            Err(Error::TooLarge { len, .. }) => {
                assert_eq!(len, payload.len());
                assert!(len > max);
                assert_eq!(wire.len(), before, "a refused payload left bytes behind");
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    let format = input.receiver.build().max_payload(u32::from(input.sender.max_payload));
    let format = match input.receiver.detect {
        true => format,
        false => format.dialect(encoder.dialect()),
    };
    let mut decoder = FrameCodec::new(format);
    let mut buffer = BytesMut::new();
    let mut received = Vec::new();
    let total = wire.len();
    let mut cuts = input.cuts.iter().cycle();
    while !wire.is_empty() {
        // No more than some hundreds of pieces: the fuzzer is to try many inputs, not long ones.
        let len = usize::from(*cuts.next().unwrap()) * 16 + 1 + total / 256;
        buffer.extend_from_slice(&wire.split_to(len.min(wire.len())));
        loop {
            match decoder.decode(&mut buffer) {
                Ok(None) => break,
                Ok(Some(payload)) => received.push(payload.freeze()),
                // A sender that computes no CRC-32 and a receiver that requires one.
                Err(Error::Frame(FrameError::ChecksumMissing { .. })) => {
                    assert!(
                        input.receiver.receive == AnyReceive::Require && !input.sender.computes
                    );
                    received.push(expected[received.len()].clone());
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    assert!(decoder.decode_eof(&mut buffer).unwrap().is_none());
    assert_eq!(received, expected);
});
