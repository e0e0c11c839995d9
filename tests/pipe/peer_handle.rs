//! Who the client is, asked by whoever has no stream, and what such a handle does not keep.

use std::io::{self, Write};

use npipes::{Error, Listener, ListenerOptions, PipeStream, connect_stream, pipe::PeerHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    plain::plain_client,
    support::{unique_name, within},
};

async fn pair(name: &str) -> (Listener, PipeStream, PipeStream) {
    let mut listener = ListenerOptions::new().max_instances(1).bind(name).unwrap();
    let (server, client) =
        within(async { tokio::join!(listener.accept_stream(), connect_stream(name)) }).await;
    (listener, server.unwrap(), client.unwrap())
}

fn kind(client: &PeerHandle) -> io::ErrorKind {
    match client.peer() {
        Err(Error::Io { source, .. }) => source.kind(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_tells_what_the_stream_tells_wherever_that_is() {
    let name = unique_name();
    let (_listener, mut server, mut client) = pair(&name).await;
    let handle = server.peer_handle();
    assert_eq!(handle.peer().unwrap(), server.peer().unwrap());
    assert_eq!(handle.peer().unwrap().process_id, Some(std::process::id()));
    assert_eq!(handle.name(), server.name());

    let elsewhere = tokio::spawn(async move {
        let byte = server.read_u8().await;
        (byte, server)
    });
    assert_eq!(handle.clone().peer().unwrap().process_id, Some(std::process::id()));
    within(client.write_all(b"a")).await.unwrap();
    let (byte, server) = within(elsewhere).await.unwrap();
    assert_eq!(byte.unwrap(), b'a');

    let halves = server.into_split();
    assert!(handle.peer().is_ok());
    drop(halves.0);
    assert!(handle.peer().is_ok());
    drop(halves.1);
    assert_eq!(kind(&handle), io::ErrorKind::NotConnected);
}

#[tokio::test]
async fn a_clients_end_has_no_client() {
    let (_listener, _server, client) = pair(&unique_name()).await;
    assert_eq!(kind(&client.peer_handle()), io::ErrorKind::Unsupported);
}

#[tokio::test]
async fn it_keeps_neither_the_pipe_open_nor_its_instance_nor_its_name() {
    let name = unique_name();
    let (mut listener, server, mut client) = pair(&name).await;
    let handle = server.peer_handle();
    drop(server);
    assert_eq!(within(client.read(&mut [0])).await.unwrap(), 0);
    assert_eq!(kind(&handle), io::ErrorKind::NotConnected);

    // The one place is free again.
    let (server, client) =
        within(async { tokio::join!(listener.accept_stream(), connect_stream(&name)) }).await;
    let (server, _client) = (server.unwrap(), client.unwrap());
    let handles = [handle, server.peer_handle()];
    drop(server);
    within(listener.close()).await;
    drop(Listener::bind(&name).unwrap());
    assert_eq!(handles.map(|handle| kind(&handle)), [io::ErrorKind::NotConnected; 2]);
}

#[tokio::test]
async fn one_that_shows_itself_with_what_it_writes_is_known_when_that_was_read() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let mut client = plain_client(&name);
    let mut server = within(listener.accept_stream()).await.unwrap();
    let handle = server.peer_handle();
    client.write_all(b"a").unwrap();
    assert_eq!(within(server.read_u8()).await.unwrap(), b'a');
    assert_eq!(handle.peer().unwrap().process_id, Some(std::process::id()));
}

#[tokio::test]
async fn a_server_whose_stream_has_a_handle_can_have_tokios() {
    let (_listener, server, _client) = pair(&unique_name()).await;
    let handle = server.peer_handle();
    #[cfg(windows)]
    let server = server.into_server().unwrap();
    #[cfg(unix)]
    let server = server.into_unix().unwrap();
    assert_eq!(kind(&handle), io::ErrorKind::NotConnected);
    drop(server);
}
