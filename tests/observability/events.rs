//! The events: their messages, fields and spans, which the documentation promises.

use std::{io, time::Duration};

use npipes::{
    Client, Connection, ConnectionOptions, DrainOutcome, Error,
    client::{ClientOptions, ClientState},
    frame::{Dialect, FrameFormat},
    retry::{Backoff, Retry},
    server::{Accept, ServeOptions},
    simulated::{Cut, Faults, Pipe, Refusal, Stream},
};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Level};

use crate::{
    record::{Recorder, assert_documented, the_one, with_message},
    support::within,
};

const SECOND: Duration = Duration::from_secs(1);
const STEADY: Retry =
    Retry::with_backoff(Backoff::new(Duration::from_millis(100), SECOND).without_jitter());

/// A connection, and the other end of its transport.
fn wired(options: &ConnectionOptions) -> (Connection<DuplexStream>, DuplexStream) {
    let (near, wire) = duplex(1 << 20);
    (Connection::with_options(near, options), wire)
}

const HELLO: &[u8] = b"\x11\0\0\0\x05\0\0\0Hello\x82\x89\xd1\xf7";

#[tokio::test(start_paused = true)]
async fn connecting_tells_of_every_attempt() {
    let (recorder, _guard) = Recorder::install();
    let pipe = Pipe::new("orders").unwrap();
    let mut listener = pipe.listener().unwrap();
    pipe.refuse_times(Refusal::Busy, 2);
    let connector = pipe.connector().busy(STEADY);
    within(connector.connect()).await.unwrap();
    within(connector.connect()).await.unwrap();
    within(listener.accept()).await.unwrap();
    let told = recorder.take();
    assert_documented(&told);

    let retries = with_message(&told, "retrying");
    let facts: Vec<_> = retries
        .iter()
        .map(|e| (e.level, e.get("attempt"), e.get("cause"), e.get("delay")))
        .collect();
    assert_eq!(facts, [(Level::DEBUG, "1", "busy", "100ms"), (Level::DEBUG, "2", "busy", "200ms")]);
    let path = pipe.name().to_string();
    assert!(retries.iter().all(|e| e.get("pipe") == path && e.connection.is_none()));

    let connected = with_message(&told, "connected");
    assert_eq!(connected.len(), 2);
    for (event, (id, busy)) in connected.iter().zip([("1", "2"), ("2", "0")]) {
        assert_eq!(event.level, Level::DEBUG);
        assert_eq!((event.get("busy"), event.get("not_found")), (busy, "0"));
        assert_eq!(event.get("access_denied"), "0");
        assert_eq!((event.of_connection("id"), event.of_connection("role")), (id, "client"));
        assert_eq!(event.of_connection("pipe"), path);
    }

    let accepted = the_one(&told, "accepted");
    assert_eq!((accepted.of_connection("id"), accepted.of_connection("role")), ("1", "server"));
    assert_eq!(recorder.connections().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn giving_up_is_told() {
    let (recorder, _guard) = Recorder::install();
    let pipe = Pipe::new("orders").unwrap();
    within(pipe.connector().not_found(STEADY).timeout(SECOND).connect()).await.unwrap_err();
    let told = recorder.take();
    assert_documented(&told);
    let gave_up = the_one(&told, "gave up");
    assert_eq!((gave_up.get("attempts"), gave_up.get("elapsed")), ("5", "1s"));
    let causes: Vec<_> =
        with_message(&told, "retrying").iter().map(|e| e.get("cause").to_owned()).collect();
    assert_eq!(causes, ["not found"; 4]);
}

#[tokio::test(start_paused = true)]
async fn drains_and_closes_tell_their_outcome() {
    let (recorder, _guard) = Recorder::install();
    let pipe = Pipe::new("orders").unwrap();
    let options = ConnectionOptions::new().close_timeout(SECOND);
    let mut listener = pipe.listener().unwrap().connection(options);
    for round in 0..3 {
        let mut client = within(pipe.connector().connect()).await.unwrap();
        let mut server = within(listener.accept()).await.unwrap();
        within(server.send("Hello")).await.unwrap();
        let _ = within(server.drained()).await.unwrap();
        match round {
            0 => drop(within(client.receive()).await.unwrap()),
            1 => drop(client),
            _ => {}
        }
        let closed = within(server.close()).await.unwrap();
        let told = recorder.take();
        assert_documented(&told);
        let drain = the_one(&told, "drain");
        assert_eq!((drain.get("outcome"), drain.get("unread")), ("timed out", "17"));
        assert_eq!((drain.get("messages_sent"), drain.get("bytes_sent")), ("1", "5"));
        let close = the_one(&told, "close");
        assert_eq!((close.level, close.of_connection("role")), (Level::DEBUG, "server"));
        match closed {
            DrainOutcome::Drained => assert_eq!((round, close.get("outcome")), (0, "drained")),
            DrainOutcome::PeerGone => assert_eq!((round, close.get("outcome")), (1, "peer gone")),
            _ => assert_eq!((close.get("outcome"), close.get("unread")), ("timed out", "17")),
        }
    }
}

#[tokio::test]
async fn a_corrupt_frame_tells_its_number_and_length() {
    let (recorder, _guard) = Recorder::install();
    let (mut near, mut wire) = wired(&ConnectionOptions::new());
    wire.write_all(HELLO).await.unwrap();
    let corrupt = |len: u32| {
        let header = [(len + 12).to_le_bytes(), len.to_le_bytes()].concat();
        [header, vec![7; len as usize], vec![1, 2, 3, 4]].concat()
    };
    wire.write_all(&corrupt(9)).await.unwrap();
    wire.write_all(HELLO).await.unwrap();
    // One that arrives in pieces.
    wire.write_all(&corrupt(50_000)).await.unwrap();
    for is_whole in [true, false, true, false] {
        assert_eq!(within(near.receive()).await.is_ok(), is_whole);
    }
    let told = recorder.take();
    assert_documented(&told);
    let events = with_message(&told, "corrupt frame");
    let facts: Vec<_> = events.iter().map(|e| (e.level, e.get("frame"), e.get("len"))).collect();
    assert_eq!(facts, [(Level::DEBUG, "2", "9"), (Level::DEBUG, "4", "50000")]);
    for event in events {
        assert_eq!(event.get("cause"), "wrong checksum");
        assert_eq!(event.fields.len(), 3, "{event:?}");
        assert!(event.connection.is_some());
    }
}

#[tokio::test]
async fn a_missing_checksum_is_told_as_such() {
    let (recorder, _guard) = Recorder::install();
    let format = FrameFormat::new().receive_checksum(npipes::frame::ReceiveChecksum::Require);
    let (mut near, mut wire) = wired(&ConnectionOptions::new().format(format));
    wire.write_all(b"\x11\0\0\0\x05\0\0\0Hello\0\0\0\0").await.unwrap();
    within(near.receive()).await.unwrap_err();
    let told = recorder.take();
    let event = the_one(&told, "corrupt frame");
    assert_eq!((event.get("cause"), event.get("frame")), ("no checksum", "1"));
}

#[tokio::test(start_paused = true)]
async fn each_end_of_receiving_has_its_event() {
    let idle = ConnectionOptions::new().idle_timeout(SECOND);
    let slow = ConnectionOptions::new().frame_timeout(2 * SECOND);
    let small = ConnectionOptions::new().format(FrameFormat::new().max_payload(4));
    let any = ConnectionOptions::new();
    let big_endian = b"\0\0\0\x0d\0\0\0\x05Hello";
    type Fact = (&'static str, &'static str);
    let detecting = ConnectionOptions::new().format(FrameFormat::new().detect_dialect(true));
    let cases: [(_, &[u8], bool, &str, &[Fact]); 8] = [
        (&any, HELLO, true, "the peer has closed", &[("messages_received", "1")]),
        (&any, &HELLO[..10], true, "ended inside a frame", &[("have", "10"), ("need", "17")]),
        (&any, &HELLO[..3], true, "ended inside a frame", &[("have", "3"), ("need", "8")]),
        (&small, HELLO, false, "frame too large", &[("frame", "1"), ("len", "5"), ("max", "4")]),
        (&any, big_endian, false, "lengths do not fit", &[("frame", "1")]),
        (&detecting, b"GET / HT", false, "the first header fits no dialect", &[("frame", "1")]),
        (&slow, &HELLO[..10], false, "frame timed out", &[("timeout", "2s"), ("have", "10")]),
        (&idle, HELLO, false, "idle for too long", &[("frame", "2"), ("timeout", "1s")]),
    ];
    for (options, bytes, ends, message, facts) in cases {
        let (recorder, _guard) = Recorder::install();
        let (mut near, mut wire) = wired(options);
        wire.write_all(bytes).await.unwrap();
        let mut wire = Some(wire);
        if ends {
            wire = None;
        }
        while let Ok(Some(_)) = within(near.receive()).await {}
        drop(wire);
        let told = recorder.take();
        assert_documented(&told);
        let event = the_one(&told, message);
        assert_eq!(event.level, Level::DEBUG);
        assert!(event.connection.is_some(), "{event:?}");
        for (field, value) in facts {
            assert_eq!(event.get(field), *value, "{field} of {event:?}");
        }
        if message == "lengths do not fit" {
            assert_eq!(event.get("expected"), Dialect::DOCUMENTED.to_string());
            assert_eq!(event.get("fits"), Dialect::NPIPES_1_0_1.to_string());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_transport_are_told() {
    let (recorder, _guard) = Recorder::install();
    let pipe = Pipe::new("orders").unwrap();
    let mut listener = pipe.listener().unwrap();
    let mut client = within(pipe.connector().connect()).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    pipe.cut_all(Cut::Reset);
    within(client.receive()).await.unwrap_err();
    within(server.send("Hello")).await.unwrap_err();
    let told = recorder.take();
    assert_documented(&told);
    let reading = the_one(&told, "reading failed");
    assert_eq!((reading.get("error"), reading.get("frame")), ("connection reset", "1"));
    assert_eq!(reading.of_connection("role"), "client");
    let writing = the_one(&told, "writing failed");
    assert_eq!(
        (writing.get("error"), writing.of_connection("role")),
        ("connection reset", "server")
    );
}

#[tokio::test]
async fn every_frame_is_told_at_the_level_trace() {
    let (recorder, _guard) = Recorder::install();
    let (mut near, mut far) = Connection::pair();
    for len in [5, 0, 20_000] {
        within(near.send(vec![0; len])).await.unwrap();
        within(far.receive()).await.unwrap();
    }
    let told = recorder.take();
    assert_documented(&told);
    for message in ["sending", "received"] {
        let events = with_message(&told, message);
        let facts: Vec<_> =
            events.iter().map(|e| (e.level, e.get("frame"), e.get("len"))).collect();
        let trace = Level::TRACE;
        assert_eq!(facts, [(trace, "1", "5"), (trace, "2", "0"), (trace, "3", "20000")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_tells_of_its_sessions() {
    let (recorder, _guard) = Recorder::install();
    let pipe = Pipe::new("orders").unwrap();
    let backoff = Backoff::new(Duration::from_millis(10), SECOND).without_jitter();
    let options = ClientOptions::new().backoff(backoff);
    let (client, _inbox) = Client::builder(pipe.connector()).options(options).spawn();
    let hello = within(client.send("Hello")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(25)).await;
    let mut listener = pipe.listener().unwrap();
    let mut first = within(listener.accept()).await.unwrap();
    first.receive().await.unwrap();
    within(hello).await.unwrap();
    let lost = within(client.send("lost")).await.unwrap();
    within(client.flush()).await;
    drop(first);
    let _second = within(listener.accept()).await.unwrap();
    within(lost).await.unwrap_err();
    let mut watch = client.watch();
    let connected = ClientState::Connected { session: 2 };
    within(watch.wait_for(|state| *state == connected)).await.unwrap();
    let told = recorder.take();
    assert_documented(&told);

    let failed = with_message(&told, "attempt failed");
    let attempts: Vec<_> = failed.iter().map(|e| e.get("attempt")).collect();
    assert_eq!(attempts, ["1", "2"], "at 0 and 10 ms");
    assert!(failed[0].get("error").contains("not found once"), "{failed:?}");
    let waits: Vec<_> = with_message(&told, "next attempt")
        .iter()
        .map(|e| (e.get("attempt").to_owned(), e.get("delay").to_owned()))
        .collect();
    assert_eq!(waits[..2], [("2".into(), "10ms".into()), ("3".into(), "20ms".into())]);

    let begun = with_message(&told, "session begins");
    let sessions: Vec<_> =
        begun.iter().map(|e| (e.get("session"), e.of_connection("id"))).collect();
    assert_eq!(sessions, [("1", "1"), ("2", "2")]);
    assert_eq!(the_one(&told, "drain").get("outcome"), "drained");
    let lost = the_one(&told, "session lost");
    assert_eq!((lost.get("returned"), lost.get("kept")), ("1", "0"));
    assert_eq!((lost.get("cause"), lost.of_connection("id")), ("the connection is closed", "1"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_tells_so() {
    let (recorder, _guard) = Recorder::install();
    let pipe = Pipe::new("orders").unwrap();
    let options = ClientOptions::new().max_attempts(3);
    let (_client, mut inbox) = Client::builder(pipe.connector()).options(options).spawn();
    within(inbox.receive()).await.unwrap_err();
    let told = recorder.take();
    assert_documented(&told);
    assert_eq!(the_one(&told, "attempts end").get("attempts"), "3");
}

#[tokio::test(start_paused = true)]
async fn a_handler_runs_in_the_span_of_its_connection() {
    let (recorder, _guard) = Recorder::install();
    let pipe = Pipe::new("orders").unwrap();
    let shutdown = CancellationToken::new();
    let handler = |mut connection: Connection<Stream>, _| async move {
        let order = connection.receive().await?.ok_or(Error::Closed)?;
        tracing::info!(target: "npipes-user", "an order");
        match &order[..] {
            b"fail" => Err(Error::Closed),
            b"panic" => panic!("a handler's own"),
            b"stay" => std::future::pending().await,
            _ => Ok(connection),
        }
    };
    let options = ServeOptions::new().shutdown_timeout(SECOND);
    let (listener, told_to_end) = (pipe.listener().unwrap(), shutdown.clone());
    let service = tokio::spawn(async move { options.serve(listener, told_to_end, handler).await });
    let mut clients = Vec::new();
    for order in ["tea", "fail", "panic", "stay"] {
        let mut client = within(pipe.connector().connect()).await.unwrap();
        within(client.send(order)).await.unwrap();
        let _ = within(client.drained()).await.unwrap();
        clients.push(client);
    }
    shutdown.cancel();
    let _ = within(service).await.unwrap();
    let told = recorder.take();
    let (users, ours): (Vec<_>, Vec<_>) = told.into_iter().partition(|e| e.target == "npipes-user");
    assert_documented(&ours);
    let ids: Vec<_> =
        users.iter().map(|e| (e.of_connection("id"), e.of_connection("role"))).collect();
    assert_eq!(ids, [("1", "server"), ("2", "server"), ("3", "server"), ("4", "server")]);
    assert_eq!(the_one(&ours, "a handler failed").of_connection("id"), "2");
    let panicked = the_one(&ours, "a handler panicked");
    assert_eq!((panicked.level, panicked.of_connection("id")), (Level::WARN, "3"));
    assert_eq!(the_one(&ours, "finishing").get("connections"), "1");
    let cutting = the_one(&ours, "cutting what is left");
    assert_eq!((cutting.level, cutting.get("connections")), (Level::WARN, "1"));
}

/// Fails once, then does what the inner listener does.
struct Stumbling<A>(A, bool);

impl<A: Accept + Send> Accept for Stumbling<A> {
    type Io = A::Io;

    async fn accept(&mut self) -> Result<Connection<A::Io>, Error> {
        match std::mem::replace(&mut self.1, false) {
            true => Err(io::Error::from(io::ErrorKind::OutOfMemory).into()),
            false => self.0.accept().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_to_accept_is_told_with_the_delay() {
    let (recorder, _guard) = Recorder::install();
    let pipe = Pipe::new("orders").unwrap();
    let shutdown = CancellationToken::new();
    let listener = Stumbling(pipe.listener().unwrap(), true);
    let handler = |connection, _| async move { Ok(Some(connection)) };
    let service = tokio::spawn(npipes::serve(listener, shutdown.clone(), handler));
    let mut client = within(pipe.connector().connect()).await.unwrap();
    assert_eq!(within(client.receive()).await.unwrap(), None);
    shutdown.cancel();
    let _ = within(service).await.unwrap();
    let told = recorder.take();
    assert_documented(&told);
    let failed = the_one(&told, "accepting failed");
    assert_eq!((failed.level, failed.get("delay")), (Level::WARN, "5ms"));
}

#[tokio::test]
async fn a_connection_is_in_the_span_that_was_current_and_so_is_what_enters_its_own() {
    let (recorder, _guard) = Recorder::install();
    let (near, mut far) = Connection::pair();
    let span = near.span().clone();
    let work = async move {
        tracing::info!(target: "npipes-user", "at work");
        drop(near);
    };
    within(work.instrument(span)).await;
    assert_eq!(within(far.receive()).await.unwrap(), None);
    let told = recorder.take();
    assert!(the_one(&told, "at work").connection.is_some());
    // Over something that is not a pipe there is nothing to tell of it.
    assert!(recorder.connections().iter().all(std::collections::BTreeMap::is_empty));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_of_a_fault_that_only_the_peer_had() {
    let (recorder, _guard) = Recorder::install();
    let pipe = Pipe::new("orders").unwrap();
    let mut listener = pipe.listener().unwrap();
    pipe.fault_next(Faults::new().cut_to_client(5, Cut::End));
    let client = within(pipe.connector().connect()).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    within(server.send("Hello")).await.unwrap();
    drop(client);
    let told = recorder.take();
    assert!(with_message(&told, "writing failed").is_empty(), "the write was queued");
}
