//! What a frame costs in the codec, without I/O: `cargo bench --bench codec`
//!
//! Criterion measures each work by itself, with every decoded byte compared once before the clock
//! starts; then what has a goal is measured by turns with what it is compared to. Times on a shared
//! machine wander: `scripts/count-instructions` counts what does not.

#[path = "codec/pairs.rs"]
mod pairs;

use std::hint::black_box;

use bytes::{BufMut, Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput};
use npipes::{FrameCodec, FrameFormat, ReceiveChecksum, SendChecksum};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

/// Bytes of payload in one stream of small frames.
const SMALL_STREAM: usize = 64 * 1024;

fn payload(len: usize) -> Bytes {
    (0..len).map(|i| ((i * 31) >> 3).to_le_bytes()[0]).collect::<Vec<_>>().into()
}

fn with_crc() -> FrameCodec {
    FrameCodec::default()
}

fn without_crc() -> FrameCodec {
    FrameCodec::new(
        FrameFormat::new()
            .send_checksum(SendChecksum::Zero)
            .receive_checksum(ReceiveChecksum::Ignore),
    )
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

/// Measures both directions of one codec for `count` frames of `payload` at a time.
fn codec<C>(criterion: &mut Criterion, name: &str, payload: &Bytes, make: impl Fn() -> C)
where
    C: Decoder<Item = BytesMut> + Encoder<Bytes>,
{
    let count = (SMALL_STREAM / payload.len()).max(1);
    let mut wire = BytesMut::new();
    encode_all(&mut make(), payload, count, &mut wire);
    let mut check = wire.clone();
    let mut decoder = make();
    for _ in 0..count {
        assert!(matches!(decoder.decode(&mut check), Ok(Some(frame)) if frame == payload[..]));
    }
    assert!(check.is_empty());

    let mut group = criterion.benchmark_group(format!("{} B", payload.len()));
    group.throughput(Throughput::Bytes((count * payload.len()) as u64));
    group.bench_function(format!("decode {name}"), |bencher| {
        let mut codec = make();
        bencher.iter_batched_ref(
            || wire.clone(),
            |wire| assert_eq!(decode_all(&mut codec, wire), count),
            BatchSize::LargeInput,
        );
    });
    group.bench_function(format!("encode {name}"), |bencher| {
        let mut codec = make();
        let mut out = BytesMut::with_capacity(2 * wire.len());
        bencher.iter(|| {
            out.clear();
            encode_all(&mut codec, payload, count, &mut out);
            black_box(&out);
        });
    });
}

/// Measures what a codec with a CRC cannot do without.
fn floor(criterion: &mut Criterion, payload: &Bytes) {
    let count = (SMALL_STREAM / payload.len()).max(1);
    let mut group = criterion.benchmark_group(format!("{} B", payload.len()));
    group.throughput(Throughput::Bytes((count * payload.len()) as u64));
    group.bench_function("crc32fast", |bencher| {
        bencher.iter(|| {
            for _ in 0..count {
                black_box(crc32fast::hash(black_box(payload)));
            }
        });
    });
    group.bench_function("copy", |bencher| {
        let mut out = BytesMut::with_capacity(2 * payload.len() * count);
        bencher.iter(|| {
            out.clear();
            for _ in 0..count {
                out.put_slice(black_box(payload));
            }
            black_box(&out);
        });
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for len in [64, 64 * 1024, 1024 * 1024] {
        let payload = payload(len);
        codec(&mut criterion, "with CRC", &payload, with_crc);
        codec(&mut criterion, "without CRC", &payload, without_crc);
        codec(&mut criterion, "LengthDelimitedCodec", &payload, LengthDelimitedCodec::new);
        floor(&mut criterion, &payload);
    }
    criterion.final_summary();
    pairs::report();
}
