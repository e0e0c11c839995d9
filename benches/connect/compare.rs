//! The two questions, their tables, and whether the goals are met.

use std::{
    future::Future,
    process::ExitCode,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    attempts::AttemptLog,
    sample::Sample,
    sides::{Server, Side, exchange},
};

const SIDES: [Side; 7] = [
    Side::Ours { backlog: 1 },
    DEFAULT,
    Side::Ours { backlog: 16 },
    Side::Unchecked,
    Side::Sleeping { delay: Duration::from_millis(50) },
    Side::Sleeping { delay: Duration::from_millis(10) },
    Side::Interprocess,
];

const DEFAULT: Side = Side::Ours { backlog: 4 };

/// Clients at once, and how often.
const BURSTS: [(usize, usize); 4] = [(1, 200), (8, 50), (64, 40), (256, 10)];

/// The burst that the goal is set for.
const GOAL_BURST: usize = 64;

/// Stalls of the server, each with one client waiting.
const STALLS: u32 = 25;

/// A client that has not got through after this time counts as a failure.
const TOO_LONG: Duration = Duration::from_secs(60);

pub(crate) fn main() -> ExitCode {
    let log = AttemptLog::default();
    tracing::subscriber::set_global_default(log.clone()).expect("the first subscriber");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");

    let mut goals = Vec::new();
    for (clients, rounds) in BURSTS {
        heading(&format!("{clients} at once, {rounds} times: ms from the start until connected"));
        let servers = SIDES.map(|side| Server::start(side, &format!("burst-{clients}")));
        let mut samples = SIDES.map(|side| (side, Sample::default()));
        // Side by side in each round: whatever else the machine does then falls on all of them.
        for _ in 0..rounds {
            for (server, (_, sample)) in servers.iter().zip(&mut samples) {
                burst(&runtime, server, clients, &log, sample);
            }
        }
        print(&samples);
        let failures: usize = ours(&samples).map(|(_, sample)| sample.failures()).sum();
        goals.push((failures == 0, format!("{clients} at once: {failures} failures of ours")));
        if clients == GOAL_BURST {
            goals.extend(burst_goals(&samples));
        }
    }

    heading("the server stalls for 50 to 300 ms: ms from its return until connected");
    let servers = SIDES.map(|side| Server::start(side, "stall"));
    let mut samples = SIDES.map(|side| (side, Sample::default()));
    for round in 0..STALLS {
        for (server, (_, sample)) in servers.iter().zip(&mut samples) {
            stall(&runtime, server, round, &log, sample);
        }
    }
    print(&samples);

    println!();
    for (met, goal) in &goals {
        println!("{} {goal}", if *met { "pass " } else { "short" });
    }
    match goals.iter().all(|(met, _)| *met) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn heading(question: &str) {
    println!("\n{question}");
    println!(
        "{:<28}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "", "median", "p99", "max", "attempts", "failures"
    );
}

fn print(samples: &[(Side, Sample)]) {
    for (side, sample) in samples {
        println!("{side:<28}{sample}");
    }
}

fn ours(samples: &[(Side, Sample)]) -> impl Iterator<Item = &(Side, Sample)> {
    samples.iter().filter(|(side, _)| is_ours(*side))
}

fn is_ours(side: Side) -> bool {
    matches!(side, Side::Ours { .. } | Side::Unchecked)
}

fn burst_goals(samples: &[(Side, Sample)]) -> Vec<(bool, String)> {
    let others = || samples.iter().filter(|(side, _)| !is_ours(*side));
    let of = |wanted| &samples.iter().find(|(side, _)| *side == wanted).expect("a side").1;
    let default = of(DEFAULT);
    let best = others().map(|(_, sample)| sample.quantile(990)).min().expect("others");
    let attempts = default.attempts().unwrap_or(f64::INFINITY);
    let fewest = others().filter_map(|(_, sample)| sample.attempts()).fold(f64::INFINITY, f64::min);
    let half = |side| {
        let p99 = of(side).quantile(990);
        (
            p99 * 2 <= best,
            format!("{side}: p99 {p99:.2?}, half of the best other's is {:.2?}", best / 2),
        )
    };
    vec![
        half(DEFAULT),
        half(Side::Unchecked),
        (attempts < fewest, format!("attempts {attempts:.2}, the fewest of others {fewest:.2}")),
    ]
}

/// Lets all clients go at the same moment.
fn burst(
    runtime: &Runtime,
    server: &Server,
    clients: usize,
    log: &AttemptLog,
    sample: &mut Sample,
) {
    let (go, gone) = watch::channel(None);
    let outcomes = runtime.block_on(async {
        let mut set = JoinSet::new();
        for client in 0..clients {
            let (mut gone, side, path) = (gone.clone(), server.side, server.path.clone());
            set.spawn(async move {
                let start = gone.wait_for(Option::is_some).await.ok().and_then(|at| *at)?;
                settle(client, connect(side, &path, client, start)).await
            });
        }
        tokio::task::yield_now().await;
        go.send_replace(Some(Instant::now()));
        set.join_all().await
    });
    record(outcomes, log, sample);
}

/// Lets the server stop accepting while one client wants to get in.
fn stall(runtime: &Runtime, server: &Server, round: u32, log: &AttemptLog, sample: &mut Sample) {
    let guard = runtime.enter();
    let taken = server.stall();
    drop(guard);
    // Any times that do not step with the others' delays.
    let time = Duration::from_millis(50 + u64::from(round) * 37 % 250);
    let outcome = runtime.block_on(async {
        let client = connect(server.side, &server.path, 0, Instant::now());
        let resume = async {
            sleep(time).await;
            server.resume();
            Instant::now()
        };
        let start = Instant::now();
        let (outcome, resumed) = tokio::join!(settle(0, client), resume);
        outcome
            .map(|(time, attempts)| ((start + time).saturating_duration_since(resumed), attempts))
    });
    drop(taken);
    record([outcome], log, sample);
}

/// Returns the time from `start` until it was connected, and the attempts.
async fn connect(
    side: Side,
    path: &str,
    client: usize,
    start: Instant,
) -> Result<(Duration, u32), Box<dyn std::error::Error>> {
    let (mut connection, attempts) = side.connect(path).await?;
    let time = start.elapsed();
    exchange(&mut connection, client).await?;
    Ok((time, attempts))
}

async fn settle<T>(
    client: usize,
    outcome: impl Future<Output = Result<T, Box<dyn std::error::Error>>>,
) -> Option<T> {
    match timeout(TOO_LONG, outcome).await {
        Ok(Ok(outcome)) => Some(outcome),
        Ok(Err(e)) => {
            eprintln!("client {client}: {e}");
            None
        }
        Err(_) => {
            eprintln!("client {client}: not through after {TOO_LONG:?}");
            None
        }
    }
}

fn record(
    outcomes: impl IntoIterator<Item = Option<(Duration, u32)>>,
    log: &AttemptLog,
    sample: &mut Sample,
) {
    let (times, attempts): (Vec<_>, Vec<u32>) = outcomes
        .into_iter()
        .map(|outcome| outcome.map_or((None, 0), |(time, attempts)| (Some(time), attempts)))
        .unzip();
    sample.add(times, attempts.into_iter().chain(log.take()).sum());
}
