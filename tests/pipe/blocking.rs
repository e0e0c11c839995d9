//! The blocking calls: from threads alone, and refused inside a runtime.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use npipes::{
    ConnectOptions, DrainOutcome, Error, ListenerOptions,
    blocking::{Connection, Listener, connect, connect_with},
};

use crate::support::{pattern, unique_name};

/// Longer than anything takes on a busy machine.
const HANG: Option<Duration> = Some(Duration::from_secs(60));

fn pair() -> (Connection, Connection) {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    listener.set_timeout(HANG);
    let mut client = connect(&name).unwrap();
    let mut server = listener.accept().unwrap();
    client.set_timeout(HANG);
    server.set_timeout(HANG);
    (server, client)
}

#[track_caller]
fn timed_out<T: std::fmt::Debug>(outcome: Result<T, Error>, operation: &str) {
    let error = outcome.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert!(error.to_string().starts_with(operation), "{error}");
}

#[test]
fn messages_cross_between_threads_without_a_runtime() {
    let (mut server, mut client) = pair();
    let serving = thread::spawn(move || {
        while let Some(message) = server.receive().unwrap() {
            server.send(message).unwrap();
        }
        server.stats().messages_received
    });
    for len in [0, 1, 64, 100_000] {
        client.send(pattern(len, 1)).unwrap();
        assert!(client.receive().unwrap().unwrap() == pattern(len, 1)[..]);
    }
    client.send_text("5 €").unwrap();
    assert_eq!(client.receive_text().unwrap().as_deref(), Some("5 €"));
    drop(client);
    assert_eq!(serving.join().unwrap(), 5);
}

#[test]
fn a_close_waits_until_the_peer_has_read() {
    let (mut server, mut client) = pair();
    client.feed("a").unwrap();
    client.flush().unwrap();
    let closing = thread::spawn(move || client.close().unwrap());
    assert_eq!(server.receive().unwrap().unwrap(), b"a"[..]);
    assert_eq!(closing.join().unwrap(), DrainOutcome::Drained);
    assert!(server.receive().unwrap().is_none());
}

#[test]
fn slices_and_batches_cross_between_whole_connections_and_halves() {
    let (mut server, mut client) = pair();
    assert_eq!(client.name(), server.name());
    client.feed_slice(b"a").unwrap();
    client.feed_slice(b"bb").unwrap();
    client.flush().unwrap();
    let batch: Vec<_> = server.receive_batch().unwrap().unwrap().map(<[u8]>::len).collect();
    assert_eq!(batch, [1, 2]);

    let ((mut send, _rest), (_other, mut receive)) = (client.split(), server.split());
    send.feed_slice(b"ccc").unwrap();
    send.flush().unwrap();
    let batch: Vec<_> = receive.receive_batch().unwrap().unwrap().map(<[u8]>::len).collect();
    assert_eq!(batch, [3]);
    send.send_text("5 €").unwrap();
    assert_eq!(receive.receive_text().unwrap().as_deref(), Some("5 €"));
    assert_eq!((send.stats().messages_sent, receive.stats().messages_received), (4, 4));
    assert_eq!(receive.peer().unwrap().process_id, Some(std::process::id()));
    assert_eq!(send.server().unwrap().process_id, Some(std::process::id()));
}

#[test]
fn a_drain_waits_until_the_peer_has_read_and_closes_nothing() {
    let (mut server, mut client) = pair();
    client.feed("a").unwrap();
    let draining = thread::spawn(move || {
        let outcome = client.drained().unwrap();
        (outcome, client)
    });
    assert_eq!(server.receive().unwrap().unwrap(), b"a"[..]);
    let (outcome, client) = draining.join().unwrap();
    assert_eq!(outcome, DrainOutcome::Drained);
    let (mut send, _receive) = client.split();
    assert_eq!(send.drained().unwrap(), DrainOutcome::Drained);
    send.send("b").unwrap();
    assert_eq!(server.receive().unwrap().unwrap(), b"b"[..]);
}

#[cfg(unix)]
#[test]
fn either_end_can_end_its_direction_alone() {
    let (mut server, mut client) = pair();
    assert_eq!(client.close_write().unwrap(), DrainOutcome::Drained);
    assert!(server.receive().unwrap().is_none());
    let (mut send, _receive) = server.split();
    assert_eq!(send.close_write().unwrap(), DrainOutcome::Drained);
    assert!(client.receive().unwrap().is_none());
}

#[cfg(windows)]
#[test]
fn an_end_of_a_byte_type_pipe_cannot_end_its_direction_alone() {
    let (server, mut client) = pair();
    assert!(matches!(client.close_write(), Err(Error::HalfClose { .. })));
    let (mut send, _receive) = server.split();
    assert!(matches!(send.close_write(), Err(Error::HalfClose { .. })));
}

