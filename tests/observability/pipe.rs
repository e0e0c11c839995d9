//! The events of real pipes.

use std::{io::Write, time::Duration};

use futures::FutureExt;
use npipes::{
    Client, ConnectOptions, Connection, ConnectionOptions, DrainOutcome, Error, Listener,
    ListenerOptions, PipeName, PipeStream,
    client::{ClientState, Connect as _},
    pipe::Connector,
    retry::{Backoff, Retry},
    security::ServerTrust,
};
use tokio_util::sync::CancellationToken;
use tracing::Level;

use crate::{
    record::{Recorder, assert_documented, the_one, with_message},
    support::{pattern, unique_name, within},
};

const STEADY: Retry = Retry::with_backoff(
    Backoff::new(Duration::from_millis(10), Duration::from_millis(10)).without_jitter(),
);

fn path(name: &str) -> String {
    PipeName::new(name).unwrap().to_string()
}

#[tokio::test]
async fn connecting_and_accepting_tell_who_is_at_both_ends() {
    let (recorder, _guard) = Recorder::install();
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let connector = Connector::new(&*name).unwrap();
    let (client, _inbox) = Client::spawn(connector);
    drop(within(listener.accept()).await.unwrap());
    // It notices the loss, and connects again.
    let _server = within(listener.accept()).await.unwrap();
    let mut watch = client.watch();
    let connected = ClientState::Connected { session: 2 };
    within(watch.wait_for(|state| *state == connected)).await.unwrap();
    let told = recorder.take();
    assert_documented(&told);
    assert_eq!(
        the_one(&told, "listening").get("backlog"),
        ListenerOptions::DEFAULT_BACKLOG.to_string()
    );

    let this = std::process::id().to_string();
    let spans = recorder.connections();
    for span in &spans {
        assert_eq!((&span["pipe"], &span["peer"]), (&path(&name), &this));
    }
    let of = |role: &str| -> Vec<String> {
        let mine = spans.iter().filter(|span| span["role"] == role);
        mine.map(|span| span["id"].clone()).collect()
    };
    assert_eq!(
        (of("server"), of("client")),
        (vec!["1".into(), "2".into()], vec!["1".into(), "2".into()])
    );
    for (message, role) in [("connected", "client"), ("accepted", "server")] {
        let event = with_message(&told, message)[0];
        assert_eq!((event.level, event.of_connection("role")), (Level::DEBUG, role));
        assert_eq!((event.of_connection("id"), event.get("pipe")), ("1", &*path(&name)));
    }
}

#[tokio::test]
async fn every_attempt_is_told_and_counted() {
    let (recorder, _guard) = Recorder::install();
    let name = unique_name();
    let options = ConnectOptions::new().not_found(STEADY);
    let connector = Connector::with_options(&name, &options).unwrap();
    let late = async {
        while with_message(&recorder.peek(), "retrying").len() < 3 {
            tokio::task::yield_now().await;
        }
        Listener::bind(&name).unwrap()
    };
    let (client, _listener) = within(async { tokio::join!(connector.connect(), late) }).await;
    let client = client.unwrap();
    let told = recorder.take();
    assert_documented(&told);
    let retries = with_message(&told, "retrying");
    assert_eq!(client.stats().retries, retries.len() as u64);
    for (number, event) in (1..).zip(&retries) {
        assert_eq!(event.get("attempt"), number.to_string());
        assert_eq!((event.get("cause"), event.get("delay")), ("not found", "10ms"));
        assert_eq!(event.get("pipe"), path(&name));
    }
    let connected = the_one(&told, "connected");
    assert_eq!(connected.get("not_found"), retries.len().to_string());
    assert_eq!(connected.of_connection("id"), "1");
}

#[tokio::test]
async fn giving_up_and_distrust_are_told() {
    let (recorder, _guard) = Recorder::install();
    let name = unique_name();
    within(npipes::connect(&name)).await.unwrap_err();
    let _listener = Listener::bind(&name).unwrap();
    let nobody = ServerTrust::judged_by(|_| false);
    within(ConnectOptions::new().server_trust(nobody).connect(&name)).await.unwrap_err();
    let told = recorder.take();
    assert_documented(&told);
    let gave_up = the_one(&told, "gave up");
    assert_eq!((gave_up.level, gave_up.get("attempts")), (Level::DEBUG, "1"));
    assert_eq!(the_one(&told, "the server is not trusted").level, Level::WARN);
}

#[tokio::test]
async fn drains_and_closes_tell_their_outcome() {
    let (recorder, _guard) = Recorder::install();
    // Where the peer reads or leaves, that must be in time on a busy machine too.
    for (outcome, millis) in [("drained", 3_000), ("timed out", 100), ("peer gone", 3_000)] {
        let name = unique_name();
        let options = ConnectionOptions::new().close_timeout(Duration::from_millis(millis));
        let mut listener = ListenerOptions::new().connection(options).bind(&name).unwrap();
        let mut client = Some(within(npipes::connect(&name)).await.unwrap());
        let mut server = within(listener.accept()).await.unwrap();
        within(server.feed(pattern(1 << 20, 1))).await.unwrap();
        assert!(matches!(within(server.drained()).await.unwrap(), DrainOutcome::TimedOut { .. }));
        if outcome == "peer gone" {
            client = None;
        }
        let reading = async {
            match &mut client {
                Some(client) if outcome == "drained" => client.receive().await.map(drop),
                _ => Ok(()),
            }
        };
        let (closed, read) = within(async { tokio::join!(server.close(), reading) }).await;
        read.unwrap();
        let told = recorder.take();
        assert_documented(&told);
        assert_eq!(the_one(&told, "drain").get("outcome"), "timed out");
        let close = the_one(&told, "close");
        assert_eq!((close.get("outcome"), close.of_connection("role")), (outcome, "server"));
        assert_eq!((close.get("messages_sent"), close.get("bytes_sent")), ("1", "1048576"));
        let expected = match outcome {
            "drained" => matches!(closed, Ok(DrainOutcome::Drained)),
            "timed out" => matches!(closed, Ok(DrainOutcome::TimedOut { .. })),
            _ => matches!(closed, Ok(DrainOutcome::PeerGone)),
        };
        assert!(expected, "{closed:?}");
    }
}

