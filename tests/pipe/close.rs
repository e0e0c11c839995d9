//! Closing, draining and half-closing: what the sender learns, and what the reader gets.

use std::{
    fs::File,
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use futures::future::join_all;
use npipes::{
    ConnectOptions, Connection, ConnectionOptions, DrainOutcome, Error, Listener, ListenerOptions,
    PipeStream, connect,
    pipe::{Direction, PipeType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::windows::named_pipe::{NamedPipeServer, ServerOptions},
    sync::oneshot,
};

use crate::{
    rules,
    support::{pattern, unique_name, within},
};

const OVERHEAD: usize = 12;
const ERROR_PIPE_NOT_CONNECTED: i32 = 233;

/// A client that reads when it is told to: no runtime reads ahead for it.
fn plain_client(name: &str) -> File {
    File::options().read(true).write(true).open(format!(r"\\.\pipe\{name}")).unwrap()
}

fn listener(name: &str, deadline: Duration) -> Listener {
    let options = ConnectionOptions::new().close_timeout(deadline);
    ListenerOptions::new().backlog(8).connection(options).bind(name).unwrap()
}

/// A server's connection to a client that reads when it is told to.
async fn pair(deadline: Duration) -> (Connection<PipeStream>, File) {
    let name = unique_name();
    let mut listener = listener(&name, deadline);
    let client = plain_client(&name);
    (within(listener.accept()).await.unwrap(), client)
}

async fn pairs(count: usize, deadline: Duration) -> Vec<(Connection<PipeStream>, File)> {
    let name = unique_name();
    let mut listener = listener(&name, deadline);
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let client = plain_client(&name);
        pairs.push((within(listener.accept()).await.unwrap(), client));
    }
    pairs
}

fn over(stream: PipeStream) -> Connection<PipeStream> {
    Connection::with_transport(stream, &ConnectionOptions::new())
}

fn timed_out(closed: DrainOutcome) -> bool {
    matches!(closed, DrainOutcome::TimedOut { .. })
}

const LONG: Duration = Duration::from_secs(50);
const SHORT: Duration = Duration::from_millis(200);

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
        let error = within(read).await.unwrap().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(ERROR_PIPE_NOT_CONNECTED), "{payload} bytes");
    }
}

#[tokio::test]
async fn unread_bytes_are_counted_where_the_system_counts() {
    if rules::WRITE_QUOTA.skips("unread_bytes_are_counted_where_the_system_counts") {
        return;
    }
    let (mut server, _client) = pair(SHORT).await;
    within(server.send("Hello")).await.unwrap();
    assert_eq!(
        within(server.close()).await.unwrap(),
        DrainOutcome::TimedOut { unread: Some(5 + OVERHEAD as u64) }
    );
}

/// Returns the two ends of a pipe for which the server has asked for these buffers, the client's with a
/// short deadline.
async fn ends(
    in_buffer_size: u32,
    out_buffer_size: u32,
) -> (NamedPipeServer, Connection<PipeStream>) {
    let name = unique_name();
    let options =
        ListenerOptions::new().in_buffer_size(in_buffer_size).out_buffer_size(out_buffer_size);
    let mut listener = options.bind(&name).unwrap();
    let options = ConnectionOptions::new().close_timeout(SHORT);
    let client = within(ConnectOptions::new().connection(options).connect(&name)).await.unwrap();
    (within(listener.accept_stream()).await.unwrap().into_server().unwrap(), client)
}

/// Returns whether this system tells how much of a write quota is used: a stock Wine does not.
async fn counts_unread() -> bool {
    let (mut server, _client) = pair(SHORT).await;
    within(server.send("Hello")).await.unwrap();
    matches!(within(server.close()).await.unwrap(), DrainOutcome::TimedOut { unread: Some(_) })
}

/// What a client may write is what the server receives: the quota of the other direction says
/// nothing of it, be it larger or smaller.
#[tokio::test]
async fn a_clients_unread_bytes_are_those_of_its_own_direction() {
    /// Of what has arrived, as much as mio reads ahead.
    const READ_AHEAD: u64 = 4096;
    let counted = counts_unread().await;
    for (receive, send, total) in [
        (8192, 4096, 8192),
        (4096, 8192, 4096 + 3000),
        (16384, 4096, 4096 + 3000),
        (8192, 8192, 4096 + 3000),
    ] {
        let (mut server, mut client) = ends(receive, send).await;
        within(client.send(pattern(total - OVERHEAD, 1))).await.unwrap();
        within(server.readable()).await.unwrap();
        let unread = counted.then(|| total as u64 - READ_AHEAD);
        let closed = within(client.close()).await.unwrap();
        assert_eq!(closed, DrainOutcome::TimedOut { unread }, "{receive} {send} {total}");
        let mut read = Vec::new();
        within(server.read_to_end(&mut read)).await.unwrap();
        assert_eq!(read.len(), total);
    }
}

