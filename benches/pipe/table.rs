//! The rounds, the medians, and what they are held against.

use std::time::Duration;

use crate::{
    sides::Side,
    work::{Traffic, Work, measure},
};

/// The median time of each side for one piece of work.
struct Row {
    medians: Vec<(Side, Duration)>,
}

impl Row {
    fn new(label: &str, work: Work, rounds: usize, sides: &[Side]) -> Self {
        let mut times = vec![Vec::new(); sides.len()];
        for _ in 0..rounds {
            for (side, times) in sides.iter().zip(&mut times) {
                let work = match side {
                    // Three orders of magnitude slower, and the same for each message.
                    Side::PerMessage => Work { count: work.count.min(200), ..work },
                    _ => work,
                };
                let scale = work.count as f64;
                times.push(measure(*side, work).div_f64(scale));
            }
        }
        let medians: Vec<(Side, Duration)> = sides
            .iter()
            .zip(times)
            .map(|(side, mut times)| {
                times.sort();
                (*side, times[times.len() / 2])
            })
            .collect();
        println!("\n{label}");
        for (side, median) in &medians {
            let nanos = median.as_nanos().max(1) as f64 / work.connections as f64;
            let rate = work.len as f64 * 1000.0 / nanos;
            println!(
                "  {:<18} {:>12.2} us a message {rate:>9.1} MB/s",
                side.name(),
                nanos / 1000.0
            );
        }
        Self { medians }
    }

    fn ratio(&self, side: Side, to: Side) -> f64 {
        let median = |wanted: Side| {
            self.medians.iter().find(|(side, _)| *side == wanted).unwrap().1.as_secs_f64()
        };
        median(side) / median(to)
    }

    /// Our speed as a multiple of another side's.
    fn speed(&self, to: Side) -> f64 {
        1.0 / self.ratio(Side::Npipes, to)
    }
}

fn verdict(goal: &str, figure: f64, pass: bool) {
    println!("  goal: {goal:<62} {figure:>6.2} {}", if pass { "pass" } else { "short" });
}

fn at_least(goal: &str, limit: f64, figure: f64) {
    verdict(&format!("at least {limit} x {goal}"), figure, figure >= limit);
}

fn one_way(len: usize, count: usize) -> Work {
    let batch = (64 * 1024 / len).max(1);
    Work { traffic: Traffic::OneWay { batch }, len, count, connections: 1, threads: 1 }
}

pub(crate) fn run(rounds: usize) {
    println!("{rounds} rounds; medians of this run; CRC on for npipes; two processes");
    for threads in [1, 2] {
        let runtime = if threads == 1 { "current-thread" } else { "multi-thread (2)" };
        println!("\n== {runtime} runtime, 1 connection");

        let echo = Work { traffic: Traffic::Echo, len: 64, count: 3000, connections: 1, threads };
        let row = Row::new("64-byte echo", echo, rounds, &Side::ALL);
        let figure = row.ratio(Side::Npipes, Side::Bare);
        verdict("at most 1.03 x the time of bare Tokio", figure, figure <= 1.03);

        for (len, count) in [(64, 200_000), (1024, 40_000)] {
            let work = Work { threads, ..one_way(len, count) };
            let row =
                Row::new(&format!("{len} B one way, in batches"), work, rounds, &Side::STREAM);
            at_least("bare Tokio in 64-KiB pieces", 0.9, row.speed(Side::Bare));
            println!(
                "  the floor, frames and CRCs alone: {:.2} of bare Tokio; this crate is {:.2} of that",
                1.0 / row.ratio(Side::Floor, Side::Bare),
                row.speed(Side::Floor),
            );
            for side in [Side::LengthDelimited, Side::Interprocess, Side::PerMessage] {
                at_least(side.name(), 2.0, row.speed(side));
            }
        }

        for (len, count) in [(64 * 1024, 2000), (1024 * 1024, 150)] {
            let work = Work { threads, ..one_way(len, count) };
            let row = Row::new(&format!("{} KiB one way", len / 1024), work, rounds, &Side::ALL);
            at_least("bare Tokio in 64-KiB pieces", 0.95, row.speed(Side::Bare));
            at_least(Side::LengthDelimited.name(), 1.5, row.speed(Side::LengthDelimited));
        }
    }

    println!("\n== current-thread runtime, several connections");
    let sides = [Side::Npipes, Side::Bare];
    for work in [
        Work { traffic: Traffic::Echo, ..one_way(64, 6400) },
        one_way(64, 640_000),
        one_way(64 * 1024, 3200),
    ] {
        let mut single = None;
        for connections in [1, 8, 64] {
            let shared = Work { connections, count: work.count / connections, ..work };
            let label = format!("{:?}, {} B, {connections} connections", work.traffic, work.len);
            let row = Row::new(&label, shared, rounds, &sides);
            // Times are per message of one connection.
            let rate = |side| {
                let (_, median) = row.medians.iter().find(|(other, _)| *other == side).unwrap();
                connections as f64 / median.as_secs_f64()
            };
            let rates = [rate(Side::Npipes), rate(Side::Bare)];
            let alone = *single.get_or_insert(rates);
            if connections == 64 {
                let [ours, bare] = [rates[0] / alone[0], rates[1] / alone[1]];
                at_least("the rate of one connection, all together", 0.9, ours);
                println!("  the same of bare Tokio: {bare:.2}");
            }
        }
    }
    println!("\nbytes in the largest work: {}", one_way(1024 * 1024, 150).bytes());
}
