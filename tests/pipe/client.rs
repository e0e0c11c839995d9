//! The reconnecting client over real pipes, against servers that are slow, small, dead or gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use npipes::{
    Client, ConnectionOptions, Error, Listener, ListenerOptions,
    client::{ClientOptions, ClientState, Delivered, Fate},
    frame::FrameFormat,
    pipe::Connector,
    retry::Backoff,
};
use tokio_util::sync::CancellationToken;

use crate::{
    echo::{echo, select_loop, start_halves},
    support::{unique_name, within},
};

const MS: Duration = Duration::from_millis(1);

fn echo_server(mut listener: Listener) {
    tokio::spawn(async move {
        while let Ok(far) = listener.accept().await {
            tokio::spawn(echo(far));
        }
    });
}

#[tokio::test]
async fn a_select_loop_goes_on_while_both_sides_write_100_kilobytes() {
    let name = unique_name();
    echo_server(Listener::bind(&name).unwrap());
    let (client, inbox) = Client::spawn(Connector::new(&*name).unwrap());
    within(select_loop(client, inbox, 200)).await;
}

#[tokio::test]
async fn two_tasks_use_the_halves_of_a_duplex_before_there_is_a_server() {
    let name = unique_name();
    let (client, inbox) = Client::spawn(Connector::new(&*name).unwrap());
    let work = start_halves(client, inbox, 200);
    tokio::task::yield_now().await;
    echo_server(Listener::bind(&name).unwrap());
    within(work).await;
}

#[tokio::test]
async fn a_message_that_the_server_refuses_at_its_header_comes_back_and_those_behind_it_go_on() {
    let name = unique_name();
    let small = ConnectionOptions::new().format(FrameFormat::new().max_payload(64 * 1024));
    let mut listener = ListenerOptions::new().connection(small).bind(&name).unwrap();
    let connections = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let far = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(echo(far));
        }
    });
    let options = ClientOptions::new().backoff(Backoff::new(MS, 20 * MS));
    let connector = Connector::new(&*name).unwrap();
    let (client, mut inbox) = Client::builder(connector).options(options).spawn();
    let refused = within(client.send(vec![0; 1 << 20])).await.unwrap();
    let after = within(client.send("after")).await.unwrap();
    let returned = within(refused).await.unwrap_err();
    assert_eq!((returned.fate, returned.message.len()), (Fate::NotSent, 1 << 20));
    assert!(matches!(*returned.cause, Error::NotTaken { connections: 3, .. }), "{returned:?}");
    assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), b"after"[..]);
    assert_eq!(within(after).await.unwrap(), Delivered::Read);
    assert_eq!(connections.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_the_hook_is_left() {
    let name = unique_name();
    // Nobody accepts: its instances are armed, so that clients get in and wait.
    let mut listener = Listener::bind(&name).unwrap();
    let token = CancellationToken::new();
    let options = ClientOptions::new()
        .backoff(Backoff::new(MS, MS))
        .attempt_timeout(100 * MS)
        .max_attempts(2);
    let (_client, mut inbox) = Client::builder(Connector::new(&*name).unwrap())
        .options(options)
        .on_connect(|connection| {
            Box::pin(async move {
                connection.send("hello").await?;
                connection.receive().await?;
                Ok(())
            })
        })
        .shutdown_on(token.clone())
        .spawn();
    let error = within(inbox.receive()).await.unwrap_err();
    let Error::GaveUp { attempts: 2, source: Some(source), .. } = &error else {
        panic!("{error:?}");
    };
    assert!(matches!(**source, Error::AttemptTimedOut { .. }), "{source:?}");
    // Nothing of the attempts is left but what they sent.
    for _ in 0..2 {
        let mut left = within(listener.accept()).await.unwrap();
        while let Ok(Some(message)) = within(left.receive()).await {
            assert_eq!(message, b"hello"[..]);
        }
    }
}

#[tokio::test]
async fn what_a_server_said_before_it_left_is_received_whatever_the_client_does_first() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let options = ClientOptions::new().inbox(4096);
    let connector = Connector::new(&*name).unwrap();
    let (client, mut inbox) = Client::builder(connector).options(options).spawn();
    let mut first = within(listener.accept()).await.unwrap();
    for number in 0..20 {
        within(first.send(vec![number; 1024])).await.unwrap();
    }
    drop(first);
    within(client.send("next question")).await.unwrap();
    for number in 0..20 {
        assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), [number; 1024][..]);
    }
    // It was lost with the first connection, or is asked of the second.
    let mut second = within(listener.accept()).await.unwrap();
    within(second.send("still here")).await.unwrap();
    assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), b"still here"[..]);
}

#[tokio::test]
async fn the_last_handle_that_is_dropped_waits_until_the_server_has_read() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let (client, _inbox) = Client::spawn(Connector::new(&*name).unwrap());
    let mut states = client.watch();
    let receipt = within(client.send(vec![7; 1 << 20])).await.unwrap();
    drop(client);
    let mut server = within(listener.accept()).await.unwrap();
    assert_eq!(within(server.receive()).await.unwrap().unwrap().len(), 1 << 20);
    assert_eq!(within(receipt).await.unwrap(), Delivered::Read);
    assert_eq!(within(server.receive()).await.unwrap(), None);
    within(states.wait_for(|state| *state == ClientState::Ended)).await.unwrap();
}
