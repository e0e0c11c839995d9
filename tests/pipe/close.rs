//! Closing, draining and half-closing: what the sender learns, and what the reader gets.

use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use futures::future::join_all;
use npipes::{
    Connection, ConnectionOptions, DrainOutcome, Error, Listener, ListenerOptions, PipeStream,
    connect,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
};

use crate::{
    files::skips,
    plain::{Plain, assert_cut, leave, plain_client},
    support::{pattern, unique_name, within},
};

pub(crate) const OVERHEAD: usize = 12;

fn listener(name: &str, deadline: Duration) -> Listener {
    let options = ConnectionOptions::new().close_timeout(deadline);
    ListenerOptions::new().backlog(8).connection(options).bind(name).unwrap()
}

/// A server's connection to a client that reads when it is told to.
pub(crate) async fn pair(deadline: Duration) -> (Connection<PipeStream>, Plain) {
    let name = unique_name();
    let mut listener = listener(&name, deadline);
    let client = plain_client(&name);
    (within(listener.accept()).await.unwrap(), client)
}

async fn pairs(count: usize, deadline: Duration) -> Vec<(Connection<PipeStream>, Plain)> {
    let name = unique_name();
    let mut listener = listener(&name, deadline);
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let client = plain_client(&name);
        pairs.push((within(listener.accept()).await.unwrap(), client));
    }
    pairs
}

pub(crate) fn over(stream: PipeStream) -> Connection<PipeStream> {
    Connection::with_transport(stream, &ConnectionOptions::new())
}

fn timed_out(closed: DrainOutcome) -> bool {
    matches!(closed, DrainOutcome::TimedOut { .. })
}

const LONG: Duration = Duration::from_secs(50);
pub(crate) const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_close_waits_until_the_peer_has_read_everything() {
    let (mut server, mut client) = pair(LONG).await;
    within(server.feed(pattern(1 << 20, 7))).await.unwrap();
    let closing = tokio::spawn(server.close());
    let read = tokio::task::spawn_blocking(move || {
        let mut frame = vec![0; OVERHEAD + (1 << 20)];
        client.read_exact(&mut frame).unwrap();
        (frame, client)
    });
    let (frame, _client) = within(read).await.unwrap();
    assert!(frame[8..8 + (1 << 20)] == pattern(1 << 20, 7)[..]);
    assert_eq!(within(closing).await.unwrap().unwrap(), DrainOutcome::Drained);
}

#[tokio::test]
async fn a_close_to_a_peer_that_never_reads_times_out_on_time() {
    for payload in [10, 1 << 20] {
        let (mut server, mut client) = pair(SHORT).await;
        within(server.feed(pattern(payload, 1))).await.unwrap();
        let start = Instant::now();
        let closed = within(server.close()).await.unwrap();
        let elapsed = start.elapsed();
        assert!(timed_out(closed), "{payload} bytes: {closed:?}");
        assert!(elapsed >= SHORT && elapsed < SHORT * 20, "{payload} bytes: {elapsed:?}");
        // Nothing is left for a peer that comes back: it finds the pipe disconnected.
        let read = tokio::task::spawn_blocking(move || client.read_to_end(&mut Vec::new()));
        assert_cut(within(read).await.unwrap());
    }
}

#[tokio::test]
async fn a_close_without_anything_sent_waits_for_nothing() {
    let (server, _client) = pair(Duration::ZERO).await;
    assert_eq!(within(server.close()).await.unwrap(), DrainOutcome::Drained);
}

#[tokio::test]
async fn a_peer_that_has_left_with_something_unread_is_gone() {
    let (mut server, client) = pair(LONG).await;
    within(server.send("Hello")).await.unwrap();
    drop(client);
    assert_eq!(within(server.close()).await.unwrap(), DrainOutcome::PeerGone);
}

#[tokio::test]
async fn a_peer_that_leaves_during_the_wait_with_something_unread_is_gone() {
    let (mut server, client) = pair(LONG).await;
    within(server.send("Hello")).await.unwrap();
    let mut closing = Box::pin(server.close());
    assert!(tokio::time::timeout(SHORT, &mut closing).await.is_err());
    drop(client);
    assert_eq!(within(closing).await.unwrap(), DrainOutcome::PeerGone);
}

#[tokio::test]
async fn the_failure_of_a_write_that_was_queued_surfaces_in_close() {
    let (server, client) = pair(LONG).await;
    let mut stream = server.into_inner();
    // On Windows taken at once, while the pipe has room for 64 KiB.
    let much = if cfg!(windows) { 1 << 20 } else { 1 << 16 };
    within(stream.write_all(&pattern(much, 1))).await.unwrap();
    drop(client);
    assert_eq!(within(over(stream).close()).await.unwrap(), DrainOutcome::PeerGone);
}

#[tokio::test]
async fn drained_waits_for_each_message_and_closes_nothing() {
    let (mut server, mut client) = pair(LONG).await;
    for round in 0..3 {
        within(server.feed(pattern(100, round))).await.unwrap();
        let mut drained = Box::pin(server.drained());
        assert!(tokio::time::timeout(SHORT, &mut drained).await.is_err());
        let mut frame = [0; 100 + OVERHEAD];
        client.read_exact(&mut frame).unwrap();
        assert_eq!(within(drained).await.unwrap(), DrainOutcome::Drained);
        assert_eq!(frame[8..108], pattern(100, round));
    }
}

