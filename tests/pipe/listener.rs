//! The listener: who owns a name, and who gets in.

use std::{task::Poll, time::Duration};

use futures::{FutureExt, StreamExt, poll};
use npipes::{
    Error, Listener, ListenerOptions, connect,
    error::{InvalidName, NameError},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    files::skips,
    plain::{Plain, is_busy, open, path, plain_client},
    support::{unique_name, within},
};

/// Opens clients until the server has no room left.
fn fill(name: &str) -> Vec<Plain> {
    let mut clients = Vec::new();
    loop {
        match open(name) {
            Ok(client) => clients.push(client),
            Err(e) => {
                assert!(is_busy(&e), "{e}");
                return clients;
            }
        }
    }
}

#[tokio::test]
async fn a_taken_name_is_reported_as_taken() {
    let name = unique_name();
    let _owner = Listener::bind(&name).unwrap();
    let error = Listener::bind(&name).unwrap_err();
    assert!(
        matches!(&error, Error::NameTaken { pipe, .. } if pipe.as_str().ends_with(&name)),
        "{error:?}"
    );
    let text = format!(
        "{} is taken: another server, perhaps in this process, listens on it{}",
        path(&name),
        match cfg!(windows) {
            true => {
                r"; or this is an app container, which may create only pipes that are named LOCAL\name"
            }
            false => "",
        }
    );
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn a_taken_name_stays_its_owners() {
    let name = unique_name();
    let mut owner = Listener::bind(&name).unwrap();
    for _ in 0..3 {
        Listener::bind(&name).unwrap_err();
        let client = within(connect(&name)).await.unwrap();
        drop(within(owner.accept()).await.unwrap());
        drop(client);
    }
}

#[tokio::test]
async fn another_machines_name_cannot_be_listened_on() {
    let error = ListenerOptions::new().bind(r"\\host\pipe\orders").unwrap_err();
    let Error::InvalidName(InvalidName { source, .. }) = &error else { panic!("{error:?}") };
    let expected = if cfg!(windows) { NameError::Remote } else { NameError::OtherMachine };
    assert_eq!(*source, expected);
}

#[tokio::test]
async fn as_many_clients_get_in_at_once_as_the_backlog_holds() {
    if skips("as_many_clients_get_in_at_once_as_the_backlog_holds") {
        return;
    }
    for (backlog, clients) in [(0, 1), (1, 1), (4, 4), (16, 16), (254, 254), (255, 254)] {
        let name = unique_name();
        let _listener = ListenerOptions::new().backlog(backlog).bind(&name).unwrap();
        assert_eq!(fill(&name).len(), clients, "backlog {backlog}");
    }
}

#[tokio::test]
async fn the_default_backlog_is_what_it_says() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let clients = fill(&name);
    assert_eq!(clients.len(), usize::from(ListenerOptions::DEFAULT_BACKLOG));
    for _ in clients {
        within(listener.accept()).await.unwrap();
    }
}

#[tokio::test]
async fn the_next_instance_waits_before_the_accepted_one_is_handed_out() {
    let name = unique_name();
    let mut listener = ListenerOptions::new().backlog(1).bind(&name).unwrap();
    let mut clients = Vec::new();
    for _ in 0..20 {
        // Only this one open between two accepts: each must find an instance at once.
        clients.push(open(&name).unwrap());
        drop(within(listener.accept()).await.unwrap());
    }
}

#[tokio::test]
async fn clients_are_accepted_in_the_order_they_came() {
    let name = unique_name();
    let mut listener = ListenerOptions::new().backlog(3).bind(&name).unwrap();
    let mut clients = Vec::new();
    for number in 0..3_u8 {
        let mut client = within(connect(&name)).await.unwrap();
        within(client.send(vec![number])).await.unwrap();
        clients.push(client);
    }
    for number in 0..3_u8 {
        let mut connection = within(listener.accept()).await.unwrap();
        assert_eq!(within(connection.receive()).await.unwrap().unwrap(), [number][..]);
    }
}

#[tokio::test]
async fn an_accept_that_is_dropped_loses_no_client() {
    let name = unique_name();
    let mut listener = ListenerOptions::new().backlog(2).bind(&name).unwrap();
    for polls in 0..50_u8 {
        // Dropped while nobody is there, and at any stage of a client's arrival.
        assert!(listener.accept().now_or_never().is_none());
        let mut client = within(connect(&name)).await.unwrap();
        within(client.send(vec![polls])).await.unwrap();
        let mut accepted = None;
        for _ in 0..polls % 5 {
            accepted = accepted.or_else(|| listener.accept().now_or_never());
            tokio::task::yield_now().await;
        }
        let mut connection = match accepted {
            Some(accepted) => accepted.unwrap(),
            None => within(listener.accept()).await.unwrap(),
        };
        assert_eq!(within(connection.receive()).await.unwrap().unwrap(), [polls][..]);
    }
}

