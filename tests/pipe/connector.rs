//! The connector: what it waits out, for how long, and what it says in the end.

use std::{sync::mpsc, time::Duration};

use futures::FutureExt;
use npipes::{
    ConnectOptions, Connection, Error, Listener, ListenerOptions, PipeStream, connect,
    error::ConnectError,
    retry::{Backoff, Retry},
};
use tokio::time::Instant;

use crate::{
    plain::{Plain, path, plain_client},
    support::{unique_name, within},
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// 10, 20, 40, 80, 160, 250, 250 ms and so on.
const STEADY: Backoff =
    Backoff::new(Duration::from_millis(10), Duration::from_millis(250)).without_jitter();

/// A delay that no test outlives: what happens before it was not caused by it. Of room in a socket's
/// queue no event tells, so there it is short.
const NO_TIMER: Retry = match cfg!(windows) {
    true => Retry::with_backoff(Backoff::new(HOUR, HOUR).without_jitter()),
    false => ConnectOptions::DEFAULT_BUSY,
};
const HOUR: Duration = Duration::from_secs(3600);

#[track_caller]
fn refused(outcome: Result<Connection<PipeStream>, Error>) -> Box<ConnectError> {
    match outcome {
        Err(Error::Connect(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// A listener with one instance, and the client that has it.
fn occupied() -> (String, Listener, Plain) {
    let name = unique_name();
    let listener = ListenerOptions::new().backlog(1).bind(&name).unwrap();
    let client = plain_client(&name);
    (name, listener, client)
}

/// Checks how often a server was busy that was waited for on a paused clock. Windows' own wait
/// (`FSCTL_PIPE_WAIT`) takes real time: each one that a busy machine makes end before the paused clock goes
/// on is one attempt more.
#[track_caller]
fn assert_busy(times: u32, expected: u32) {
    match cfg!(windows) {
        true => assert!((expected..2 * expected).contains(&times), "{times}, not {expected}"),
        false => assert_eq!(times, expected),
    }
}

#[tokio::test]
async fn an_absent_server_is_reported_at_once() {
    let name = unique_name();
    let error = refused(within(connect(&name)).await);
    assert_eq!((error.attempts.not_found, error.attempts.total()), (1, 1));
    assert_eq!(error.timeout, None);
    assert_eq!(
        error.to_string(),
        format!("connecting to {} failed, not found once: {}", path(&name), error.source)
    );
}

#[tokio::test(start_paused = true)]
async fn an_absent_server_is_waited_for_with_exactly_the_delays_of_the_backoff() {
    let name = unique_name();
    let options = ConnectOptions::new().not_found(Retry::with_backoff(STEADY)).timeout(2 * SECOND);
    let error = refused(within(options.connect(&name)).await);
    // At 0, 10, 30, 70, 150, 310, 560, 810, 1060, 1310, 1560, 1810, and on the deadline.
    assert_eq!(error.attempts.not_found, 13);
    assert_eq!(error.elapsed, 2 * SECOND);
    assert_eq!(
        error.to_string(),
        format!(
            "connecting to {} timed out after 2s, not found 13 times: {}",
            path(&name),
            error.source
        )
    );
    assert!(Error::Connect(error).is_timeout());
}

#[tokio::test(start_paused = true)]
async fn a_seed_fixes_how_often_is_tried() {
    let name = unique_name();
    let backoff = Backoff::new(10 * MS, 250 * MS).seed(42);
    // A timer fires on the first whole millisecond after its time.
    let delays = backoff.delays().scan(Duration::ZERO, |at, delay| {
        *at += MS * u32::try_from(delay.as_micros().div_ceil(1000)).unwrap();
        Some(*at)
    });
    let before_the_deadline = delays.take_while(|at| *at < 3 * SECOND).count();
    let options = ConnectOptions::new().not_found(Retry::with_backoff(backoff)).timeout(3 * SECOND);
    let error = refused(within(options.connect(&name)).await);
    // Also the first one, without a delay, and the one on the deadline.
    assert_eq!(error.attempts.not_found as usize, before_the_deadline + 2);
}

#[tokio::test]
async fn a_server_that_appears_is_found() {
    let name = unique_name();
    let options = ConnectOptions::new().not_found(ConnectOptions::WAIT_FOR_SERVER);
    let client = options.connect(&name);
    tokio::pin!(client);
    assert!(client.as_mut().now_or_never().is_none());
    let mut listener = Listener::bind(&name).unwrap();
    let (client, server) = within(async { tokio::join!(client, listener.accept()) }).await;
    client.unwrap();
    server.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_waited_for_until_the_deadline() {
    let (name, _listener, _client) = occupied();
    let options = ConnectOptions::new().busy(Retry::with_backoff(STEADY)).timeout(2 * SECOND);
    let error = refused(within(options.connect(&name)).await);
    let busy = error.attempts.busy;
    assert_eq!(error.attempts.total(), busy);
    // As many as without `FSCTL_PIPE_WAIT`, which has nothing to tell here.
    assert_busy(busy, 13);
    assert_eq!(error.elapsed, 2 * SECOND);
    assert_eq!(
        error.to_string(),
        format!(
            "connecting to {} timed out after 2s, busy {busy} times: {}",
            path(&name),
            error.source
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_need_not_be_waited_for() {
    let (name, _listener, _client) = occupied();
    let error = refused(within(ConnectOptions::new().busy(Retry::never()).connect(&name)).await);
    assert_eq!((error.attempts.busy, error.timeout), (1, None));
}

#[cfg(windows)]
#[tokio::test]
async fn a_waiting_client_is_woken_by_an_instance_and_not_by_a_timer() {
    let (name, mut listener, first) = occupied();
    let options = ConnectOptions::new().busy(NO_TIMER).timeout(Duration::MAX);
    let client = options.connect(&name);
    tokio::pin!(client);
    assert!(client.as_mut().now_or_never().is_none());

    within(listener.accept()).await.unwrap();
    drop(first);
    assert_eq!(within(client).await.unwrap().stats().retries, 1);
}

#[tokio::test]
async fn every_one_of_many_waiting_clients_is_woken() {
    const CLIENTS: usize = 50;
    let (name, mut listener, _first) = occupied();
    let options = ConnectOptions::new().busy(NO_TIMER).timeout(Duration::MAX);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let options = options.clone();
            let name = name.clone();
            tokio::spawn(async move { options.connect(&name).await })
        })
        .collect();
    tokio::task::yield_now().await;
    for _ in 0..=CLIENTS {
        within(listener.accept()).await.unwrap();
    }
    for client in clients {
        within(client).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_dropped_connect_leaves_no_client_behind() {
    let (name, mut listener, first) = occupied();
    let options = ConnectOptions::new().busy(NO_TIMER).timeout(Duration::MAX);
    for _ in 0..50 {
        assert!(options.connect(&name).now_or_never().is_none());
    }
    within(listener.accept()).await.unwrap();
    drop(first);
    // The instance that is free now is taken by nobody.
    for _ in 0..100 {
        assert!(listener.accept().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    let mut client = within(connect(&name)).await.unwrap();
    let mut connection = within(listener.accept()).await.unwrap();
    within(client.send("alone")).await.unwrap();
    assert_eq!(within(connection.receive()).await.unwrap().unwrap(), b"alone"[..]);
}

#[tokio::test]
async fn a_wait_outlives_the_runtime_that_began_it() {
    let (name, mut listener, _first) = occupied();
    let options = ConnectOptions::new().busy(NO_TIMER).timeout(Duration::MAX);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { assert!(options.connect(&name).now_or_never().is_none()) });
    })
    .join()
    .unwrap();
    // Wakes what is left of the wait, whose future and runtime are gone.
    within(listener.accept()).await.unwrap();
}

#[test]
fn waiting_blocks_no_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (release, blocked) = mpsc::channel::<()>();
    runtime.block_on(async {
        // The only thread for blocking calls has something else to do until the end.
        tokio::task::spawn_blocking(move || blocked.recv());
        let (name, mut listener, _first) = occupied();
        let options = ConnectOptions::new().busy(NO_TIMER).timeout(Duration::MAX);
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let options = options.clone();
                let name = name.clone();
                tokio::spawn(async move { options.connect(&name).await })
            })
            .collect();
        for _ in 0..=clients.len() {
            within(listener.accept()).await.unwrap();
        }
        for client in clients {
            within(client).await.unwrap().unwrap();
        }
    });
    drop(release);
}

#[cfg(windows)]
#[test]
fn another_machine_is_asked_off_the_async_threads_and_within_the_deadline() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (release, blocked) = mpsc::channel::<()>();
    runtime.block_on(async {
        // As if the only thread for blocking calls were in a call that the network holds up.
        tokio::task::spawn_blocking(move || blocked.recv());
        let options = ConnectOptions::new().timeout(20 * MS);
        let error = refused(within(options.connect(r"\\npipes.invalid\pipe\x")).await);
        assert_eq!((error.attempts.unanswered, error.attempts.total()), (1, 1));
        assert_eq!(
            error.to_string(),
            format!(
                r"connecting to \\npipes.invalid\pipe\x timed out after 20ms, no answer once: {}",
                error.source
            )
        );
        assert!(Error::Connect(error).is_timeout());
    });
    drop(release);
}

#[cfg(windows)]
#[tokio::test]
async fn a_machine_that_does_not_exist_is_an_error() {
    let options = ConnectOptions::new().timeout(HOUR);
    let error = refused(within(options.connect(r"\\npipes.invalid\pipe\x")).await);
    assert_eq!((error.attempts.total(), error.timeout), (1, None));
}

#[cfg(windows)]
#[tokio::test(start_paused = true)]
async fn denied_access_is_reported_at_once_or_after_a_grace() {
    if crate::rules::DIRECTION.skips("denied_access_is_reported_at_once_or_after_a_grace") {
        return;
    }
    let name = unique_name();
    let listener =
        ListenerOptions::new().direction(npipes::pipe::Direction::Outbound).bind(&name).unwrap();
    // Writing to a pipe that is for reading is denied.
    let options = ConnectOptions::new();
    let error = refused(within(options.connect(&name)).await);
    assert_eq!((error.attempts.access_denied, error.attempts.total()), (1, 1));
    assert_eq!(error.timeout, None);

    let options = options.access_denied(Retry::with_backoff(STEADY).max_elapsed(SECOND));
    let error = refused(within(options.connect(&name)).await);
    // At 0, 10, 30, 70, 150, 310, 560, 810 ms, and when the grace ends.
    assert_eq!((error.attempts.access_denied, error.elapsed), (9, SECOND));
    assert_eq!(error.timeout, None);
    assert_eq!(
        error.to_string(),
        format!("connecting to {} failed, access denied 9 times: {}", path(&name), error.source)
    );

    // The deadline comes first.
    let error = refused(within(options.timeout(100 * MS).connect(&name)).await);
    assert_eq!((error.attempts.access_denied, error.elapsed), (5, 100 * MS));
    assert_eq!(error.timeout, Some(100 * MS));
    drop(listener);
}

#[tokio::test(start_paused = true)]
async fn each_cause_is_counted_and_waited_out_by_its_own_policy() {
    let name = unique_name();
    let options = ConnectOptions::new()
        .not_found(Retry::with_backoff(STEADY))
        .busy(Retry::with_backoff(STEADY))
        .timeout(SECOND);
    let start = Instant::now();
    let server = async {
        // Absent at 0, 10, 30 and 70 ms; from then on busy.
        tokio::time::sleep_until(start + 100 * MS).await;
        let listener = ListenerOptions::new().backlog(1).bind(&name).unwrap();
        let client = plain_client(&name);
        std::future::pending::<()>().await;
        drop((listener, client));
    };
    let error = tokio::select! {
        outcome = within(options.connect(&name)) => refused(outcome),
        () = server => unreachable!(),
    };
    // Busy at 150, 160, 180, 220, 300, 460, 710, 960 ms, and on the deadline.
    let busy = error.attempts.busy;
    assert_eq!(error.attempts.not_found, 4);
    assert_busy(busy, 9);
    assert_eq!(
        error.to_string(),
        format!(
            "connecting to {} timed out after 1s, busy {busy} times, not found 4 times: {}",
            path(&name),
            error.source
        )
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_there_is_one_attempt_or_no_end() {
    let name = unique_name();
    let options = ConnectOptions::new().not_found(Retry::with_backoff(STEADY));
    let error = refused(within(options.clone().timeout(Duration::ZERO).connect(&name)).await);
    assert_eq!((error.attempts.total(), error.elapsed), (1, Duration::ZERO));
    assert_eq!(error.timeout, Some(Duration::ZERO));

    let forever = options.timeout(Duration::MAX);
    let waited = tokio::time::timeout(60 * SECOND, forever.connect(&name)).await;
    assert!(waited.is_err());
}

#[tokio::test]
async fn either_end_sees_the_other_ones_close_as_the_end() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let client = within(connect(&name)).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    drop(client);
    assert_eq!(within(server.receive()).await.unwrap(), None);

    let mut client = within(connect(&name)).await.unwrap();
    let server = within(listener.accept()).await.unwrap();
    drop(server);
    assert_eq!(within(client.receive()).await.unwrap(), None);
}
