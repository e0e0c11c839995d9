//! Ratios of times on a machine whose speed wanders: what is compared runs by turns, a millisecond
//! each, and the median of the rounds' ratios counts.

use std::{
    cell::RefCell,
    hint::black_box,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

use super::{decode_all, encode_all, payload, with_crc, without_crc};

const ROUNDS: usize = 201;

/// Bytes of payload that each turn goes through.
const TURN: usize = 4 * 1024 * 1024;

/// Something that is timed, a turn at a time.
type Work = Box<dyn FnMut() -> Duration>;

fn timed(mut run: impl FnMut()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn decode<C>(payload: &Bytes, make: fn() -> C) -> Work
where
    C: Decoder<Item = BytesMut> + Encoder<Bytes> + 'static,
{
    let count = (super::SMALL_STREAM / payload.len()).max(1);
    let mut wire = BytesMut::new();
    encode_all(&mut make(), payload, count, &mut wire);
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
type Target = Rc<RefCell<BytesMut>>;

fn target() -> Target {
    Rc::new(RefCell::new(BytesMut::with_capacity(4 * 1024 * 1024)))
}

fn encode<C>(payload: &Bytes, make: fn() -> C, out: &Target) -> Work
where
    C: Encoder<Bytes> + 'static,
{
    let count = (super::SMALL_STREAM / payload.len()).max(1);
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

fn checksum(payload: &Bytes) -> Work {
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
fn copy(payload: &Bytes, out: &Target) -> Work {
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

/// Returns the median, over the rounds, of the time of `ours` by the sum of the others', each times
/// its factor.
fn ratio(mut ours: Work, mut others: Vec<(f64, Work)>) -> f64 {
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let ours = ours().as_secs_f64();
            let others = others.iter_mut().map(|(factor, work)| *factor * work().as_secs_f64());
            ours / others.sum::<f64>()
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ROUNDS / 2]
}

/// Measures what has a goal, and prints goal, figure and verdict.
pub(crate) fn report() {
    println!("\n{:<34} {:<48} {:>6} {:>6}", "work", "goal", "ratio", "");
    let small = payload(64);
    let theirs: fn() -> LengthDelimitedCodec = LengthDelimitedCodec::new;
    const PLAIN: &str = "0.80 x LengthDelimitedCodec";
    const SUMMED: &str = "0.80 x LengthDelimitedCodec + crc32fast";
    const LONG: [usize; 2] = [64 * 1024, 1024 * 1024];
    let out = target();
    let others = vec![(1.0, decode(&small, theirs))];
    row("decode 64 B, CRC off", PLAIN, 0.8, ratio(decode(&small, without_crc), others));
    let others = vec![(0.8, decode(&small, theirs)), (1.0, checksum(&small))];
    row("decode 64 B, CRC on", SUMMED, 1.0, ratio(decode(&small, with_crc), others));
    for len in LONG {
        let payload = payload(len);
        let figure = ratio(decode(&payload, with_crc), vec![(1.0, checksum(&payload))]);
        row(&format!("decode {len} B, CRC on"), "1.05 x crc32fast", 1.05, figure);
    }
    let others = vec![(1.0, encode(&small, theirs, &out))];
    row("encode 64 B, CRC off", PLAIN, 0.8, ratio(encode(&small, without_crc, &out), others));
    let others = vec![(0.8, encode(&small, theirs, &out)), (1.0, checksum(&small))];
    row("encode 64 B, CRC on", SUMMED, 1.0, ratio(encode(&small, with_crc, &out), others));
    for len in LONG {
        let payload = payload(len);
        let others = vec![(1.0, checksum(&payload)), (1.0, copy(&payload, &out))];
        let figure = ratio(encode(&payload, with_crc, &out), others);
        row(&format!("encode {len} B, CRC on"), "1.05 x (copy + crc32fast)", 1.05, figure);
    }
}

fn row(work: &str, goal: &str, limit: f64, ratio: f64) {
    let verdict = if ratio <= limit { "pass" } else { "short" };
    println!("{work:<34} at most {goal:<40} {ratio:>6.2} {verdict:>6}");
}