#[tokio::test]
async fn an_accept_waits_and_is_woken_by_a_client() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let accept = listener.accept();
    tokio::pin!(accept);
    assert!(matches!(poll!(&mut accept), Poll::Pending));
    let (accepted, client) = within(async { tokio::join!(accept, connect(&name)) }).await;
    accepted.unwrap();
    client.unwrap();
}

#[tokio::test]
async fn a_client_that_wrote_and_left_is_accepted_with_its_messages() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let mut client = within(connect(&name)).await.unwrap();
    within(client.send("first")).await.unwrap();
    within(client.send("second")).await.unwrap();
    drop(client);
    // The runtime closes the client's handle when it next looks for finished I/O.
    tokio::task::yield_now().await;
    let mut connection = within(listener.accept()).await.unwrap();
    assert_eq!(within(connection.receive()).await.unwrap().unwrap(), b"first"[..]);
    assert_eq!(within(connection.receive()).await.unwrap().unwrap(), b"second"[..]);
    assert_eq!(within(connection.receive()).await.unwrap(), None);
}

#[tokio::test]
async fn clients_that_only_probe_do_not_stop_the_accepting() {
    let name = unique_name();
    let mut listener = ListenerOptions::new().backlog(2).bind(&name).unwrap();
    for _ in 0..10 {
        drop(plain_client(&name));
        let mut connection = within(listener.accept()).await.unwrap();
        assert_eq!(within(connection.receive()).await.unwrap(), None);
    }
    let client = within(connect(&name)).await.unwrap();
    within(listener.accept()).await.unwrap();
    drop(client);
}

#[tokio::test]
async fn a_stream_serves_a_protocol_of_ones_own() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let client = within(connect(&name)).await.unwrap().into_inner();
    #[cfg(windows)]
    let mut client = client.into_client().unwrap();
    #[cfg(unix)]
    let mut client = client.into_unix().unwrap();
    let mut server = within(listener.accept_stream()).await.unwrap();
    within(client.write_all(b"no frame")).await.unwrap();
    let mut arrived = [0; 8];
    within(server.read_exact(&mut arrived)).await.unwrap();
    assert_eq!(&arrived, b"no frame");
}

#[tokio::test]
async fn incoming_yields_a_connection_for_each_client() {
    let name = unique_name();
    let mut incoming = Listener::bind(&name).unwrap().incoming();
    for number in 0..8_u8 {
        let mut client = within(connect(&name)).await.unwrap();
        within(client.send(vec![number])).await.unwrap();
        let mut connection = within(incoming.next()).await.unwrap().unwrap();
        assert_eq!(within(connection.receive()).await.unwrap().unwrap(), [number][..]);
    }
    let listener = incoming.into_listener();
    assert_eq!(listener.name().as_str(), path(&name));
}

#[tokio::test]
async fn closing_stops_new_clients_and_leaves_accepted_ones_alone() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let mut client = within(connect(&name)).await.unwrap();
    let mut connection = within(listener.accept()).await.unwrap();
    within(listener.close()).await;

    for _ in 0..20 {
        assert!(open(&name).is_err());
        tokio::task::yield_now().await;
    }
    for message in ["one", "two"] {
        within(client.send(message)).await.unwrap();
        let arrived = within(connection.receive()).await.unwrap().unwrap();
        within(connection.send(arrived)).await.unwrap();
        assert_eq!(within(client.receive()).await.unwrap().unwrap(), message.as_bytes());
    }
}

#[tokio::test]
async fn a_dropped_listener_lets_nobody_in_even_before_the_runtime_has_run() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    assert!(listener.accept().now_or_never().is_none());
    drop(listener);
    assert!(open(&name).is_err());
}

#[tokio::test]
async fn a_client_that_was_not_accepted_learns_that_the_listener_is_gone() {
    let name = unique_name();
    let listener = Listener::bind(&name).unwrap();
    let mut client = within(connect(&name)).await.unwrap();
    within(listener.close()).await;
    let error = within(client.receive()).await.unwrap_err();
    assert!(error.is_closed(), "{error:?}");
}

#[tokio::test]
async fn the_name_is_free_again_after_close() {
    let name = unique_name();
    for _ in 0..20 {
        let mut listener = Listener::bind(&name).unwrap();
        assert!(listener.accept().now_or_never().is_none());
        within(listener.close()).await;
    }
}

#[tokio::test]
async fn a_receive_that_times_out_leaves_the_connection_usable() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let mut client = within(connect(&name)).await.unwrap();
    let mut connection = within(listener.accept()).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(1), connection.receive()).await;
    assert!(waited.is_err());
    within(client.send("late")).await.unwrap();
    assert_eq!(within(connection.receive()).await.unwrap().unwrap(), b"late"[..]);
}
