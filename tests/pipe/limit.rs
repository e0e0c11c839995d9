//! A listener with a limit of clients: `accept` waits, and places come back.

use std::{
    future::Future,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::join_all};
use npipes::{
    ConnectOptions, Connection, ConnectionOptions, DrainOutcome, Error, Listener, ListenerOptions,
    PipeStream, connect,
};
use tokio::task::yield_now;

use crate::{
    echo::echo,
    plain::{is_busy, open},
    support::{pattern, unique_name, within},
};

pub(crate) type Ends = (Connection<PipeStream>, Connection<PipeStream>);

pub(crate) fn limited(max: u8) -> ListenerOptions {
    ListenerOptions::new().backlog(max).max_instances(max)
}

/// Connects a client to a listener that has room, and returns both ends.
#[track_caller]
pub(crate) fn meet(name: &str, listener: &mut Listener) -> impl Future<Output = Ends> {
    let both = within(async move { tokio::join!(connect(name), listener.accept()) });
    async {
        let (client, server) = both.await;
        (client.unwrap(), server.unwrap())
    }
}

#[track_caller]
pub(crate) fn is_taken(name: &str) {
    let error = Listener::bind(name).expect_err("the name has an owner");
    assert!(matches!(error, Error::NameTaken { .. }), "{error:?}");
}

/// Checks that nobody else can have the name of a listener that is at its limit, and that a client finds
/// it busy; a socket's client would wait in the queue.
#[track_caller]
pub(crate) fn is_taken_and_busy(name: &str) {
    is_taken(name);
    if cfg!(windows) {
        is_full(name);
    }
}

/// Checks that a client finds the server busy.
#[track_caller]
pub(crate) fn is_full(name: &str) {
    assert!(open(name).is_err_and(|e| is_busy(&e)));
}

/// Lets the runtime's driver close what was dropped, and whatever it likes to do besides.
pub(crate) async fn turns_of_the_driver() {
    for _ in 0..16 {
        yield_now().await;
    }
}