#[tokio::test]
async fn a_drain_that_times_out_leaves_the_connection_usable() {
    let (mut server, mut client) = pair(SHORT).await;
    for count in 1..=2 {
        within(server.send("Hello")).await.unwrap();
        assert!(timed_out(within(server.drained()).await.unwrap()));
        if count == 2 {
            client.read_exact(&mut [0; 2 * (5 + OVERHEAD)]).unwrap();
        }
    }
    assert_eq!(within(server.drained()).await.unwrap(), DrainOutcome::Drained);
    client.write_all(&[17, 0, 0, 0, 5, 0, 0, 0]).unwrap();
    client.write_all(b"Hello\x82\x89\xd1\xf7").unwrap();
    assert_eq!(within(server.receive()).await.unwrap().unwrap(), b"Hello"[..]);
}

/// The waiting thread has a handle of its own: it must not outlive the connection.
#[tokio::test]
async fn a_wait_that_is_given_up_keeps_nothing_open() {
    let (mut server, client) = pair(LONG).await;
    within(server.send("Hello")).await.unwrap();
    assert!(tokio::time::timeout(SHORT, server.drained()).await.is_err());
    assert!(tokio::time::timeout(SHORT, server.close()).await.is_err());
    assert_eq!(read_to_end(client).await, 5 + OVERHEAD);

    let (server, client) = pair(LONG).await;
    let (mut sender, receiver) = server.split();
    within(sender.send("Hello")).await.unwrap();
    assert!(tokio::time::timeout(SHORT, sender.drained()).await.is_err());
    drop((sender, receiver));
    assert_eq!(read_to_end(client).await, 5 + OVERHEAD);
}

async fn read_to_end(mut client: Plain) -> usize {
    let read = tokio::task::spawn_blocking(move || {
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        rest.len()
    });
    within(read).await.unwrap()
}

/// The adversary leaves at any moment, with or without having read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drained_is_never_said_of_a_peer_that_left_with_something_unread() {
    let (mut drained, mut gone) = (0, 0);
    for round in 0..300_u64 {
        let (mut server, mut client) = pair(LONG).await;
        within(server.send(pattern(100, round))).await.unwrap();
        let pause = Duration::from_micros(round % 10 * 40);
        let reads = round % 2 == 0;
        let peer = thread::spawn(move || {
            let start = Instant::now();
            while start.elapsed() < pause {
                thread::yield_now();
            }
            if reads {
                client.read_exact(&mut [0; 100 + OVERHEAD]).unwrap();
            }
        });
        match within(server.drained()).await.unwrap() {
            DrainOutcome::Drained => {
                assert!(reads, "round {round}: drained, and nothing was read");
                drained += 1;
            }
            DrainOutcome::PeerGone => gone += 1,
            other => panic!("round {round}: {other:?}"),
        }
        peer.join().unwrap();
    }
    assert_eq!(drained + gone, 300);
    assert!(gone >= 150, "{gone}");
}

#[tokio::test]
async fn a_thousand_closes_to_peers_that_never_read_end_on_time() {
    if skips("a_thousand_closes_to_peers_that_never_read_end_on_time") {
        return;
    }
    let deadline = Duration::from_secs(3);
    let mut closes = Vec::new();
    let mut clients = Vec::new();
    for (mut server, client) in pairs(1000, deadline).await {
        within(server.send("Hello")).await.unwrap();
        closes.push(server.close());
        clients.push(client);
    }
    let start = Instant::now();
    let closing = tokio::spawn(join_all(closes));
    // Tokio's blocking threads stay the user's.
    within(tokio::task::spawn_blocking(|| ())).await.unwrap();
    for closed in within(closing).await.unwrap() {
        let closed = closed.unwrap();
        assert!(timed_out(closed), "{closed:?}");
    }
    let elapsed = start.elapsed();
    assert!(elapsed >= deadline && elapsed < deadline * 10, "{elapsed:?}");
}

#[tokio::test]
async fn a_thousand_closes_to_peers_that_read_do_not_wait_for_those_that_do_not() {
    if skips("a_thousand_closes_to_peers_that_read_do_not_wait_for_those_that_do_not") {
        return;
    }
    let mut stuck = Vec::new();
    let mut silent = Vec::new();
    for (mut server, client) in pairs(200, LONG).await {
        within(server.send("Hello")).await.unwrap();
        stuck.push(server.close());
        silent.push(client);
    }
    let mut stuck = Box::pin(join_all(stuck));
    assert!(tokio::time::timeout(SHORT, &mut stuck).await.is_err());

    let mut closes = Vec::new();
    let mut clients = Vec::new();
    for (mut server, client) in pairs(1000, LONG).await {
        within(server.send("Hello")).await.unwrap();
        closes.push(server.close());
        clients.push(client);
    }
    let closing = tokio::spawn(join_all(closes));
    let (all_read, keep) = oneshot::channel::<()>();
    let reading = thread::spawn(move || {
        for client in &mut clients {
            client.read_exact(&mut [0; 5 + OVERHEAD]).unwrap();
        }
        // They stay until the closes are over.
        let _ = keep.blocking_recv();
    });
    for closed in within(closing).await.unwrap() {
        assert_eq!(closed.unwrap(), DrainOutcome::Drained);
    }
    drop(all_read);
    reading.join().unwrap();
    assert!(tokio::time::timeout(Duration::ZERO, &mut stuck).await.is_err());
}

