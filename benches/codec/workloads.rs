//! What is measured, each written down once: Criterion times it, and so do the pairs.

use std::{
    cell::RefCell,
    hint::black_box,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// Bytes of payload in one stream of small frames.
const SMALL_STREAM: usize = 64 * 1024;

/// Bytes of payload that each turn goes through.
pub(crate) const TURN: usize = 4 * 1024 * 1024;

/// Something that is timed, a turn at a time.
pub(crate) type Work = Box<dyn FnMut() -> Duration>;

fn timed(mut run: impl FnMut()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

pub(crate) fn decode<C>(payload: &Bytes, make: fn() -> C) -> Work
where
    C: Decoder<Item = BytesMut> + Encoder<Bytes> + 'static,
{
    let count = (SMALL_STREAM / payload.len()).max(1);
    let mut wire = BytesMut::new();
    encode_all(&mut make(), payload, count, &mut wire);
    let (mut check, mut decoder) = (wire.clone(), make());
    for _ in 0..count {
        assert!(matches!(decoder.decode(&mut check), Ok(Some(frame)) if frame == payload[..]));
    }
    assert!(check.is_empty());
    let turns = TURN / (payload.len() * count);
    let mut codec = make();
    Box::new(move || {
        let mut time = Duration::ZERO;
        for _ in 0..turns {
            let mut wire = wire.clone();
            time += timed(|| assert_eq!(decode_all(&mut codec, &mut wire), count));
        }
        time
    })
}

/// The memory that an encoder and a mere copy write to by turns. On some processors one copy takes
/// twenty times as long as another, by where source and target lie within their pages.
pub(crate) type Target = Rc<RefCell<BytesMut>>;

pub(crate) fn target() -> Target {
    Rc::new(RefCell::new(BytesMut::with_capacity(4 * 1024 * 1024)))
}

pub(crate) fn encode<C>(payload: &Bytes, make: fn() -> C, out: &Target) -> Work
where
    C: Encoder<Bytes> + 'static,
{
    let count = (SMALL_STREAM / payload.len()).max(1);
    let turns = TURN / (payload.len() * count);
    let (mut codec, payload, out) = (make(), payload.clone(), Rc::clone(out));
    Box::new(move || {
        let out = &mut *out.borrow_mut();
        timed(|| {
            for _ in 0..turns {
                out.clear();
                encode_all(&mut codec, &payload, count, out);
                black_box(&*out);
            }
        })
    })
}

pub(crate) fn checksum(payload: &Bytes) -> Work {
    let payload = payload.clone();
    Box::new(move || {
        timed(|| {
            for _ in 0..TURN / payload.len() {
                black_box(crc32fast::hash(black_box(&payload)));
            }
        })
    })
}

/// The bytes go where a frame has them, after its header.
pub(crate) fn copy(payload: &Bytes, out: &Target) -> Work {
    let (payload, out) = (payload.clone(), Rc::clone(out));
    Box::new(move || {
        let out = &mut *out.borrow_mut();
        timed(|| {
            for _ in 0..TURN / payload.len() {
                out.clear();
                out.put_u64_le(0);
                out.put_slice(black_box(&payload));
                black_box(&*out);
            }
        })
    })
}

fn encode_all<C: Encoder<Bytes>>(
    codec: &mut C,
    payload: &Bytes,
    count: usize,
    wire: &mut BytesMut,
) {
    for _ in 0..count {
        assert!(codec.encode(payload.clone(), wire).is_ok());
    }
}

fn decode_all<C: Decoder<Item = BytesMut>>(codec: &mut C, wire: &mut BytesMut) -> usize {
    let mut count = 0;
    while let Ok(Some(frame)) = codec.decode(wire) {
        black_box(&frame);
        count += 1;
    }
    count
}
