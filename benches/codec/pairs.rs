//! Ratios of times on a machine whose speed wanders: what is compared runs by turns, a millisecond
//! each, and the median of the rounds' ratios counts.

use tokio_util::codec::LengthDelimitedCodec;

use super::{
    payload, with_crc, without_crc,
    workloads::{Work, checksum, copy, decode, encode, target},
};

const ROUNDS: usize = 201;

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
