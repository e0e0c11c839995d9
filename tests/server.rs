//! Serving, over transports in memory and with the clock stopped.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    reason = "a test that meets an impossible value is to panic"
)]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/mod.rs"]
mod support;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/wire.rs"]
mod wire;

use std::{
    future::{Future, pending},
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::join};
use npipes::{
    Connection, Error, serve,
    server::{ServeOptions, ServeReport},
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::{
    support::within,
    wire::{Door, Far, Near, Script, Step, not_a_frame, wire},
};

const SECOND: Duration = Duration::from_secs(1);

/// A server under test, with its door and its shutdown.
struct Host {
    street: mpsc::UnboundedSender<Step>,
    shutdown: CancellationToken,
    served: JoinHandle<ServeReport>,
}

impl Host {
    fn new<H, F>(options: ServeOptions, handler: H) -> Self
    where
        H: Fn(Connection<Near>, CancellationToken) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Connection<Near>, Error>> + Send + 'static,
    {
        let (street, door) = Door::new();
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let served = tokio::spawn(async move { options.serve(door, token, handler).await });
        Self { street, shutdown, served }
    }

    fn visit(&self) -> Connection<Far> {
        let (near, far) = wire(1024);
        self.street.send(Step::Give(near)).ok().unwrap();
        Connection::new(far)
    }

    async fn stop(self) -> ServeReport {
        self.shutdown.cancel();
        within(self.served).await.unwrap()
    }
}

/// Answers every message with itself until it is told to stop.
async fn echo(
    mut connection: Connection<Near>,
    shutdown: CancellationToken,
) -> Result<Connection<Near>, Error> {
    while let Some(received) = shutdown.run_until_cancelled(connection.receive()).await {
        let Some(message) = received? else { break };
        connection.send(message).await?;
    }
    Ok(connection)
}

async fn answer(connection: &mut Connection<Far>, message: &'static str) -> Vec<u8> {
    connection.send(message).await.unwrap();
    connection.receive().await.unwrap().unwrap().to_vec()
}

#[tokio::test(start_paused = true)]
async fn every_connection_has_a_handler_of_its_own() {
    let host = Host::new(ServeOptions::new(), echo);
    let mut clients: Vec<_> = (0..3).map(|_| host.visit()).collect();
    for client in clients.iter_mut().rev() {
        assert_eq!(within(answer(client, "Hello")).await, b"Hello");
    }
    let (served, ends) = within(join(host.stop(), async {
        let mut ends = Vec::new();
        for client in &mut clients {
            ends.push(client.receive().await.unwrap());
        }
        ends
    }))
    .await;
    assert_eq!(ends, [None, None, None]);
    let ServeReport {
        accepted: 3,
        failed: 0,
        panicked: 0,
        undrained: 0,
        cut: 0,
        accept_error: None,
        ..
    } = served
    else {
        panic!("{served:?}")
    };
}

#[tokio::test(start_paused = true)]
async fn a_handler_returns_its_connection_or_nothing() {
    /// Returns what the client has received of what the handler had queued.
    async fn received<R: npipes::server::IntoConnection<Near> + Send + 'static>(
        end: fn(Connection<Near>) -> Result<R, Error>,
    ) -> Option<Vec<u8>> {
        let (street, door) = Door::new();
        let shutdown = CancellationToken::new();
        let handler = move |mut connection: Connection<Near>, _| async move {
            connection.feed("bye").await?;
            end(connection)
        };
        let serving = tokio::spawn(serve(door, shutdown.clone(), handler));
        let (near, far) = wire(1024);
        street.send(Step::Give(near)).ok().unwrap();
        let mut client = Connection::new(far);
        let received = within(client.receive()).await.unwrap();
        if received.is_some() {
            assert_eq!(within(client.receive()).await.unwrap(), None);
        }
        shutdown.cancel();
        let report = within(serving).await.unwrap();
        assert!(report.accepted == 1 && report.failed == 0, "{report:?}");
        received.map(Into::into)
    }
    assert_eq!(received(Ok).await.unwrap(), b"bye");
    assert_eq!(received(|connection| Ok(Some(connection))).await.unwrap(), b"bye");
    assert_eq!(received(|_| Ok(None)).await, None);
    assert_eq!(received(|_| Ok(())).await, None);
}