#[test]
fn an_end_that_is_aborted_is_gone() {
    let (mut server, client) = pair();
    client.abort();
    assert!(!matches!(server.receive(), Ok(Some(_))));
    let (server, mut client) = pair();
    let (send, _receive) = server.split();
    send.abort();
    assert!(!matches!(client.receive(), Ok(Some(_))));
}

#[test]
fn two_threads_send_and_receive_at_once() {
    const COUNT: usize = 200;
    let (server, client) = pair();
    let ends = [server, client].map(|end| {
        thread::spawn(move || {
            let (mut send, mut receive) = end.split();
            // More than the pipe holds, so that neither can go on without the other's receiving.
            let sending = thread::spawn(move || {
                (0..COUNT).for_each(|seed| send.send(pattern(10_000, seed as u64)).unwrap());
                send
            });
            for seed in 0..COUNT {
                assert!(receive.receive().unwrap().unwrap() == pattern(10_000, seed as u64)[..]);
            }
            sending.join().unwrap().reunite(receive)
        })
    });
    let [mut server, mut client] = ends.map(|end| end.join().unwrap());
    server.send("whole").unwrap();
    assert_eq!(client.receive().unwrap().unwrap(), b"whole"[..]);
}

#[test]
fn every_call_ends_with_its_timeout_and_nothing_is_lost_by_that() {
    let short = Some(Duration::from_millis(20));
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    listener.set_timeout(short);
    timed_out(listener.accept(), "accepting a client of");

    let mut client = connect(&name).unwrap();
    listener.set_timeout(HANG);
    let mut server = listener.accept().unwrap();
    server.set_timeout(short);
    timed_out(server.receive(), "reading from");
    client.send("late").unwrap();
    server.set_timeout(HANG);
    assert_eq!(server.receive().unwrap().unwrap(), b"late"[..]);

    client.set_timeout(short);
    let begun = Instant::now();
    let full = loop {
        if let Err(error) = client.send(vec![7; 100_000]) {
            break error;
        }
        assert!(begun.elapsed() < HANG.unwrap(), "the pipe never fills up");
    };
    timed_out::<()>(Err(full), "writing to");

    let options = ConnectOptions::new()
        .timeout(Duration::from_millis(20))
        .not_found(ConnectOptions::WAIT_FOR_SERVER);
    let error = connect_with(unique_name(), &options).unwrap_err();
    assert!(matches!(&error, Error::Connect(e) if e.timeout.is_some()), "{error:?}");
}

#[test]
fn another_thread_can_end_a_call_that_waits() {
    let (_server, mut client) = pair();
    let abort = client.abort_handle().unwrap();
    let waiting = thread::spawn(move || client.receive());
    abort.abort();
    waiting.join().unwrap().unwrap_err();
}

#[test]
fn options_peers_and_names_are_those_of_the_async_calls() {
    let name = unique_name();
    let options = ListenerOptions::new().max_instances(1);
    let mut listener = Listener::bind_with(&name, &options).unwrap();
    listener.set_timeout(HANG);
    assert!(matches!(Listener::bind(&name), Err(Error::NameTaken { .. })));
    assert!(listener.name().as_str().ends_with(&name));
    let client = connect(&name).unwrap();
    let server = listener.accept().unwrap();
    assert_eq!(server.peer().unwrap().process_id, Some(std::process::id()));
    assert_eq!(client.server().unwrap().process_id, Some(std::process::id()));
    listener.close().unwrap();
    drop((client, server));
    assert!(matches!(connect("a/b"), Err(Error::InvalidName(_))));
}

#[tokio::test]
async fn inside_a_runtime_a_call_is_an_error_and_not_a_panic() {
    let name = unique_name();
    let is_refused = |error: &Error| matches!(error, Error::BlockingInRuntime);
    assert!(is_refused(&Listener::bind(&name).unwrap_err()));
    assert!(is_refused(&connect(&name).unwrap_err()));
    let error = io::Error::from(connect(&name).unwrap_err());
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);

    // What was made outside is refused inside, and is no worse for it.
    let (mut server, mut client) = thread::spawn(pair).join().unwrap();
    assert!(is_refused(&client.send("a").unwrap_err()));
    assert!(is_refused(&server.receive().unwrap_err()));
    let received = thread::spawn(move || {
        client.send("b").unwrap();
        server.receive().unwrap().unwrap()
    });
    assert_eq!(received.join().unwrap(), b"b"[..]);
}
