//! The rounds, the medians, and what they are held against.

use crate::{
    sides::Side,
    work::measure,
    workload::{Traffic, Work},
};

/// What each side took for one piece of work, round by round: seconds for a message of one connection.
struct Row {
    work: Work,
    times: Vec<(Side, Vec<f64>)>,
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

impl Row {
    /// Measures all of `works` in each round, each by all sides in turn: the speed of the machine
    /// wanders, and what is compared is to have the same.
    fn measure(workloads: &[Work], rounds: usize, sides: &[Side]) -> Vec<Self> {
        let times = || sides.iter().map(|side| (*side, Vec::new())).collect();
        let mut rows: Vec<Self> =
            workloads.iter().map(|work| Self { work: *work, times: times() }).collect();
        for _ in 0..rounds {
            for row in &mut rows {
                for (side, times) in &mut row.times {
                    let work = match side {
                        // Three orders of magnitude slower, and the same for each message.
                        Side::PerMessage => Work { count: row.work.count.min(200), ..row.work },
                        _ => row.work,
                    };
                    times.push(measure(*side, work).as_secs_f64() / work.count as f64);
                }
            }
        }
        rows
    }

    fn new(label: &str, work: Work, rounds: usize, sides: &[Side]) -> Self {
        let row = Self::measure(&[work], rounds, sides).remove(0);
        row.print(label);
        row
    }

    fn print(&self, label: &str) {
        println!("\n{label}");
        for (side, times) in &self.times {
            let micros = 1e6 * median(times.clone()) / self.work.connections as f64;
            let rate = self.work.len as f64 / micros;
            println!("  {:<18} {micros:>12.2} us a message {rate:>9.1} MB/s", side.name());
        }
    }

    fn times(&self, wanted: Side) -> &[f64] {
        &self.times.iter().find(|(side, _)| *side == wanted).unwrap().1
    }

    /// Returns the median of the rounds' ratios.
    fn ratio(&self, side: Side, to: Side) -> f64 {
        let pairs = self.times(side).iter().zip(self.times(to));
        median(pairs.map(|(ours, theirs)| ours / theirs).collect())
    }

    /// Returns the rate of all connections together, as a multiple of that of another row.
    fn rate(&self, side: Side, to: &Self) -> f64 {
        let factor = self.work.connections as f64 / to.work.connections as f64;
        let pairs = self.times(side).iter().zip(to.times(side));
        median(pairs.map(|(these, those)| factor * those / these).collect())
    }