#[tokio::test(start_paused = true)]
async fn failures_to_accept_are_survived_and_waited_out() {
    let failures = (0..9).map(|_| Step::Fail(io::Error::from(io::ErrorKind::Other).into()));
    let (near, far) = wire(1024);
    let (script, mut times) = Script::new(failures.chain([Step::Give(near)]));
    let shutdown = CancellationToken::new();
    let start = Instant::now();
    let served = tokio::spawn(serve(script, shutdown.clone(), echo));
    let mut client = Connection::new(far);
    assert_eq!(within(answer(&mut client, "Hello")).await, b"Hello");
    let mut attempts = Vec::new();
    while let Ok(at) = times.try_recv() {
        attempts.push((at - start).as_millis());
    }
    assert_eq!(attempts, [0, 5, 15, 35, 75, 155, 315, 635, 1275, 2275, 2275]);
    shutdown.cancel();
    assert_eq!(within(served).await.unwrap().accepted, 1);
}

#[tokio::test(start_paused = true)]
async fn shutdown_interrupts_the_delay_after_a_failure() {
    let failures = (0..99).map(|_| Step::Fail(io::Error::from(io::ErrorKind::Other).into()));
    let (script, mut times) = Script::new(failures);
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(serve(script, shutdown.clone(), echo));
    for _ in 0..12 {
        within(times.recv()).await.unwrap();
    }
    let start = Instant::now();
    shutdown.cancel();
    assert!(within(served).await.unwrap().accept_error.is_none());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_does_not_pass_ends_the_serving_but_not_the_handlers() {
    let host = Host::new(ServeOptions::new(), echo);
    let mut client = host.visit();
    assert_eq!(within(answer(&mut client, "Hello")).await, b"Hello");
    host.street.send(Step::Fail(not_a_frame())).ok().unwrap();
    // The handler is told, and the connection is closed in good order.
    assert_eq!(within(client.receive()).await.unwrap(), None);
    let served = within(host.served).await.unwrap();
    assert!(matches!(served.accept_error, Some(Error::Frame(_))), "{served:?}");
    assert_eq!((served.accepted, served.cut), (1, 0));
    assert!(!host.shutdown.is_cancelled(), "the caller's own token is the caller's");
}

#[tokio::test(start_paused = true)]
async fn no_more_connections_are_accepted_than_the_limit_allows() {
    let host = Host::new(ServeOptions::new().max_connections(2), echo);
    let mut first = host.visit();
    let mut second = host.visit();
    let mut third = host.visit();
    assert_eq!(within(answer(&mut first, "a")).await, b"a");
    assert_eq!(within(answer(&mut second, "b")).await, b"b");
    third.send("c").await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(third.receive().now_or_never().is_none(), "the third is not served");
    drop(first);
    assert_eq!(within(third.receive()).await.unwrap().unwrap(), b"c"[..]);
    drop((second, third));
    assert_eq!(host.stop().await.accepted, 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_own_connection_and_no_other() {
    let host =
        Host::new(ServeOptions::new().max_connections(2), |mut connection, shutdown| async move {
            let message = connection.receive().await?.unwrap();
            assert_ne!(message, b"panic"[..], "as told");
            connection.send(message).await?;
            echo(connection, shutdown).await
        });
    let mut healthy = host.visit();
    assert_eq!(within(answer(&mut healthy, "a")).await, b"a");
    for _ in 0..3 {
        let mut sick = host.visit();
        within(sick.send("panic")).await.unwrap();
        assert_eq!(within(sick.receive()).await.unwrap(), None);
    }
    assert_eq!(within(answer(&mut healthy, "b")).await, b"b");
    drop(healthy);
    let served = host.stop().await;
    assert_eq!((served.accepted, served.panicked, served.failed), (4, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_before_its_future_exists_is_contained_too() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let host = Host::new(ServeOptions::new(), move |connection, shutdown| {
        assert_ne!(counted.fetch_add(1, Ordering::Relaxed), 0, "as told");
        echo(connection, shutdown)
    });
    let mut sick = host.visit();
    assert_eq!(within(sick.receive()).await.unwrap(), None);
    let mut healthy = host.visit();
    assert_eq!(within(answer(&mut healthy, "a")).await, b"a");
    drop(healthy);
    let served = host.stop().await;
    assert_eq!((served.accepted, served.panicked), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn failed_connections_are_counted_and_those_known_to_be_unread() {
    let host = Host::new(ServeOptions::new(), |mut connection: Connection<Near>, _| async move {
        match &connection.receive().await?.unwrap()[..] {
            b"fail" => Err(Error::Closed),
            _ => {
                connection.send("you will not read this").await?;
                Ok(connection)
            }
        }
    });
    let mut failing = host.visit();
    within(failing.send("fail")).await.unwrap();
    assert_eq!(within(failing.receive()).await.unwrap(), None);
    // Nobody can tell what the first had read.
    let (mut leaving, mut deaf) = (host.visit(), host.visit());
    within(leaving.send("hang up")).await.unwrap();
    within(deaf.send("do not read")).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(leaving);
    let served = host.stop().await;
    assert_eq!((served.accepted, served.failed, served.undrained), (3, 1, 1));
    drop(deaf);
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_has_begun_it_finishes_and_the_peer_reads_it() {
    let begun = Arc::new(Notify::new());
    let signal = Arc::clone(&begun);
    let host = Host::new(
        ServeOptions::new().shutdown_timeout(30 * SECOND),
        move |mut connection: Connection<Near>, shutdown| {
            let begun = Arc::clone(&signal);
            async move {
                let message = connection.receive().await?.unwrap();
                begun.notify_one();
                shutdown.cancelled().await;
                tokio::time::sleep(20 * SECOND).await;
                connection.feed(message).await?;
                Ok(connection)
            }
        },
    );
    let mut client = host.visit();
    within(client.send("a")).await.unwrap();
    within(begun.notified()).await;
    let start = Instant::now();
    let late = async {
        tokio::time::sleep(23 * SECOND).await;
        client.receive().await.unwrap().unwrap()
    };
    let (served, reply) = within(join(host.stop(), late)).await;
    assert_eq!(reply, b"a"[..]);
    assert_eq!(start.elapsed(), 23 * SECOND);
    assert_eq!((served.cut, served.undrained, served.failed), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_rest_is_cut_and_counted() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&dropped);
    let options = ServeOptions::new().shutdown_timeout(30 * SECOND);
    let host = Host::new(options, move |mut connection: Connection<Near>, _| {
        let guard = OnDrop(Arc::clone(&counter));
        async move {
            let message = connection.receive().await?.unwrap();
            connection.send(message).await?;
            let _guard = guard;
            pending().await
        }
    });
    let mut clients: Vec<_> = (0..3).map(|_| host.visit()).collect();
    for client in &mut clients {
        assert_eq!(within(answer(client, "a")).await, b"a");
    }
    let start = Instant::now();
    let served = host.stop().await;
    assert_eq!(start.elapsed(), 30 * SECOND);
    assert_eq!((served.accepted, served.cut), (3, 3));
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
    for client in &mut clients {
        assert_eq!(within(client.receive()).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_is_counted_as_cut_and_not_waited_for() {
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(std::sync::Mutex::new(blocked));
    let options = ServeOptions::new().shutdown_timeout(Duration::ZERO);
    let host = Host::new(options, move |mut connection: Connection<Near>, _| {
        let blocked = Arc::clone(&blocked);
        async move {
            let message = connection.receive().await?.unwrap();
            connection.send(message).await?;
            blocked.lock().unwrap().recv().unwrap_err();
            Ok(connection)
        }
    });
    let mut client = host.visit();
    assert_eq!(within(answer(&mut client, "a")).await, b"a");
    let served = host.stop().await;
    assert_eq!((served.accepted, served.cut), (1, 1));
    drop(release);
}

#[tokio::test(start_paused = true)]
async fn after_shutdown_nobody_is_accepted() {
    let host = Host::new(ServeOptions::new(), echo);
    let mut guest = host.visit();
    assert_eq!(within(answer(&mut guest, "a")).await, b"a");
    host.shutdown.cancel();
    let mut late = host.visit();
    let served = within(host.served).await.unwrap();
    assert_eq!(served.accepted, 1);
    late.send("hello?").await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_serve_drops_its_handlers() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&dropped);
    let host = Host::new(ServeOptions::new(), move |connection, shutdown| {
        let guard = OnDrop(Arc::clone(&counter));
        async move {
            let _guard = guard;
            echo(connection, shutdown).await
        }
    });
    let mut client = host.visit();
    assert_eq!(within(answer(&mut client, "a")).await, b"a");
    host.served.abort();
    assert_eq!(within(client.receive()).await.unwrap(), None);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
