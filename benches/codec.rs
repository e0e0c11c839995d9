//! What a frame costs in the codec, without I/O: `cargo bench --bench codec`
//!
//! Criterion measures each work by itself, with every decoded byte compared once before the clock
//! starts; then what has a goal is measured by turns with what it is compared to. Times on a shared
//! machine wander: `scripts/count-instructions` counts what does not.

#[path = "codec/pairs.rs"]
mod pairs;
#[path = "codec/workloads.rs"]
mod workloads;

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use npipes::{
    FrameCodec,
    frame::{FrameFormat, ReceiveChecksum, SendChecksum},
};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

use self::workloads::{TURN, Work, checksum, copy, decode, encode, target};

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

/// Has Criterion measure one work by itself, a turn for an iteration.
fn alone(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut work: Work) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|turns| (0..turns).map(|_| work()).sum());
    });
}

/// Has Criterion measure both directions of one codec.
fn codec<C>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, payload: &Bytes, make: fn() -> C)
where
    C: Decoder<Item = BytesMut> + Encoder<Bytes> + 'static,
{
    alone(group, &format!("decode {name}"), decode(payload, make));
    alone(group, &format!("encode {name}"), encode(payload, make, &target()));
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for len in [64, 64 * 1024, 1024 * 1024] {
        let payload = payload(len);
        let mut group = criterion.benchmark_group(format!("{len} B"));
        group.throughput(Throughput::Bytes(TURN as u64));
        codec(&mut group, "with CRC", &payload, with_crc);
        codec(&mut group, "without CRC", &payload, without_crc);
        codec(&mut group, "LengthDelimitedCodec", &payload, LengthDelimitedCodec::new);
        // What a codec with a CRC cannot do without.
        alone(&mut group, "crc32fast", checksum(&payload));
        alone(&mut group, "copy", copy(&payload, &target()));
    }
    criterion.final_summary();
    pairs::report();
}
