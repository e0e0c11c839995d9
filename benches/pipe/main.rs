//! Messages through real pipes between two processes, ours beside the others in one run:
//! `scripts/bench-pipe`, which pins everything to one core under Wine, or `cargo bench --bench pipe`.
//!
//! The sides take turns, round by round; a time is the median of a side's rounds, and a verdict is
//! about the median of the rounds' ratios, in this run alone. Every byte that arrives is compared.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    reason = "a benchmark that meets an impossible value is to panic"
)]

mod bare;
mod blocking;
mod ends;
mod floor;
mod sides;
mod table;
mod work;
mod workload;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.first().map(String::as_str) {
        Some("client") => work::client(&args[1..]),
        Some("once") => work::once(&args[1..]),
        _ => table::run(args.first().and_then(|rounds| rounds.parse().ok()).unwrap_or(5)),
    }
}
