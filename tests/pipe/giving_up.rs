//! Giving up on a peer that hangs: nothing is left behind, whatever the peer does.

use std::{
    future::Future,
    io::{self, ErrorKind, Read, Write},
    time::{Duration, Instant},
};

use bytes::Bytes;
use npipes::{
    ConnectOptions, Connection, ConnectionOptions, DrainOutcome, Error, Listener, ListenerOptions,
    PipeStream, connect, server::ServeOptions,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    plain::{Plain, assert_cut, leave, plain_client},
    support::{pattern, unique_name, within},
};

/// More than any pipe's buffer: the write waits for a reader.
const MUCH: usize = 1 << 20;
const SHORT: Duration = Duration::from_millis(100);
/// How soon after a connection was given up its name must be free. It takes some turns of the driver;
/// the rest is for a busy machine, and is less than any linger time that is not to pass.
pub(crate) const SOON: Duration = Duration::from_secs(8);
const _: () = assert!(SOON.as_secs() < ConnectionOptions::DEFAULT_LINGER.as_secs());
const LONG: Duration = Duration::from_secs(50);

/// Returns a server's connection to a client that never reads. Its listener is closed: on Windows the
/// connection alone keeps the name.
async fn hung(options: ConnectionOptions) -> (String, Connection<PipeStream>, Plain) {
    let name = unique_name();
    let mut listener = ListenerOptions::new().connection(options).bind(&name).unwrap();
    let client = plain_client(&name);
    let server = within(listener.accept()).await.unwrap();
    within(listener.close()).await;
    assert_eq!(is_taken(&name), cfg!(windows));
    (name, server, client)
}

pub(crate) fn is_taken(name: &str) -> bool {
    match Listener::bind(name) {
        Ok(_) => false,
        Err(Error::NameTaken { .. }) => true,
        Err(e) => panic!("{e:?}"),
    }
}

/// Waits until nobody has the name, and returns how long that took.
#[track_caller]
pub(crate) fn freed(name: &str, at_most: Duration) -> impl Future<Output = Duration> {
    let caller = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        while is_taken(name) {
            assert!(start.elapsed() < at_most, "{name} is still taken, asked at {caller}");
            tokio::task::yield_now().await;
        }
        start.elapsed()
    }
}

/// Returns what a client can still read, and how it ends.
pub(crate) async fn read_to_end(mut client: Plain) -> (Vec<u8>, io::Result<usize>) {
    let read = tokio::task::spawn_blocking(move || {
        let mut rest = Vec::new();
        let end = client.read_to_end(&mut rest);
        (rest, end)
    });
    within(read).await.unwrap()
}

#[tokio::test]
async fn a_close_that_timed_out_leaves_no_name_behind() {
    for len in [10, 60_000, MUCH] {
        let options = ConnectionOptions::new().close_timeout(SHORT);
        let (name, mut server, client) = hung(options).await;
        let _ = timeout(SHORT, server.send(pattern(len, 1))).await;
        let closed = within(server.close()).await.unwrap();
        assert!(matches!(closed, DrainOutcome::TimedOut { .. }), "{len}: {closed:?}");
        freed(&name, SOON).await;
        assert_cut(read_to_end(client).await.1);
    }
}

#[tokio::test]
async fn an_aborted_server_leaves_no_name_behind() {
    for len in [0, 10, MUCH] {
        let (name, mut server, client) = hung(ConnectionOptions::new()).await;
        within(server.feed(pattern(len, 1))).await.unwrap();
        let _ = timeout(SHORT, server.flush()).await;
        server.abort();
        freed(&name, SOON).await;
        assert_cut(read_to_end(client).await.1);
    }
}

#[cfg(windows)]
#[tokio::test]
async fn an_aborted_client_leaves_nothing_to_write_behind() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let mut client = within(connect(&name)).await.unwrap().into_inner();
    let mut server = within(listener.accept()).await.unwrap().into_inner();
    within(client.write_all(&pattern(MUCH, 1))).await.unwrap();
    client.abort();
    // What the system had taken is the server's to read, and then comes the end.
    let mut arrived = Vec::new();
    within(server.read_to_end(&mut arrived)).await.unwrap();
    assert!(arrived.len() < MUCH, "all of it was written");
    assert!(pattern(MUCH, 1).starts_with(&arrived));
}

