//! A thousand clients that never read, each given up: what is left. The figures of
//! docs/hostile-peers.md.
//!
//! `cargo test --test hung -- --nocapture` prints them.
#![cfg(any(windows, target_os = "linux"))]
#![allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a test that meets an impossible value is to panic"
)]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/counting.rs"]
mod counting;
#[path = "support/files.rs"]
mod files;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "pipe/plain.rs"]
mod plain;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "hostile/process.rs"]
mod process;
#[path = "support/start.rs"]
mod start;
mod support;
#[cfg(target_os = "linux")]
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/linux.rs"]
mod system;
#[cfg(windows)]
#[expect(dead_code, reason = "other tests use the rest")]
#[allow(unsafe_code)]
#[path = "hostile/windows.rs"]
mod system;

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{future::join_all, poll};
use npipes::{
    Connection, ConnectionOptions, DrainOutcome, Error, Listener, ListenerOptions, PipeStream,
    server::ServeOptions,
};
use tokio::runtime;
use tokio_util::sync::CancellationToken;

use crate::{
    plain::Plain,
    support::{pattern, unique_name, within},
};

const CLIENTS: usize = 1_000;

/// More than the pipe holds, so that each connection has a write that waits.
const ANSWER: usize = 256 * 1024;

const DEADLINE: Duration = Duration::from_millis(200);

/// The least that mio, or on Linux the system, holds of a connection's write that is under way, in
/// bytes.
const WRITE: usize = 60 * 1024;

/// What may be left of a connection in bytes: the buffers of the machinery, once for all of them.
const SLACK: usize = 1024 * 1024;

/// What the process and its pipes keep.
#[derive(Debug, Clone, Copy)]
struct Kept {
    handles: usize,
    bytes: usize,
}

fn kept() -> Kept {
    Kept { handles: system::handles(), bytes: counting::held() }
}

/// Opens the client's end without a runtime that would read ahead.
fn hung_client(name: &str) -> Plain {
    loop {
        match plain::open(name) {
            Err(e) if plain::is_busy(&e) => {}
            client => return client.unwrap(),
        }
    }
}

/// Returns whether each server has a write that waits for room: mio holds it, or on Linux what the
/// system has taken of it is all that it takes.
#[cfg(windows)]
fn all_write(before: Kept, clients: &[Plain]) -> bool {
    kept().bytes >= before.bytes + clients.len() * WRITE
}

#[cfg(target_os = "linux")]
fn all_write(_: Kept, clients: &[Plain]) -> bool {
    let unread = |client| rustix::io::ioctl_fionread(client).unwrap();
    clients.iter().all(|client| unread(client) >= WRITE as u64)
}

/// Returns how long it takes until nobody has the name, while all clients stay.
async fn until_free(name: &str) -> Duration {
    let start = Instant::now();
    loop {
        match Listener::bind(name) {
            Ok(_) => return start.elapsed(),
            Err(Error::NameTaken { .. }) => tokio::task::yield_now().await,
            Err(e) => panic!("{e:?}"),
        }
    }
}

/// Gives up a thousand clients that never read, in one way.
async fn give_up(what: &str, end: impl AsyncFn(Vec<Connection<PipeStream>>)) {
    let answer = Bytes::from(pattern(ANSWER, 1));
    let options = ConnectionOptions::new().close_timeout(DEADLINE).linger(DEADLINE);
    let options = ListenerOptions::new().connection(options);
    // So that what the first ones cost once is not counted.
    for count in [1, CLIENTS] {
        let name = unique_name();
        let mut clients = Vec::with_capacity(count);
        let before = kept();
        let mut listener = options.bind(&name).unwrap();
        let mut servers = Vec::with_capacity(count);
        for _ in 0..count {
            clients.push(hung_client(&name));
            let mut server = within(listener.accept()).await.unwrap();
            within(server.feed(answer.clone())).await.unwrap();
            servers.push(server);
        }
        within(listener.close()).await;
        // Each begins a write that waits for room in the pipe.
        {
            let mut flushes = pin!(join_all(servers.iter_mut().map(Connection::flush)));
            let until_all_write = async {
                while !all_write(before, &clients) {
                    assert!(poll!(flushes.as_mut()).is_pending(), "a client reads");
                    tokio::task::yield_now().await;
                }
            };
            within(until_all_write).await;
        }
        let during = kept();
        end(servers).await;
        let freed = within(until_free(&name)).await;
        // Tokio keeps what it knows of a socket until the driver's next turn.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        let after = kept();
        if count == CLIENTS {
            println!(
                "{what}: {} handles and {} KiB before, {} and {} while they hang, {} and {} after, \
                 {count} of the handles the clients'; the name is free after {freed:?}",
                before.handles,
                before.bytes / 1024,
                during.handles,
                during.bytes / 1024,
                after.handles,
                after.bytes / 1024,
            );
            // Waiting threads and one listener's device come and go.
            assert!(after.handles <= before.handles + count + 100, "{before:?} {after:?}");
            assert!(after.bytes <= before.bytes + SLACK, "{before:?} {after:?}");
        }
        drop(clients);
    }
}

#[test]
fn a_thousand_clients_that_hang_leave_nothing_when_they_are_given_up() {
    if process::skips("a_thousand_clients_that_hang_leave_nothing_when_they_are_given_up") {
        return;
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        give_up("closes that time out", async |servers| {
            for closed in within(join_all(servers.into_iter().map(Connection::close))).await {
                let closed = closed.unwrap();
                assert!(matches!(closed, DrainOutcome::TimedOut { .. }), "{closed:?}");
            }
        })
        .await;
        give_up("aborts", async |servers| servers.into_iter().for_each(Connection::abort)).await;
        give_up("drops, and the linger time", async |servers| drop(servers)).await;
        let before = kept();
        cut_by_serve().await;
        let after = kept();
        assert!(after.handles <= before.handles + 100, "{before:?} {after:?}");
        assert!(after.bytes <= before.bytes + SLACK, "{before:?} {after:?}");
    });
}

async fn cut_by_serve() {
    let name = unique_name();
    let listener = Listener::bind(&name).unwrap();
    let shutdown = CancellationToken::new();
    let answer = Bytes::from(pattern(ANSWER, 1));
    let serving = ServeOptions::new().shutdown_timeout(DEADLINE).serve(
        listener,
        shutdown.clone(),
        move |mut connection: Connection<PipeStream>, _| {
            let answer = answer.clone();
            async move {
                connection.send(answer).await?;
                Ok(connection)
            }
        },
    );
    let serving = tokio::spawn(serving);
    let mut clients = Vec::with_capacity(CLIENTS);
    while clients.len() < CLIENTS {
        match plain::open(&name) {
            Ok(client) => clients.push(client),
            Err(e) if plain::is_busy(&e) => tokio::task::yield_now().await,
            Err(e) => panic!("{e}"),
        }
    }
    shutdown.cancel();
    let served = within(serving).await.unwrap();
    let freed = within(until_free(&name)).await;
    println!("{} cut by serve: the name is free after {freed:?}", served.cut);
    // The last may be connected and not accepted.
    let accepted = CLIENTS - usize::from(ListenerOptions::DEFAULT_BACKLOG);
    assert!(served.cut >= accepted as u64 && served.cut == served.accepted, "{served:?}");
}
