//! What is measured: one run of one side, the server in this process and the clients in another.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use tokio::{runtime, task::JoinSet};

use crate::{
    sides::{Client, Server, Side},
    workload::{Messages, Work},
};

/// Longer than any run takes.
const HANG: Duration = Duration::from_secs(300);

fn block_on<F: Future>(threads: usize, future: F) -> F::Output {
    let mut builder = match threads {
        1 => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().unwrap().block_on(future)
}

/// Runs the work once and returns how long the clients took, from the moment when all of them were
/// connected to the last answer.
pub(crate) fn measure(side: Side, work: Work) -> Duration {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name =
        format!("npipes-bench-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    block_on(work.threads, async move {
        let server = Server::bind(side, &name);
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["client", side.name(), &name])
            .args(work.to_args())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        // Wine's `CreateProcess` fails with ERROR_INTERNAL_ERROR about once in a thousand times.
        let mut client = command.spawn().or_else(|_| command.spawn()).unwrap();
        let output = client.stdout.take().unwrap();
        let elapsed = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).unwrap();
            line.trim().parse().map(Duration::from_nanos)
        });
        tokio::time::timeout(HANG, server.serve(work)).await.expect("the clients hang");
        let elapsed = elapsed.await.unwrap().expect("the client failed");
        assert!(client.wait().unwrap().success());
        elapsed
    })
}

/// The process of the clients: `client SIDE NAME` and the work.
pub(crate) fn client(args: &[String]) {
    let side = Side::from_name(&args[0]);
    let name = args[1].clone();
    let work = Work::from_args(&args[2..]);
    let elapsed = block_on(work.threads, async move {
        let mut clients = Vec::new();
        for _ in 0..work.connections {
            clients.push(Client::connect(side, &name).await);
        }
        let messages = Messages::new(work.len);
        let start = Instant::now();
        let mut running: JoinSet<()> = clients
            .into_iter()
            .map(|client| {
                let messages = messages.clone();
                async move { client.drive(work, messages).await }
            })
            .collect();
        while let Some(done) = running.join_next().await {
            done.unwrap();
        }
        start.elapsed()
    });
    println!("{}", elapsed.as_nanos());
}

/// One run, for a counter of system calls: `once SIDE` and the work.
pub(crate) fn once(args: &[String]) {
    let work = Work::from_args(&args[1..]);
    let elapsed = measure(Side::from_name(&args[0]), work);
    println!("{} ns a message", elapsed.as_nanos() / work.count as u128);
}