/// One direction can be ended alone: on Windows, of a pipe of this type only.
fn message_type() -> ListenerOptions {
    let options = ListenerOptions::new();
    #[cfg(windows)]
    let options = options.pipe_type(npipes::pipe::PipeType::Message);
    options
}

async fn message_pair() -> (Connection<PipeStream>, Connection<PipeStream>) {
    let name = unique_name();
    let mut listener = message_type().bind(&name).unwrap();
    let client = within(connect(&name)).await.unwrap();
    (within(listener.accept()).await.unwrap(), client)
}

#[tokio::test]
async fn half_a_pipe_that_allows_it_can_be_closed() {
    let (server, client) = message_pair().await;
    for (mut ending, mut other) in [(server, client)] {
        within(ending.feed("the last")).await.unwrap();
        let both = async { tokio::join!(ending.close_write(), other.receive()) };
        let (ended, last) = within(both).await;
        assert_eq!(ended.unwrap(), DrainOutcome::Drained);
        assert_eq!(last.unwrap().unwrap(), b"the last"[..]);
        assert_eq!(within(other.receive()).await.unwrap(), None);
        within(other.send("an answer")).await.unwrap();
        assert_eq!(within(ending.receive()).await.unwrap().unwrap(), b"an answer"[..]);
        let error = within(ending.send("more")).await.unwrap_err();
        assert!(matches!(error, Error::Closed), "{error:?}");
        assert_eq!(within(other.close_write()).await.unwrap(), DrainOutcome::Drained);
        assert_eq!(within(ending.receive()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn half_a_close_waits_no_longer_than_a_whole_one() {
    let name = unique_name();
    let options = ConnectionOptions::new().close_timeout(SHORT);
    let mut listener = message_type().connection(options).bind(&name).unwrap();
    let client = plain_client(&name);
    let mut server = within(listener.accept()).await.unwrap();
    within(server.send("Hello")).await.unwrap();
    assert!(timed_out(within(server.close_write()).await.unwrap()));
    within(server.feed(pattern(1 << 20, 1))).await.unwrap();
    assert!(timed_out(within(server.close_write()).await.unwrap()));
    leave(client);
    assert_eq!(within(server.close_write()).await.unwrap(), DrainOutcome::PeerGone);
}

#[cfg(windows)]
#[tokio::test]
async fn half_a_byte_type_pipe_cannot_be_closed() {
    let (mut server, mut client) = pair(LONG).await;
    let error = within(server.close_write()).await.unwrap_err();
    assert!(
        matches!(&error, Error::HalfClose { pipe: Some(pipe), .. } if error.to_string()
            == format!("half-closing {pipe} takes a message-type pipe")),
        "{error:?}"
    );
    within(server.send("Hello")).await.unwrap();
    client.read_exact(&mut [0; 5 + OVERHEAD]).unwrap();
}

#[tokio::test]
async fn a_write_of_no_bytes_is_not_the_end_of_a_direction_that_can_be_ended() {
    let (server, client) = message_pair().await;
    let (mut server, mut client) = (server.into_inner(), client.into_inner());
    assert_eq!(within(server.write(&[])).await.unwrap(), 0);
    within(server.write_all(b"x")).await.unwrap();
    assert_eq!(within(client.read(&mut [0; 8])).await.unwrap(), 1);
}

#[tokio::test]
async fn a_shutdown_stream_can_be_written_to_again() {
    let (server, mut client) = pair(SHORT).await;
    let mut stream = server.into_inner();
    for _ in 0..2 {
        within(stream.write_all(b"Hello")).await.unwrap();
        let error = within(stream.shutdown()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        client.read_exact(&mut [0; 5]).unwrap();
        within(stream.shutdown()).await.unwrap();
    }
    // A bare handle may have been written to before.
    #[cfg(windows)]
    let mut stream = PipeStream::from(stream.into_server().unwrap());
    #[cfg(unix)]
    let mut stream = PipeStream::from_unix(stream.into_unix().unwrap(), true);
    assert_eq!(within(stream.drained()).await.unwrap(), DrainOutcome::Drained);
}

#[tokio::test]
async fn dropping_delivers_what_was_written_while_the_runtime_lives() {
    // More than the pipe holds is taken at once on Windows only.
    for len in [10, if cfg!(windows) { 1 << 20 } else { 1 << 16 }] {
        let (server, client) = pair(LONG).await;
        let mut stream = server.into_inner();
        within(stream.write_all(&pattern(len, 1))).await.unwrap();
        drop(stream);
        assert_eq!(read_to_end(client).await, len);
    }
}
