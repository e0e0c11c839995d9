//! Arbitrary bytes in arbitrary pieces: never a panic, memory bounded by what has arrived, the same
//! frames as from the whole, and nothing but errors after a fatal one.
#![no_main]

mod format;

use arbitrary::Arbitrary;
use bytes::{Bytes, BytesMut};
use format::AnyFormat;
use libfuzzer_sys::fuzz_target;
use npipes::{Error, FrameCodec, frame::FrameError};
use tokio_util::codec::Decoder;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    format: AnyFormat,
    cuts: [u8; 8],
    stream: &'a [u8],
}

type Outcome = Result<Bytes, FrameError>;

/// Feeds `pieces` one after the other and returns every frame and error, the last of them fatal or
/// the end's.
fn decode<'a>(format: &AnyFormat, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Outcome> {
    let mut codec = FrameCodec::new(format.build());
    let mut buffer = BytesMut::new();
    let mut outcomes = Vec::new();
    let mut arrived = 0;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        arrived += piece.len();
        if drain(&mut codec, &mut buffer, &mut outcomes) {
            return outcomes;
        }
        assert!(buffer.capacity() <= 4 * arrived + 3 * 64 * 1024, "{} held", buffer.capacity());
    }
    match codec.decode_eof(&mut buffer) {
        Ok(None) => {}
        Ok(Some(_)) => panic!("a frame was left"),
        Err(error) => outcomes.push(Err(frame_error(error))),
    }
    outcomes
}

/// Returns whether decoding is over.
fn drain(codec: &mut FrameCodec, buffer: &mut BytesMut, outcomes: &mut Vec<Outcome>) -> bool {
    loop {
        match codec.decode(buffer) {
            Ok(None) => return false,
            Ok(Some(payload)) => outcomes.push(Ok(payload.freeze())),
            Err(error) => {
                let error = frame_error(error);
                outcomes.push(Err(error));
                if !error.is_skippable() {
                    buffer.extend_from_slice(&[12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                    assert_eq!(frame_error(codec.decode(buffer).unwrap_err()), error);
                    return true;
                }
            }
        }
    }
}

fn frame_error(error: Error) -> FrameError {
    match error {
        Error::Frame(error) => error,
        other => panic!("{other:?}"),
    }
}

fuzz_target!(|input: Input<'_>| {
    let whole = decode(&input.format, std::iter::once(input.stream));
    let mut rest = input.stream;
    let mut cuts = input.cuts.iter().cycle();
    let pieces = std::iter::from_fn(|| {
        if rest.is_empty() {
            return None;
        }
        let len = (usize::from(*cuts.next()?) + 1).min(rest.len());
        let (piece, tail) = rest.split_at(len);
        rest = tail;
        Some(piece)
    });
    assert_eq!(decode(&input.format, pieces), whole);
    for payload in whole.iter().flatten() {
        assert!(payload.len() <= usize::from(input.format.max_payload));
    }
});
