//! Thousands at once, and nothing left behind. A process of its own, since handles are counted by
//! the process.
#![cfg(any(windows, target_os = "linux"))]
#![allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a test that meets an impossible value is to panic"
)]

#[cfg(windows)]
#[allow(unsafe_code)]
mod process;
#[cfg(target_os = "linux")]
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/linux.rs"]
mod process;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;

use std::{
    io::{self, Write},
    sync::Mutex,
    time::Duration,
};

use futures::FutureExt;
use npipes::{
    ConnectOptions, Connection, Listener, ListenerOptions, PipeStream,
    retry::{Backoff, Retry},
};

use self::{
    process::{handles, handles_for, threads},
    support::{unique_name, within},
};

/// One test at a time: each one counts.
static ALONE: Mutex<()> = Mutex::new(());

/// Lets the runtime's driver run until this process has no more handles than it had.
async fn back_to(before: usize) {
    within(async {
        while handles() > before {
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
}

/// Connects, exchanges a message and leaves, so that what is made once is made before the count.
async fn warm_up() {
    let name = unique_name();
    let mut listener = ListenerOptions::new().backlog(1).bind(&name).unwrap();
    // Only Windows tells of a free instance; elsewhere a client asks again.
    let options = match cfg!(windows) {
        true => ConnectOptions::new().busy(NO_TIMER),
        false => ConnectOptions::new(),
    };
    let first = within(options.connect(&name)).await.unwrap();
    let second = options.connect(&name);
    tokio::pin!(second);
    assert!(second.as_mut().now_or_never().is_none());
    let (mut client, mut server) = (first, within(listener.accept()).await.unwrap());
    // Each thread that writes to a pipe keeps an event.
    within(server.send("Hello")).await.unwrap();
    within(client.receive()).await.unwrap().unwrap();
    drop((client, server, within(second).await.unwrap()));
    within(listener.close()).await;
}

const NO_TIMER: Retry = Retry::with_backoff(
    Backoff::new(Duration::from_secs(3600), Duration::from_secs(3600)).without_jitter(),
);

/// Connections that are open at once. Wine counts a process's handles one by one, with a limit.
const CONNECTIONS: usize = if cfg!(windows) { 5_000 } else { 10_000 };

/// Handles besides those of the connections.
const OTHERS: usize = 100;

#[test]
fn thousands_of_connections_at_once_leave_no_handle_behind() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let connections = (handles_for(2 * CONNECTIONS + OTHERS) - OTHERS) / 2;
    if connections < CONNECTIONS {
        // Not eprintln!, whose output the test harness keeps to itself when a test passes.
        let _ = writeln!(
            io::stderr(),
            "skipped: a part of thousands_of_connections_at_once_leave_no_handle_behind: this process \
             may not open the files of {CONNECTIONS} connections (RLIMIT_NOFILE), so there are \
             {connections}"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        warm_up().await;
        let before = handles();
        let name = unique_name();
        let mut listener = Listener::bind(&name).unwrap();
        let mut pairs: Vec<(Connection<PipeStream>, Connection<PipeStream>)> = Vec::new();
        for _ in 0..connections {
            let (client, server) =
                within(async { tokio::join!(npipes::connect(&name), listener.accept()) }).await;
            pairs.push((client.unwrap(), server.unwrap()));
        }
        let open = handles();
        assert!(open >= before + 2 * connections, "{open} handles, {before} before");
        for (number, (client, server)) in pairs.iter_mut().enumerate() {
            let message = number.to_string();
            within(client.send(message.clone())).await.unwrap();
            let arrived = within(server.receive()).await.unwrap().unwrap();
            within(server.send(arrived)).await.unwrap();
            let echo = within(client.receive()).await.unwrap().unwrap();
            assert_eq!(echo, message.as_bytes());
        }
        drop(pairs);
        within(listener.close()).await;
        back_to(before).await;
    });
}

#[test]
fn a_thousand_waiting_clients_cost_no_threads() {
    const CLIENTS: usize = 1_000;
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        warm_up().await;
        let name = unique_name();
        let mut listener = ListenerOptions::new().backlog(1).bind(&name).unwrap();
        let first = within(npipes::connect(&name)).await.unwrap();
        let before = threads();
        // How long it takes is the machine's affair; a client that is forgotten hangs.
        let options = ConnectOptions::new().timeout(Duration::MAX);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let options = options.clone();
                let name = name.clone();
                tokio::spawn(async move { options.connect(&name).await })
            })
            .collect();
        tokio::task::yield_now().await;
        // The harness may have begun the threads of other tests. On Windows the pool that tells of
        // free instances has threads of its own: few, and more under Wine when the machine is busy.
        let others = if cfg!(windows) { 100 } else { 16 };
        let threads = threads();
        assert!(threads < before + others, "{threads} threads, {before} before");
        for _ in 0..=CLIENTS {
            within(listener.accept()).await.unwrap();
        }
        drop(first);
        for client in clients {
            within(client).await.unwrap().unwrap();
        }
    });
}

#[test]
fn waits_that_are_dropped_leave_no_handle_behind() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        warm_up().await;
        let before = handles();
        let name = unique_name();
        let mut listener = ListenerOptions::new().backlog(1).bind(&name).unwrap();
        let first = within(npipes::connect(&name)).await.unwrap();
        // Where a wait cannot be cancelled it ends with its timeout.
        let delay = Duration::from_millis(200);
        let options = ConnectOptions::new()
            .busy(Retry::with_backoff(Backoff::new(delay, delay).without_jitter()))
            .timeout(Duration::MAX);
        for _ in 0..500 {
            assert!(options.connect(&name).now_or_never().is_none());
        }
        // All at the same time, and some that have waited more than once.
        let mut waiting: Vec<_> = (0..500).map(|_| Box::pin(options.connect(&name))).collect();
        tokio::time::timeout(2 * delay, futures::future::select_all(&mut waiting))
            .await
            .map(|_| ())
            .unwrap_err();
        drop(waiting);

        drop((within(listener.accept()).await.unwrap(), first));
        within(listener.close()).await;
        back_to(before).await;
    });
}