#[tokio::test]
async fn accept_at_the_limit_waits_until_a_connection_is_given_up() {
    for max in [1, 2, 3] {
        let name = unique_name();
        let mut listener = limited(max).bind(&name).unwrap();
        let mut ends = Vec::new();
        for _ in 0..max {
            ends.push(meet(&name, &mut listener).await);
        }
        let waiting = tokio::spawn({
            let name = name.clone();
            async move { connect(&name).await }
        });
        let mut accept = Box::pin(listener.accept());
        for (client, server) in &mut ends {
            assert!(accept.as_mut().now_or_never().is_none());
            within(client.send("still there")).await.unwrap();
            assert_eq!(within(server.receive()).await.unwrap().unwrap(), b"still there"[..]);
        }
        let (mut left, given_up) = ends.pop().unwrap();
        drop(given_up);
        within(accept).await.unwrap();
        within(waiting).await.unwrap().unwrap();
        assert!(within(left.receive()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_loop_that_ends_at_the_first_error_serves_clients_one_after_the_other() {
    let name = unique_name();
    let mut listener = limited(1).bind(&name).unwrap();
    let server = tokio::spawn(async move {
        for _ in 0..200 {
            echo(listener.accept().await?).await;
        }
        Ok::<_, Error>(())
    });
    for number in 0..200_u8 {
        let mut client = within(connect(&name)).await.unwrap();
        within(client.send(vec![number])).await.unwrap();
        assert_eq!(within(client.receive()).await.unwrap().unwrap(), [number][..]);
    }
    within(server).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_wait_for_their_turn_all_get_it() {
    for max in [1, 2, 254] {
        let name = unique_name();
        let mut listener = ListenerOptions::new().max_instances(max).bind(&name).unwrap();
        let server = tokio::spawn(async move {
            loop {
                tokio::spawn(echo(listener.accept().await.unwrap()));
            }
        });
        let clients = (0..4).map(|_| {
            let name = name.clone();
            tokio::spawn(async move {
                // Longer than the others take on a busy machine.
                let patient = ConnectOptions::new().timeout(Duration::from_secs(60));
                for _ in 0..25 {
                    let mut client = patient.connect(&name).await.unwrap();
                    client.send("hi").await.unwrap();
                    assert_eq!(client.receive().await.unwrap().unwrap(), b"hi"[..]);
                }
            })
        });
        for client in within(join_all(clients)).await {
            client.unwrap();
        }
        server.abort();
    }
}

#[tokio::test]
async fn clients_that_leave_before_they_are_accepted_use_nothing_up() {
    for max in [1, 2, 3] {
        let name = unique_name();
        let mut listener = limited(max).bind(&name).unwrap();
        for _ in 0..20 {
            let gone: Vec<_> = std::iter::from_fn(|| open(&name).ok()).collect();
            assert_eq!(gone.len(), usize::from(max));
            drop(gone);
            is_taken(&name);
            is_full(&name);
            turns_of_the_driver().await;
            for _ in 0..max {
                let mut ghost = within(listener.accept()).await.unwrap();
                assert_eq!(within(ghost.receive()).await.unwrap(), None);
            }
            // The last place is filled when accept is next awaited.
            assert!(listener.accept().now_or_never().is_none());
            turns_of_the_driver().await;
            assert!(listener.accept().now_or_never().is_none());
        }
        meet(&name, &mut listener).await;
    }
}

#[tokio::test]
async fn an_accept_that_is_dropped_at_the_limit_loses_no_place_and_no_client() {
    for max in [1, 2] {
        let name = unique_name();
        let mut listener = limited(max).bind(&name).unwrap();
        for round in 0..20 {
            let mut ends = Vec::new();
            for _ in 0..max {
                ends.push(meet(&name, &mut listener).await);
            }
            for _ in 0..round % 3 {
                assert!(listener.accept().now_or_never().is_none());
            }
            is_taken_and_busy(&name);
            drop(ends);
            for _ in 0..round % 5 {
                assert!(listener.accept().now_or_never().is_none());
                is_taken(&name);
                yield_now().await;
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_the_filter_refuses_gives_its_place_to_the_next() {
    let name = unique_name();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let every_second = move |_: &npipes::Peer| counter.fetch_add(1, Ordering::Relaxed) % 2 == 1;
    let mut listener = limited(1).filter(every_second).bind(&name).unwrap();
    for round in 1..=10 {
        let clients = async {
            let mut refused = connect(&name).await.unwrap();
            assert!(!matches!(refused.receive().await, Ok(Some(_))));
            let mut admitted = connect(&name).await.unwrap();
            assert_eq!(admitted.receive().await.unwrap().unwrap(), b"welcome"[..]);
        };
        let server = async {
            let mut connection = listener.accept().await.unwrap();
            connection.send("welcome").await.unwrap();
            assert_eq!(connection.receive().await.unwrap(), None);
        };
        within(async { tokio::join!(clients, server) }).await;
        assert_eq!(asked.load(Ordering::Relaxed), 2 * round);
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_gives_its_place_to_the_next() {
    let name = unique_name();
    let options = limited(1).handshake_timeout(Duration::from_millis(20));
    let mut listener = options.bind(&name).unwrap();
    let silent = open(&name).unwrap();
    let client = async {
        let mut client = connect(&name).await.unwrap();
        client.send("Hello").await.unwrap();
        client
    };
    let (_client, server) = within(async { tokio::join!(client, listener.accept()) }).await;
    assert_eq!(within(server.unwrap().receive()).await.unwrap().unwrap(), b"Hello"[..]);
    drop(silent);
}

#[tokio::test]
async fn hung_clients_that_were_given_up_use_nothing_up() {
    let name = unique_name();
    let given_up = ConnectionOptions::new().close_timeout(Duration::from_millis(50));
    let mut listener = limited(4).connection(given_up).bind(&name).unwrap();
    let mut hung = Vec::new();
    for by_abort in [true, false, true, false] {
        let (client, mut server) = meet(&name, &mut listener).await;
        let sending = server.send(vec![1; 1 << 20]);
        assert!(tokio::time::timeout(Duration::from_millis(50), sending).await.is_err());
        if by_abort {
            server.abort();
        } else {
            let closed = within(server.close()).await.unwrap();
            assert!(matches!(closed, DrainOutcome::TimedOut { .. }), "{closed:?}");
        }
        hung.push(client);
    }
    for _ in 0..8 {
        meet(&name, &mut listener).await;
    }
    drop(hung);
}

#[cfg(windows)]
#[tokio::test]
async fn a_write_that_lingers_keeps_its_place_until_it_is_cancelled() {
    const LINGER: Duration = Duration::from_millis(200);
    let name = unique_name();
    let brief = ConnectionOptions::new().linger(LINGER);
    let mut listener = limited(1).connection(brief).bind(&name).unwrap();
    let hung = within(connect(&name)).await.unwrap();
    let mut server = within(listener.accept_stream()).await.unwrap();
    // More than the pipe holds, in one write.
    within(tokio::io::AsyncWriteExt::write(&mut server, &vec![1; 1 << 20])).await.unwrap();
    let start = std::time::Instant::now();
    drop(server);
    is_taken_and_busy(&name);
    meet(&name, &mut listener).await;
    assert!(start.elapsed() >= LINGER, "{:?}", start.elapsed());
    drop(hung);
}

#[tokio::test]
async fn the_place_of_a_connection_in_halves_is_free_when_both_are_dropped() {
    let name = unique_name();
    let mut listener = limited(1).bind(&name).unwrap();
    let (client, server) = meet(&name, &mut listener).await;
    let (sending, receiving) = server.split();
    drop(sending);
    let mut accept = Box::pin(listener.accept());
    for _ in 0..16 {
        assert!(accept.as_mut().now_or_never().is_none());
        is_taken_and_busy(&name);
        yield_now().await;
    }
    drop((receiving, client));
    let (client, server) = within(async { tokio::join!(connect(&name), accept) }).await;
    client.unwrap();
    server.unwrap();
}

#[cfg(windows)]
#[tokio::test(start_paused = true)]
async fn a_bare_handle_keeps_the_next_client_out_until_it_is_closed() {
    let name = unique_name();
    let mut listener = limited(1).bind(&name).unwrap();
    let client = within(connect(&name)).await.unwrap();
    let handle = within(listener.accept_stream()).await.unwrap().into_server().unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(5), listener.accept()).await;
    assert!(waited.is_err(), "no error is reported: {waited:?}");
    is_taken_and_busy(&name);
    drop((client, handle));
    meet(&name, &mut listener).await;
}

#[tokio::test]
async fn incoming_goes_on_at_the_limit() {
    let name = unique_name();
    let mut incoming = limited(1).bind(&name).unwrap().incoming();
    for _ in 0..20 {
        let (client, server) =
            within(async { tokio::join!(connect(&name), incoming.next()) }).await;
        drop((client.unwrap(), server.unwrap().unwrap()));
    }
}

/// What it had on its way, in either direction, is gone with it.
#[tokio::test]
async fn nothing_of_a_client_reaches_the_next_one() {
    let name = unique_name();
    let options = ListenerOptions::new().backlog(1).max_instances(1);
    let mut listener = options.bind(&name).unwrap();
    for round in 0..50_u64 {
        let coming = async {
            loop {
                match open(&name) {
                    Err(e) if is_busy(&e) => yield_now().await,
                    client => break client.unwrap(),
                }
            }
        };
        let (server, mut rude) = within(async { tokio::join!(listener.accept(), coming) }).await;
        let mut server = server.unwrap();
        rude.write_all(&[17, 0, 0, 0, 5, 0, 0, 0, b'H', b'e']).unwrap();
        within(server.send(pattern(1000, round))).await.unwrap();
        if round % 2 == 0 {
            // Some of it was read ahead, or all, or nothing.
            let _ = futures::poll!(Box::pin(server.receive()));
        }
        drop(rude);
        drop(server);

        let polite = async {
            let mut client = within(connect(&name)).await.unwrap();
            within(client.send("Hello")).await.unwrap();
            within(client.receive()).await.unwrap().unwrap()
        };
        let serving = async {
            let mut server = within(listener.accept()).await.unwrap();
            let message = within(server.receive()).await.unwrap().unwrap();
            assert_eq!(message, b"Hello"[..], "round {round}");
            within(server.send(format!("answer {round}"))).await.unwrap();
            within(server.receive()).await.unwrap();
        };
        let (answer, ()) = tokio::join!(polite, serving);
        assert_eq!(answer, format!("answer {round}").as_bytes());
    }
}
