//! What does a close cost that has nothing to wait for? It is compared with a drop.
//!
//! `cargo bench --bench close`, and for Windows' pipes on Linux with `scripts/on-wine`. Fails if the
//! difference is more than a millisecond.

use std::time::{Duration, Instant};

use npipes::{Connection, DrainOutcome, Listener, PipeStream, connect};

const ROUNDS: usize = 300;

/// The most that a close may cost more than a drop.
const LIMIT: Duration = Duration::from_millis(1);

#[derive(Clone, Copy)]
enum End {
    Drop,
    /// Nothing was sent.
    CloseUnused,
    /// What was sent has been read, and the peer reads on.
    Close,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut ends = [End::Drop, End::CloseUnused, End::Close].map(|end| (end, Vec::new()));
        // In turns, so that all three meet the same machine.
        for _ in 0..ROUNDS {
            for (end, times) in &mut ends {
                times.push(round(*end).await);
            }
        }
        let [drop, unused, close] = ends.map(|(_, times)| median(times));
        println!("close: nothing outstanding, medians of {ROUNDS}");
        println!("  drop                      {drop:>10.1?}");
        println!("  close, nothing sent       {unused:>10.1?}");
        println!("  close, everything read    {close:>10.1?}");
        for closed in [unused, close] {
            assert!(closed.saturating_sub(drop) <= LIMIT, "over {LIMIT:?} more than a drop");
        }
    });
}

async fn round(end: End) -> Duration {
    let name = format!("npipes-bench-close-{}", std::process::id());
    let mut listener = Listener::bind(&name).expect("the name is free");
    let mut client = connect(&name).await.expect("the listener waits");
    let mut server = listener.accept().await.expect("the client waits");
    if !matches!(end, End::CloseUnused) {
        server.send("Hello").await.expect("the client is there");
        client.receive().await.expect("it was sent").expect("it is one message");
    }
    let start = Instant::now();
    finish(end, server).await;
    let elapsed = start.elapsed();
    drop(client);
    listener.close().await;
    elapsed
}

async fn finish(end: End, server: Connection<PipeStream>) {
    match end {
        End::Drop => drop(server),
        End::CloseUnused | End::Close => {
            assert_eq!(server.close().await.expect("no failure"), DrainOutcome::Drained);
        }
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