#[tokio::test]
async fn a_servers_unread_bytes_are_those_of_its_own_direction() {
    let counted = counts_unread().await;
    for (receive, send) in [(8192, 4096), (4096, 8192)] {
        let name = unique_name();
        let options = ConnectionOptions::new().close_timeout(SHORT);
        let options = ListenerOptions::new().connection(options);
        let options = options.in_buffer_size(receive).out_buffer_size(send);
        let mut listener = options.bind(&name).unwrap();
        let _client = plain_client(&name);
        let mut server = within(listener.accept()).await.unwrap();
        within(server.send(pattern(1000, 1))).await.unwrap();
        let unread = counted.then_some(1000 + OVERHEAD as u64);
        let closed = within(server.close()).await.unwrap();
        assert_eq!(closed, DrainOutcome::TimedOut { unread }, "{receive} {send}");
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
    // Taken at once, while the pipe has room for 64 KiB.
    within(stream.write_all(&pattern(1 << 20, 1))).await.unwrap();
    drop(client);
    assert_eq!(within(over(stream).close()).await.unwrap(), DrainOutcome::PeerGone);
}

#[tokio::test]
async fn a_peer_that_disconnects_is_gone() {
    let name = unique_name();
    let server = ServerOptions::new().create(format!(r"\\.\pipe\{name}")).unwrap();
    let mut client = within(connect(&name)).await.unwrap();
    within(client.send("Hello")).await.unwrap();
    let mut closing = Box::pin(client.close());
    assert!(tokio::time::timeout(SHORT, &mut closing).await.is_err());
    server.disconnect().unwrap();
    assert_eq!(within(closing).await.unwrap(), DrainOutcome::PeerGone);
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

async fn read_to_end(mut client: File) -> usize {
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

#[tokio::test]
async fn one_way_pipes_drain() {
    for direction in [Direction::Inbound, Direction::Outbound] {
        let name = unique_name();
        let server = ServerOptions::new()
            .access_inbound(direction == Direction::Inbound)
            .access_outbound(direction == Direction::Outbound)
            .create(format!(r"\\.\pipe\{name}"))
            .unwrap();
        let client = within(ConnectOptions::new().direction(direction).connect(&name)).await;
        within(server.connect()).await.unwrap();
        let server = over(PipeStream::from(server));
        let (mut sender, mut receiver) = match direction {
            Direction::Inbound => (client.unwrap(), server),
            _ => (server, client.unwrap()),
        };
        within(sender.send("Hello")).await.unwrap();
        assert_eq!(within(receiver.receive()).await.unwrap().unwrap(), b"Hello"[..]);
        // The end that cannot write has nothing to wait for.
        assert_eq!(
            within(receiver.drained()).await.unwrap(),
            DrainOutcome::Drained,
            "{direction:?}"
        );
        assert_eq!(within(sender.close()).await.unwrap(), DrainOutcome::Drained, "{direction:?}");
    }
}

async fn message_pair() -> (Connection<PipeStream>, Connection<PipeStream>) {
    let name = unique_name();
    let mut listener = ListenerOptions::new().pipe_type(PipeType::Message).bind(&name).unwrap();
    let client = within(connect(&name)).await.unwrap();
    (within(listener.accept()).await.unwrap(), client)
}

#[tokio::test]
async fn half_a_message_type_pipe_can_be_closed() {
    let (server, client) = message_pair().await;
    for (mut ending, mut other) in [(server, client)] {
        within(ending.feed("the last")).await.unwrap();
        assert_eq!(within(ending.close_write()).await.unwrap(), DrainOutcome::Drained);
        assert_eq!(within(other.receive()).await.unwrap().unwrap(), b"the last"[..]);
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
    let options = ListenerOptions::new().pipe_type(PipeType::Message).connection(options);
    let mut listener = options.bind(&name).unwrap();
    let client = plain_client(&name);
    let mut server = within(listener.accept()).await.unwrap();
    within(server.send("Hello")).await.unwrap();
    assert!(timed_out(within(server.close_write()).await.unwrap()));
    within(server.feed(pattern(1 << 20, 1))).await.unwrap();
    assert!(timed_out(within(server.close_write()).await.unwrap()));
    drop(client);
    assert_eq!(within(server.close_write()).await.unwrap(), DrainOutcome::PeerGone);
}

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
async fn a_write_of_no_bytes_is_not_the_end_of_a_message_type_pipe() {
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
    let handle = stream.into_server().unwrap();
    assert_eq!(within(PipeStream::from(handle).drained()).await.unwrap(), DrainOutcome::Drained);
}

#[tokio::test]
async fn dropping_delivers_what_was_written_while_the_runtime_lives() {
    for len in [10, 1 << 20] {
        let (server, client) = pair(LONG).await;
        let mut stream = server.into_inner();
        within(stream.write_all(&pattern(len, 1))).await.unwrap();
        drop(stream);
        assert_eq!(read_to_end(client).await, len);
    }
}
