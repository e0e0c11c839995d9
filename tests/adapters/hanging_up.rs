//! Peers that hang up, at every point of a conversation, are how conversations end.

use npipes::{Listener, PipeStream, connect_stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};

use crate::{
    http::{AxumServer, Client},
    support::{unique_name, within},
    tonic::{Server, ask, channel},
    trouble::Troubles,
};

const REQUEST: &[u8] = b"GET /whoami HTTP/1.1\r\nhost: pipe\r\n\r\n";

#[tokio::test]
async fn no_client_of_axum_that_hangs_up_is_an_error() {
    let (troubles, _guard) = Troubles::record();
    let name = unique_name();
    let server = AxumServer::start(&name).await;

    drop(within(connect_stream(&name)).await.unwrap());

    let mut answered = Client::new(&name);
    answered.whoami().await;
    answered.close().await;

    let mut half_read = within(connect_stream(&name)).await.unwrap();
    within(half_read.write_all(REQUEST)).await.unwrap();
    within(half_read.read_u8()).await.unwrap();
    drop(half_read);

    let mut unread = within(connect_stream(&name)).await.unwrap();
    within(unread.write_all(REQUEST)).await.unwrap();
    server.asked(3).await;
    drop(unread);

    assert_eq!(server.stop().await, 4);
    troubles.assert_none();
}

#[tokio::test]
async fn no_client_of_tonic_that_hangs_up_is_an_error() {
    let (troubles, _guard) = Troubles::record();
    let name = unique_name();
    let server = Server::start(&name).await;

    let mut answered = [channel(&name).await];
    ask(&mut answered, 1).await;
    drop(answered);

    drop(channel(&name).await);
    server.accepted(2).await;

    assert_eq!(server.stop().await, 2);
    troubles.assert_none();
}

#[tokio::test]
async fn a_client_that_speaks_no_http_2_is_told_of_as_over_tcp() {
    let (troubles, _guard) = Troubles::record();
    let name = unique_name();
    let server = Server::start(&name).await;
    let mut client = within(connect_stream(&name)).await.unwrap();
    // Of the server's settings: the client is served.
    within(client.read_u8()).await.unwrap();
    drop(client);
    assert_eq!(server.stop().await, 1);
    let told = troubles.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].ends_with("connection closed before reading preface"), "{told:?}");
}

async fn pair() -> (PipeStream, PipeStream) {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let (server, client) =
        within(async { tokio::join!(listener.accept_stream(), connect_stream(&name)) }).await;
    (server.unwrap(), client.unwrap())
}

#[tokio::test]
async fn a_relay_ends_without_an_error_whoever_hangs_up() {
    let (_troubles, _guard) = Troubles::record();
    for client_first in [true, false] {
        let ((mut near, mut client), (mut server, mut far)) = (pair().await, pair().await);
        let relay = tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        within(client.write_all(b"ping")).await.unwrap();
        within(server.read_exact(&mut [0; 4])).await.unwrap();
        within(server.write_all(b"pong!")).await.unwrap();
        within(client.read_exact(&mut [0; 5])).await.unwrap();
        let left = if client_first {
            drop(client);
            server
        } else {
            drop(server);
            client
        };
        // A pipe has no end of one direction alone: whoever is left hangs up too.
        drop(left);
        assert_eq!(within(relay).await.unwrap().unwrap(), (4, 5));
    }
}