#[tokio::test]
async fn a_corrupt_frame_from_another_program_is_told() {
    let (recorder, _guard) = Recorder::install();
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    #[cfg(windows)]
    let mut client = std::fs::File::options().read(true).write(true).open(path(&name)).unwrap();
    #[cfg(unix)]
    let mut client = std::os::unix::net::UnixStream::connect(path(&name)).unwrap();
    client.write_all(b"\x11\0\0\0\x05\0\0\0Hello\x01\x02\x03\x04").unwrap();
    client.write_all(b"\x11\0\0\0\x05\0\0\0Hel").unwrap();
    drop(client);
    let mut server = within(listener.accept()).await.unwrap();
    within(server.receive()).await.unwrap_err();
    within(server.receive()).await.unwrap_err();
    assert_eq!(server.stats().corrupt_frames, 1);
    let told = recorder.take();
    assert_documented(&told);
    let corrupt = the_one(&told, "corrupt frame");
    assert_eq!((corrupt.get("frame"), corrupt.get("len")), ("1", "5"));
    let broken = the_one(&told, "ended inside a frame");
    assert_eq!((broken.get("frame"), broken.get("have"), broken.get("need")), ("2", "11", "17"));
}

#[tokio::test]
async fn a_listener_tells_that_it_has_reached_its_limit() {
    let (recorder, _guard) = Recorder::install();
    let name = unique_name();
    let mut listener = ListenerOptions::new().max_instances(1).bind(&name).unwrap();
    for _ in 0..2 {
        let (client, server) =
            within(async { tokio::join!(npipes::connect(&name), listener.accept()) }).await;
        for _ in 0..3 {
            assert!(listener.accept().now_or_never().is_none());
        }
        let told = recorder.take();
        assert_documented(&told);
        let full = the_one(&told, "all instances are in use");
        assert_eq!((full.level, full.get("pipe")), (Level::DEBUG, &*path(&name)));
        assert!(told.iter().all(|event| event.level > Level::WARN), "{told:?}");
        drop((client.unwrap(), server.unwrap()));
    }
}

/// What holds the instance is a bare handle, of which the listener is not told.
#[cfg(windows)]
#[tokio::test(start_paused = true)]
async fn a_listener_tells_of_its_troubles_and_of_its_recovery() {
    let (recorder, _guard) = Recorder::install();
    let name = unique_name();
    let mut listener = ListenerOptions::new().max_instances(1).bind(&name).unwrap();
    let client = within(npipes::connect(&name)).await.unwrap();
    let handle = within(listener.accept_stream()).await.unwrap().into_server().unwrap();
    let half_a_minute = Duration::from_secs(30);
    tokio::time::timeout(half_a_minute, listener.accept()).await.unwrap_err();
    let told = recorder.take();
    assert_documented(&told);
    let trouble = the_one(&told, "no further instance can be created");
    assert_eq!((trouble.level, trouble.get("pipe")), (Level::WARN, &*path(&name)));

    drop((client, handle));
    let (client, server) =
        within(async { tokio::join!(npipes::connect(&name), listener.accept()) }).await;
    let _ends = (client.unwrap(), server.unwrap());
    let told = recorder.take();
    assert_documented(&told);
    let recovery = the_one(&told, "instances can be created again");
    assert_eq!(recovery.level, Level::WARN);
    assert!(recovery.get("attempts").parse::<u32>().unwrap() >= 30);
}

#[tokio::test]
async fn a_refused_client_is_told_of() {
    let (recorder, _guard) = Recorder::install();
    let name = unique_name();
    let mut listener = ListenerOptions::new().filter(|_| false).bind(&name).unwrap();
    let mut client = within(npipes::connect(&name)).await.unwrap();
    within(client.send("Hello")).await.unwrap();
    let accepting = async {
        loop {
            let refused = recorder.peek().iter().any(|e| e.message.starts_with("refused a client"));
            if refused {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut accept = std::pin::pin!(listener.accept());
    within(async {
        tokio::select! {
            accepted = &mut accept => panic!("{accepted:?}"),
            () = accepting => {}
        }
    })
    .await;
    let told = recorder.take();
    assert_documented(&told);
}

#[tokio::test]
async fn a_handler_runs_in_the_span_of_its_pipe() {
    let (recorder, _guard) = Recorder::install();
    let name = unique_name();
    let shutdown = CancellationToken::new();
    let handler = |mut connection: Connection<PipeStream>, _| async move {
        let order = connection.receive().await?.ok_or(Error::Closed)?;
        tracing::info!(target: "npipes-user", "an order");
        connection.send(order).await?;
        Ok(connection)
    };
    let listener = Listener::bind(&name).unwrap();
    let service = tokio::spawn(npipes::serve(listener, shutdown.clone(), handler));
    let mut client = within(npipes::connect(&name)).await.unwrap();
    within(client.send("tea")).await.unwrap();
    within(client.receive()).await.unwrap().unwrap();
    shutdown.cancel();
    let _ = within(service).await.unwrap();
    let told = recorder.take();
    let order = the_one(&told, "an order");
    assert_eq!((order.of_connection("id"), order.of_connection("role")), ("1", "server"));
    assert_eq!(order.of_connection("peer"), std::process::id().to_string());
}
