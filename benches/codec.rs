//! What a frame costs in the codec, without I/O: `cargo bench --bench codec`
//!
//! Each row's goal is a ratio to something measured in the same run. Every decoded byte is compared
//! once before the clock starts. Times on a shared machine wander: `scripts/count-instructions` counts
//! what does not.

use std::{hint::black_box, path::Path};

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
    report();
}

/// Returns the median time of one iteration in nanoseconds, from what Criterion has saved.
fn median(group: &str, function: &str) -> Option<f64> {
    let target =
        option_env!("CARGO_TARGET_DIR").unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/target"));
    let path =
        Path::new(target).join("criterion").join(group).join(function).join("new/estimates.json");
    let text = std::fs::read_to_string(path).ok()?;
    let median = text.split_once(r#""median":"#)?.1;
    let point = median.split_once(r#""point_estimate":"#)?.1;
    point.split([',', '}']).next()?.parse().ok()
}

fn report() {
    println!("\n{:<34} {:<48} {:>6} {:>6}", "work", "goal", "ratio", "");
    for work in ["decode", "encode"] {
        let at = |len: usize, function: &str| median(&format!("{len} B"), function);
        let ours = |len, crc: &str| at(len, &format!("{work} {crc} CRC"));
        let theirs = at(64, &format!("{work} LengthDelimitedCodec"));
        row(
            &format!("{work} 64 B, CRC off"),
            "0.80 x LengthDelimitedCodec",
            0.8,
            ours(64, "without"),
            theirs,
        );
        let sum = theirs.zip(at(64, "crc32fast")).map(|(theirs, crc)| 0.8 * theirs + crc);
        row(
            &format!("{work} 64 B, CRC on"),
            "0.80 x LengthDelimitedCodec + crc32fast",
            1.0,
            ours(64, "with"),
            sum,
        );
        for len in [64 * 1024, 1024 * 1024] {
            let (goal, floor) = match work {
                "decode" => ("1.05 x crc32fast", at(len, "crc32fast")),
                _ => (
                    "1.05 x (copy + crc32fast)",
                    at(len, "crc32fast").zip(at(len, "copy")).map(|(crc, copy)| crc + copy),
                ),
            };
            row(&format!("{work} {len} B, CRC on"), goal, 1.05, ours(len, "with"), floor);
        }
    }
}

fn row(work: &str, goal: &str, limit: f64, ours: Option<f64>, base: Option<f64>) {
    match ours.zip(base) {
        Some((ours, base)) => {
            let ratio = ours / base;
            let verdict = if ratio <= limit { "pass" } else { "short" };
            println!("{work:<34} at most {goal:<40} {ratio:>6.2} {verdict:>6}");
        }
        None => println!("{work:<34} at most {goal:<40} not measured in this run"),
    }
}
