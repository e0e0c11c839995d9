//! What a test has a simulated pipe do. The clock is stopped, so that times are exact.

use std::{io, time::Duration};

use futures::FutureExt;
use npipes::{
    Connection, ConnectionOptions, DrainOutcome, Error,
    error::Operation,
    frame::FrameError,
    retry::{Backoff, Retry},
    simulated::{Connector, Cut, Faults, Listener, Pipe, Refusal, Stream},
};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, time::Instant};

use crate::support::{pattern, within};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// 100, 200, 400 ms and so on.
const STEADY: Retry =
    Retry::with_backoff(Backoff::new(Duration::from_millis(100), SECOND).without_jitter());

fn pipe() -> (Pipe, Listener) {
    let pipe = Pipe::new("orders").unwrap();
    let listener = pipe.listener().unwrap();
    (pipe, listener)
}

/// The server's and the client's end of the next connection.
async fn ends(pipe: &Pipe, listener: &mut Listener) -> (Connection<Stream>, Connection<Stream>) {
    let client = within(pipe.connector().connect()).await.unwrap();
    (within(listener.accept()).await.unwrap(), client)
}

fn patient(pipe: &Pipe) -> Connector {
    pipe.connector().busy(STEADY).not_found(STEADY).access_denied(STEADY).timeout(60 * SECOND)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_counts_attempts() {
    for refusal in [Refusal::Busy, Refusal::NotFound, Refusal::AccessDenied] {
        let (pipe, _listener) = pipe();
        pipe.refuse_times(refusal, 3);
        let start = Instant::now();
        let client = within(patient(&pipe).connect()).await.unwrap();
        assert_eq!(start.elapsed(), 700 * MS, "{refusal:?}");
        assert_eq!(client.stats().retries, 3);
        assert_eq!(pipe.attempts(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_lasts_for_a_time() {
    for (refusal, after) in [
        // Who waits for a free instance is woken by one.
        (Refusal::Busy, 1000 * MS),
        // The attempts are made at 0, 100, 300, 700 and 1500 ms.
        (Refusal::NotFound, 1500 * MS),
        (Refusal::AccessDenied, 1500 * MS),
    ] {
        let (pipe, _listener) = pipe();
        pipe.refuse_for(refusal, SECOND);
        let start = Instant::now();
        within(patient(&pipe).connect()).await.unwrap();
        assert_eq!(start.elapsed(), after, "{refusal:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_lasts_until_the_test_admits() {
    let (pipe, _listener) = pipe();
    pipe.refuse(Refusal::Busy);
    let seldom = Retry::with_backoff(Backoff::new(60 * SECOND, 60 * SECOND).without_jitter());
    let connector = pipe.connector().busy(seldom).timeout(90 * SECOND);
    let mut client = Box::pin(connector.connect());
    assert!(client.as_mut().now_or_never().is_none());
    let start = Instant::now();
    pipe.admit();
    within(client).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_error_counts_every_cause() {
    let (pipe, listener) = pipe();
    let connector = patient(&pipe).timeout(3 * SECOND);
    let mut client = Box::pin(connector.connect());
    pipe.refuse_times(Refusal::AccessDenied, 2);
    assert!(within(tokio::time::timeout(150 * MS, &mut client)).await.is_err());
    drop(listener);
    let Err(Error::Connect(error)) = within(client).await else { panic!() };
    // Access denied at 0 and 100; not found at 300, 400, 600, 1000, 1800, 2800 and 3000 ms.
    assert_eq!((error.attempts.access_denied, error.attempts.not_found), (2, 7));
    assert_eq!(error.elapsed, 3 * SECOND);
    let says = format!(
        "connecting to {} timed out after 3s, not found 7 times, access denied 2 times: entity not found",
        pipe.name()
    );
    assert_eq!(error.to_string(), says);
}

#[tokio::test(start_paused = true)]
async fn access_denied_is_given_up_at_once_by_default() {
    let (pipe, _listener) = pipe();
    pipe.refuse(Refusal::AccessDenied);
    let Err(Error::Connect(error)) = within(pipe.connector().connect()).await else { panic!() };
    assert_eq!((error.attempts.access_denied, error.attempts.total()), (1, 1));
    assert_eq!(error.source.kind(), io::ErrorKind::PermissionDenied);
}

#[tokio::test(start_paused = true)]
async fn a_connect_can_be_late_and_too_late() {
    let (pipe, _listener) = pipe();
    pipe.delay_connects(2 * SECOND);
    let start = Instant::now();
    within(pipe.connector().connect()).await.unwrap();
    assert_eq!(start.elapsed(), 2 * SECOND);
    let Err(Error::Connect(error)) = within(pipe.connector().timeout(SECOND).connect()).await
    else {
        panic!()
    };
    assert_eq!((error.attempts.unanswered, error.attempts.total()), (1, 1));
    assert_eq!(error.timeout, Some(SECOND));
    assert_eq!(pipe.attempts(), 1, "the second did not get as far as the pipe");
}

#[tokio::test(start_paused = true)]
async fn a_server_can_accept_late() {
    let (pipe, mut listener) = pipe();
    pipe.delay_accepts(2 * SECOND);
    let start = Instant::now();
    let mut client = within(pipe.connector().connect()).await.unwrap();
    within(client.send("Hello")).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    // An accept that is given up loses nobody.
    assert!(within(tokio::time::timeout(SECOND, listener.accept())).await.is_err());
    let mut server = within(listener.accept()).await.unwrap();
    assert_eq!(start.elapsed(), 2 * SECOND);
    assert_eq!(within(server.receive()).await.unwrap().unwrap(), b"Hello"[..]);
}

#[tokio::test(start_paused = true)]
async fn accepting_waits_for_a_client() {
    let (pipe, mut listener) = pipe();
    let mut accepting = Box::pin(listener.accept());
    assert!(accepting.as_mut().now_or_never().is_none());
    let connector = pipe.connector();
    let (client, server) = within(async { tokio::join!(connector.connect(), accepting) }).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    within(server.send("Hello")).await.unwrap();
    assert_eq!(within(client.receive()).await.unwrap().unwrap(), b"Hello"[..]);
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_is_given_up_leaves_nothing_behind() {
    let (pipe, mut listener) = pipe();
    pipe.delay_connects(SECOND);
    assert!(within(tokio::time::timeout(MS, pipe.connector().connect())).await.is_err());
    assert!(within(tokio::time::timeout(5 * SECOND, listener.accept())).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn more_clients_than_the_backlog_find_the_server_busy() {
    let (pipe, mut listener) = pipe();
    let connector = pipe.connector().busy(Retry::never());
    let mut clients = Vec::new();
    for _ in 0..Pipe::DEFAULT_BACKLOG {
        clients.push(within(connector.connect()).await.unwrap());
    }
    within(connector.connect()).await.unwrap_err();
    let _server = within(listener.accept()).await.unwrap();
    clients.push(within(connector.connect()).await.unwrap());
    within(connector.connect()).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn reads_come_in_pieces() {
    for piece in [1, 7, 4096] {
        let (pipe, mut listener) = pipe();
        pipe.fault_all(Faults::new().split(piece));
        let (mut server, mut client) = ends(&pipe, &mut listener).await;
        for len in [0, 1, 10_000] {
            within(client.send(pattern(len, 3))).await.unwrap();
            assert!(within(server.receive()).await.unwrap().unwrap() == pattern(len, 3)[..]);
        }
        let (mut server, mut client) = (server.into_inner(), client.into_inner());
        within(server.write_all(&pattern(10_000, 1))).await.unwrap();
        let mut largest = 0;
        let mut read = 0;
        while read < 10_000 {
            let count = within(client.read(&mut [0; 8192])).await.unwrap();
            largest = largest.max(count);
            read += count;
        }
        assert_eq!(largest, piece);
    }
}

/// At every place of a frame, in either direction and in either way.
#[tokio::test(start_paused = true)]
async fn a_connection_breaks_at_every_place() {
    const FRAME: u64 = 17;
    let (pipe, mut listener) = pipe();
    for at in 0..=2 * FRAME {
        for (cut, to_server) in
            [(Cut::End, false), (Cut::End, true), (Cut::Reset, false), (Cut::Reset, true)]
        {
            let faults = Faults::new();
            pipe.fault_next(match to_server {
                true => faults.cut_to_server(at, cut),
                false => faults.cut_to_client(at, cut),
            });
            let (server, client) = ends(&pipe, &mut listener).await;
            let (mut sender, mut receiver) =
                if to_server { (client, server) } else { (server, client) };
            sender.feed("Hello").await.unwrap();
            sender.feed("world").await.unwrap();
            // The write that breaks it was queued.
            within(sender.flush()).await.unwrap();

            for whole in [b"Hello", b"world"].iter().take((at / FRAME) as usize) {
                assert_eq!(within(receiver.receive()).await.unwrap().unwrap(), whole[..]);
            }
            let end = within(receiver.receive()).await;
            let have = (at % FRAME) as usize;
            match (cut, end) {
                (Cut::End, Ok(None)) => assert_eq!(have, 0),
                (Cut::End, Err(Error::Frame(FrameError::Truncated { have: h, need, .. }))) => {
                    assert_eq!((h, need), (have, if have < 8 { 8 } else { 17 }));
                }
                (Cut::Reset, Err(Error::Io { operation: Operation::Read, source, .. })) => {
                    assert_eq!(source.kind(), io::ErrorKind::ConnectionReset);
                }
                (_, other) => panic!("{cut:?} after {at}: {other:?}"),
            }
            for end in [&mut sender, &mut receiver] {
                let error = within(end.send("more")).await.unwrap_err();
                let Error::Io { operation: Operation::Write, source, .. } = &error else {
                    panic!("{error:?}")
                };
                let kind = match cut {
                    Cut::End => io::ErrorKind::BrokenPipe,
                    _ => io::ErrorKind::ConnectionReset,
                };
                assert_eq!(source.kind(), kind);
                assert!(error.is_closed());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn faults_are_given_in_turn_and_then_those_for_all() {
    let (pipe, mut listener) = pipe();
    pipe.fault_next(Faults::new().cut_to_client(0, Cut::End));
    pipe.fault_next(Faults::new());
    pipe.fault_all(Faults::new().cut_to_client(20, Cut::End));
    let mut received = Vec::new();
    for _ in 0..4 {
        let (mut server, mut client) = ends(&pipe, &mut listener).await;
        server.feed("Hello").await.unwrap();
        server.feed("world").await.unwrap();
        within(server.flush()).await.unwrap();
        drop(server);
        while let Ok(Some(_)) = within(client.receive()).await {}
        received.push(client.stats().messages_received);
    }
    assert_eq!(received, [0, 2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn every_connection_can_be_broken_at_once() {
    for cut in [Cut::End, Cut::Reset] {
        let (pipe, mut listener) = pipe();
        let (mut server, mut client) = ends(&pipe, &mut listener).await;
        within(server.send("Hello")).await.unwrap();
        let mut waiting = Box::pin(server.receive());
        assert!(waiting.as_mut().now_or_never().is_none());
        pipe.cut_all(cut);
        let ended = within(waiting).await;
        let received = within(client.receive()).await;
        match cut {
            Cut::End => {
                assert_eq!(ended.unwrap(), None);
                assert_eq!(received.unwrap().unwrap(), b"Hello"[..], "what was written is read");
            }
            _ => assert!(ended.is_err_and(|e| e.is_closed()) && received.is_err()),
        }
        let (mut server, mut client) = ends(&pipe, &mut listener).await;
        within(client.send("again")).await.unwrap();
        assert_eq!(within(server.receive()).await.unwrap().unwrap(), b"again"[..]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_that_times_out_says_how_much_is_unread() {
    let (pipe, listener) = pipe();
    pipe.buffer(1000);
    let options = ConnectionOptions::new().close_timeout(2 * SECOND);
    let mut listener = listener.connection(options);
    for (len, unread) in [(88, Some(100)), (987, Some(999)), (988, None), (5000, None)] {
        let (mut server, _client) = ends(&pipe, &mut listener).await;
        within(server.send(vec![0; len])).await.unwrap();
        let start = Instant::now();
        assert_eq!(within(server.close()).await.unwrap(), DrainOutcome::TimedOut { unread });
        assert_eq!(start.elapsed(), 2 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn the_buffer_holds_what_it_should_and_one_write_more() {
    let (pipe, mut listener) = pipe();
    pipe.buffer(1000);
    let (server, client) = ends(&pipe, &mut listener).await;
    let (mut server, mut client) = (server.into_inner(), client.into_inner());
    assert_eq!(within(server.write(&[0; 1000])).await.unwrap(), 1000);
    assert_eq!(within(server.write(&[0; 5000])).await.unwrap(), 5000);
    let mut third = Box::pin(server.write(&[0; 1]));
    assert!(third.as_mut().now_or_never().is_none());
    within(client.read_exact(&mut [0; 4999])).await.unwrap();
    assert!(third.as_mut().now_or_never().is_none());
    within(client.read_exact(&mut [0; 1])).await.unwrap();
    assert_eq!(within(third).await.unwrap(), 1);
}

#[test]
fn a_name_of_another_machine_has_no_listener() {
    // Where there is no other machine's pipe, there is no such name.
    let listener = Pipe::new(r"\\host\pipe\orders").and_then(|pipe| pipe.listener());
    assert!(matches!(listener, Err(Error::InvalidName(_))), "{listener:?}");
}

#[test]
fn public_types_are_send_sync_unpin_and_debug() {
    fn is_sendable<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    is_sendable::<Connector>();
    is_sendable::<Cut>();
    is_sendable::<Faults>();
    is_sendable::<Listener>();
    is_sendable::<Pipe>();
    is_sendable::<Refusal>();
    is_sendable::<Stream>();
}