/// Neither end reads, each gives the other up.
#[tokio::test]
async fn two_ends_that_give_each_other_up_leave_no_name_behind() {
    let name = unique_name();
    let options = ConnectionOptions::new().close_timeout(SHORT);
    let mut listener = ListenerOptions::new().connection(options.clone()).bind(&name).unwrap();
    let connecting = ConnectOptions::new().connection(options);
    let mut client = within(connecting.connect(&name)).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    within(listener.close()).await;
    for end in [&mut client, &mut server] {
        within(end.feed(pattern(MUCH, 1))).await.unwrap();
        let drained = within(end.drained()).await.unwrap();
        assert!(matches!(drained, DrainOutcome::TimedOut { .. }), "{drained:?}");
    }
    client.abort();
    server.abort();
    freed(&name, SOON).await;
}

#[tokio::test]
async fn an_abort_from_elsewhere_ends_a_wait_for_the_reader() {
    let name = unique_name();
    // Nobody waits that long.
    let options = ConnectionOptions::new().close_timeout(Duration::from_secs(1000));
    let mut listener = ListenerOptions::new().connection(options.clone()).bind(&name).unwrap();
    for (aborts_the_server, closes) in [(true, true), (true, false), (false, true), (false, false)]
    {
        let client = ConnectOptions::new().connection(options.clone());
        let client = within(client.connect(&name)).await.unwrap();
        let server = within(listener.accept()).await.unwrap();
        let (mut near, _far) = if aborts_the_server { (server, client) } else { (client, server) };
        // More than the runtime reads ahead.
        within(near.send(pattern(80 * 1024, 1))).await.unwrap();
        let handle = near.abort_handle().unwrap();
        let waiting =
            tokio::spawn(
                async move { if closes { near.close().await } else { near.drained().await } },
            );
        tokio::task::yield_now().await;
        handle.abort();
        let outcome = within(waiting).await.unwrap();
        assert!(matches!(outcome, Ok(DrainOutcome::PeerGone)), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_abort_from_elsewhere_ends_what_is_under_way() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    for aborts_the_server in [true, false] {
        let client = within(connect(&name)).await.unwrap();
        let server = within(listener.accept()).await.unwrap();
        let (near, far) = if aborts_the_server { (server, client) } else { (client, server) };
        let handle = near.abort_handle().unwrap();
        let (mut sender, mut receiver) = near.split();
        let sending = tokio::spawn(async move {
            loop {
                sender.send(pattern(MUCH, 1)).await?;
            }
            #[expect(unreachable_code, reason = "it says what the block returns")]
            Ok::<(), Error>(())
        });
        let receiving = tokio::spawn(async move { receiver.receive().await });
        // Both wait.
        assert!(
            timeout(SHORT, async {
                while !sending.is_finished() && !receiving.is_finished() {
                    tokio::task::yield_now().await;
                }
            })
            .await
            .is_err()
        );
        handle.abort();
        let sent = within(sending).await.unwrap().unwrap_err();
        assert!(sent.is_closed(), "{sent:?}");
        let received = within(receiving).await.unwrap();
        assert!(!matches!(received, Ok(Some(_))), "{received:?}");
        // It keeps nothing open, and does nothing any more.
        handle.abort();
        drop(far);
    }
}

#[cfg(windows)]
#[tokio::test]
async fn a_dropped_write_is_given_the_linger_time_and_is_then_cancelled() {
    let linger = SHORT * 5;
    let (name, mut server, client) = hung(ConnectionOptions::new().linger(linger)).await;
    within(server.feed(pattern(MUCH, 1))).await.unwrap();
    assert!(timeout(SHORT, server.flush()).await.is_err());
    let start = Instant::now();
    drop(server);
    freed(&name, linger + SOON).await;
    assert!(start.elapsed() >= linger, "{:?}", start.elapsed());
    // What was taken before stays readable, and ends as an end of the stream.
    let (read, end) = read_to_end(client).await;
    assert!(read.len() < MUCH && end.is_ok(), "{} {end:?}", read.len());
}

#[cfg(windows)]
#[tokio::test]
async fn a_dropped_write_that_finds_its_reader_in_time_is_complete() {
    let (_, server, client) = hung(ConnectionOptions::new().linger(LONG)).await;
    let mut server = server.into_inner();
    within(server.write_all(&pattern(MUCH, 1))).await.unwrap();
    drop(server);
    assert_eq!(read_to_end(client).await.0.len(), MUCH);
}

/// The time is real: a paused clock would be over at once.
#[cfg(windows)]
#[tokio::test(start_paused = true)]
async fn the_linger_time_does_not_pass_on_a_paused_clock() {
    let (_, server, client) = hung(ConnectionOptions::new().linger(LONG)).await;
    let mut server = server.into_inner();
    // Before the timeout of a test, which on this clock would pass at once.
    server.write_all(&pattern(MUCH, 1)).await.unwrap();
    drop(server);
    tokio::time::sleep(LONG * 10).await;
    let read = tokio::task::spawn_blocking(move || {
        let mut client = client;
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        rest.len()
    });
    assert_eq!(read.await.unwrap(), MUCH);
}

#[tokio::test]
async fn without_a_linger_time_a_dropped_write_is_cancelled_at_once() {
    let (name, mut server, _client) = hung(ConnectionOptions::new().linger(Duration::ZERO)).await;
    within(server.feed(pattern(MUCH, 1))).await.unwrap();
    assert!(timeout(SHORT, server.flush()).await.is_err());
    drop(server);
    freed(&name, SOON).await;
}

#[tokio::test]
async fn what_fits_into_the_pipe_is_readable_long_after_the_drop() {
    let (name, mut server, client) = hung(ConnectionOptions::new().linger(Duration::ZERO)).await;
    within(server.send("Hello")).await.unwrap();
    // The driver has seen the end of the write.
    within(server.feed("")).await.unwrap();
    within(server.flush()).await.unwrap();
    drop(server);
    freed(&name, SOON).await;
    let (read, end) = read_to_end(client).await;
    assert!(read.len() >= 5 + 12 && end.is_ok(), "{} {end:?}", read.len());
}

#[tokio::test]
async fn a_sending_half_that_is_dropped_in_mid_write_does_not_end_the_receiving_one() {
    let (_, server, mut client) = hung(ConnectionOptions::new().linger(Duration::ZERO)).await;
    let (mut sender, mut receiver) = server.split();
    assert!(timeout(SHORT, sender.send(pattern(MUCH, 1))).await.is_err());
    drop(sender);
    client.write_all(&[17, 0, 0, 0, 5, 0, 0, 0]).unwrap();
    client.write_all(b"Hello\x82\x89\xd1\xf7").unwrap();
    assert_eq!(within(receiver.receive()).await.unwrap().unwrap(), b"Hello"[..]);
}

#[tokio::test]
async fn a_half_whose_close_timed_out_leaves_no_name_behind_when_the_other_is_dropped() {
    let options = ConnectionOptions::new().close_timeout(SHORT).linger(LONG);
    let (name, server, mut client) = hung(options).await;
    let (mut sender, mut receiver) = server.split();
    within(sender.feed(pattern(MUCH, 1))).await.unwrap();
    let closed = within(sender.close()).await.unwrap();
    assert!(matches!(closed, DrainOutcome::TimedOut { .. }), "{closed:?}");
    client.write_all(&[17, 0, 0, 0, 5, 0, 0, 0]).unwrap();
    client.write_all(b"Hello\x82\x89\xd1\xf7").unwrap();
    assert_eq!(within(receiver.receive()).await.unwrap().unwrap(), b"Hello"[..]);
    assert_eq!(is_taken(&name), cfg!(windows));
    drop(receiver);
    freed(&name, SOON).await;
}

#[tokio::test]
async fn a_connection_that_serve_has_cut_leaves_no_name_behind() {
    let name = unique_name();
    let listener = Listener::bind(&name).unwrap();
    let (stuck, mut is_stuck) = mpsc::unbounded_channel();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(ServeOptions::new().shutdown_timeout(SHORT).serve(
        listener,
        shutdown.clone(),
        move |mut connection: Connection<PipeStream>, _| {
            let stuck = stuck.clone();
            async move {
                connection.feed(Bytes::from(pattern(MUCH, 1))).await?;
                stuck.send(()).unwrap();
                connection.flush().await?;
                connection.send("never").await?;
                Ok(connection)
            }
        },
    ));
    let clients: Vec<Plain> = (0..3).map(|_| plain_client(&name)).collect();
    for _ in &clients {
        within(is_stuck.recv()).await.unwrap();
    }
    shutdown.cancel();
    let served = within(serving).await.unwrap();
    assert_eq!((served.accepted, served.cut), (3, 3));
    freed(&name, SOON).await;
    for client in clients {
        assert_cut(read_to_end(client).await.1);
    }
}

#[tokio::test]
async fn shutting_down_towards_a_peer_that_has_left_is_no_error() {
    for has_read in [true, false] {
        let (_, server, mut client) = hung(ConnectionOptions::new()).await;
        let mut stream = server.into_inner();
        within(stream.write_all(b"answer")).await.unwrap();
        if has_read {
            client.read_exact(&mut [0; 6]).unwrap();
        }
        leave(client);
        within(stream.shutdown()).await.unwrap();
        // Who wants to know asks; nobody can tell what it had read.
        assert_eq!(within(stream.drained()).await.unwrap(), DrainOutcome::PeerGone);
    }
}

#[tokio::test]
async fn a_relay_whose_client_has_its_answer_and_leaves_ends_well() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let client = async {
        let mut client = within(connect(&name)).await.unwrap().into_inner();
        within(client.write_all(b"request")).await.unwrap();
        let mut answer = [0; 6];
        within(client.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"answer");
    };
    let relay = async {
        let mut near = within(listener.accept()).await.unwrap().into_inner();
        let (mut far, mut upstream) = tokio::io::duplex(1024);
        let upstream = async move {
            let mut request = [0; 7];
            within(upstream.read_exact(&mut request)).await.unwrap();
            within(upstream.write_all(b"answer")).await.unwrap();
            within(upstream.read_to_end(&mut Vec::new())).await.unwrap();
        };
        let relayed = within(tokio::io::copy_bidirectional(&mut near, &mut far));
        tokio::join!(relayed, upstream).0
    };
    let (relayed, ()) = tokio::join!(relay, client);
    assert_eq!(relayed.unwrap(), (7, 6));
}

#[tokio::test]
async fn a_stream_that_its_owner_aborted_is_not_taken_for_one_whose_peer_left() {
    let (_, server, _client) = hung(ConnectionOptions::new()).await;
    let handle = server.abort_handle().unwrap();
    let mut stream = server.into_inner();
    handle.abort();
    let read = within(stream.read(&mut [0; 8])).await.unwrap_err();
    assert_eq!(read.kind(), ErrorKind::ConnectionAborted);
    let written = within(stream.write_all(b"more")).await.unwrap_err();
    assert_eq!(written.kind(), ErrorKind::ConnectionAborted);
}

#[tokio::test]
async fn half_a_connection_over_a_pipe_that_allows_it_can_be_closed() {
    let name = unique_name();
    let options = ListenerOptions::new();
    #[cfg(windows)]
    let options = options.pipe_type(npipes::pipe::PipeType::Message);
    let mut listener = options.bind(&name).unwrap();
    let client = within(connect(&name)).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    let (mut sender, mut receiver) = client.split();
    assert!(sender.span().id() == receiver.span().id());
    let asking = async {
        for _ in 0..3 {
            within(sender.send("item")).await.unwrap();
        }
        assert_eq!(within(sender.close()).await.unwrap(), DrainOutcome::Drained);
        within(receiver.receive()).await.unwrap().unwrap()
    };
    let answering = async {
        let mut count = 0;
        while within(server.receive()).await.unwrap().is_some() {
            count += 1;
        }
        within(server.send(format!("{count} received"))).await.unwrap();
        server
    };
    let (answer, _server) = tokio::join!(asking, answering);
    assert_eq!(answer, b"3 received"[..]);
}

#[cfg(windows)]
#[tokio::test]
async fn half_a_connection_over_a_byte_type_pipe_says_that_it_cannot_be_closed() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let client = within(connect(&name)).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    let (mut sender, mut receiver) = client.split();
    within(sender.send("item")).await.unwrap();
    let (closed, received) = tokio::join!(within(sender.close()), within(server.receive()));
    let error = closed.unwrap_err();
    assert!(matches!(error, Error::HalfClose { pipe: Some(_), .. }), "{error:?}");
    assert_eq!(received.unwrap().unwrap(), b"item"[..]);
    within(server.send("the other direction goes on")).await.unwrap();
    within(receiver.receive()).await.unwrap().unwrap();
}