    /// Tells what a client that reconnects, and sends each message by itself, reaches of a connection
    /// that is fed and flushed.
    fn print_client(&self, goal: f64) {
        let speed = 1.0 / self.ratio(Side::Reconnecting, Side::Npipes);
        at_least("a Connection, by a Client with a send a message", goal, speed);
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

fn at_most(goal: &str, limit: f64, figure: f64) {
    verdict(&format!("at most {limit} x {goal}"), figure, figure <= limit);
}

/// The goals against bare Tokio of one message at a time. Tokio's pipes of Windows cost more than one
/// system call, and its sockets of Unix do not.
const ECHO_GOAL: f64 = if cfg!(windows) { 0.88 } else { 1.03 };
const SINGLE_GOAL: f64 = if cfg!(windows) { 1.9 } else { 0.95 };

/// One way, flushed each time when so many bytes of payload have been fed.
fn one_way(len: usize, count: usize, flushed_each: usize) -> Work {
    let batch = (flushed_each / len).max(1);
    Work { traffic: Traffic::OneWay { batch }, len, count, connections: 1, threads: 1 }
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

pub(crate) fn run(rounds: usize) {
    println!("{rounds} rounds, of which medians are shown; CRC on for npipes; two processes");
    for threads in [1, 2] {
        let runtime = if threads == 1 { "current-thread" } else { "multi-thread (2)" };
        println!("\n== {runtime} runtime, 1 connection");

        let echo = Work { traffic: Traffic::Echo, len: 64, count: 800, connections: 1, threads };
        Row::new("64-byte echo", echo, rounds, &Side::ALL);
        // Many short turns, since the goal is nearer than the machine keeps its speed.
        let sides = [Side::Npipes, Side::Bare, Side::Blocking];
        let row = Row::measure(&[echo], 12 * rounds, &sides).remove(0);
        at_most("the time of bare Tokio", ECHO_GOAL, row.ratio(Side::Npipes, Side::Bare));
        at_most("the time of the blocking side", 1.5, row.ratio(Side::Npipes, Side::Blocking));
        let sides = [Side::Reconnecting, Side::Npipes];
        let pairs = Row::measure(&[echo], 12 * rounds, &sides).remove(0);
        let figure = pairs.ratio(Side::Reconnecting, Side::Npipes);
        at_most("a Connection's time, by a Client", 1.05, figure);

        for len in [64, KIB] {
            let work = Work { threads, ..one_way(len, 10_000, len) };
            let row = Row::new(&format!("{len} B, each flushed"), work, 3 * rounds, &Side::SINGLE);
            at_least("bare Tokio in the same pieces", SINGLE_GOAL, row.speed(Side::Bare));
            at_least("the blocking side", 0.9, row.speed(Side::Blocking));
        }

        for (len, count) in [(64, 500_000), (KIB, 100_000)] {
            for (flushed, sides) in [(MIB, &Side::STREAM[..]), (64 * KIB, &Side::SHORT_STREAM)] {
                let work = Work { threads, ..one_way(len, count, flushed) };
                let label = format!("{len} B one way, flushed each {} KiB", flushed / KIB);
                let row = Row::new(&label, work, rounds, sides);
                at_least("bare Tokio in 64-KiB pieces", 0.9, row.speed(Side::Bare));
                println!(
                    "  the floor, frames and CRCs alone: {:.2} of bare Tokio; this crate is {:.2} of that",
                    1.0 / row.ratio(Side::Floor, Side::Bare),
                    row.speed(Side::Floor),
                );
                let batches = 1.0 / row.ratio(Side::Batches, Side::Npipes);
                if len == 64 {
                    at_least("the same, by slices and batches", 1.6, batches);
                }
                println!(
                    "  slices and batches: {batches:.2} of messages one by one; {:.2} of the floor",
                    1.0 / row.ratio(Side::Batches, Side::Floor),
                );
                if sides.contains(&Side::Reconnecting) {
                    row.print_client(0.8);
                }
                for side in [Side::LengthDelimited, Side::Interprocess, Side::PerMessage] {
                    if sides.contains(&side) {
                        at_least(side.name(), 2.0, row.speed(side));
                    }
                }
            }
        }

        for (len, count, flushed) in
            [(64 * KIB, 2000, MIB), (64 * KIB, 2000, 64 * KIB), (MIB, 150, MIB)]
        {
            let work = Work { threads, ..one_way(len, count, flushed) };
            let label = format!("{} KiB one way, flushed each {} KiB", len / KIB, flushed / KIB);
            let row = Row::new(&label, work, rounds, &Side::ALL);
            at_least("bare Tokio in 64-KiB pieces", 0.95, row.speed(Side::Bare));
            at_least(Side::LengthDelimited.name(), 1.5, row.speed(Side::LengthDelimited));
            row.print_client(0.95);
        }
        #[cfg(windows)]
        {
            let work = Work { threads, ..one_way(MIB, 150, MIB) };
            let sides = [Side::Npipes, Side::MessageType];
            let row = Row::new("1024 KiB, each flushed", work, rounds, &sides);
            let figure = row.ratio(Side::Npipes, Side::MessageType);
            at_least("a byte-type pipe, by one of message type", 0.9, figure);
            let sides = [Side::BlockingWhole, Side::BlockingMessages];
            let blocking = Row::measure(&[work], rounds, &sides).remove(0);
            println!(
                "  the same of blocking handles: {:.2}",
                blocking.ratio(Side::BlockingWhole, Side::BlockingMessages)
            );
        }
    }

    println!("\n== current-thread runtime, several connections");
    let sides = [Side::Npipes, Side::Bare];
    for work in [
        Work { traffic: Traffic::Echo, ..one_way(64, 6400, MIB) },
        one_way(64, 2_560_000, MIB),
        one_way(64 * KIB, 9600, MIB),
    ] {
        let workloads = [1, 8, 64].map(|connections| Work {
            connections,
            count: work.count / connections,
            ..work
        });
        let rows = Row::measure(&workloads, rounds, &sides);
        for row in &rows {
            let Work { traffic, len, connections, .. } = row.work;
            row.print(&format!("{traffic:?}, {len} B, {connections} connections"));
        }
        let [alone, _, many] = &rows[..] else { unreachable!("three workloads, three rows") };
        let goal = "the rate of one connection, all together";
        at_least(goal, 0.9, many.rate(Side::Npipes, alone));
        println!("  the same of bare Tokio: {:.2}", many.rate(Side::Bare, alone));
    }
    println!("\nbytes in the largest work: {}", one_way(MIB, 150, MIB).bytes());
}
