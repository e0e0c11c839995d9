//! Messages through a real pipe.

use npipes::{Closed, Error, FrameError, Listener, connect};

use crate::support::{pattern, unique_name, within};

#[tokio::test]
async fn a_message_crosses_a_pipe_both_ways() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let server = async {
        let mut connection = within(listener.accept()).await.unwrap();
        let message = within(connection.receive()).await.unwrap().unwrap();
        within(connection.send(message)).await.unwrap();
        within(connection.receive()).await.unwrap()
    };
    let client = async {
        let mut connection = within(connect(&name)).await.unwrap();
        within(connection.send("Hello")).await.unwrap();
        let echo = within(connection.receive()).await.unwrap().unwrap();
        assert_eq!(within(connection.close()).await.unwrap(), Closed::Drained);
        echo
    };
    let (end, echo) = tokio::join!(server, client);
    assert_eq!(echo, b"Hello"[..]);
    assert_eq!(end, None);
}

#[tokio::test]
async fn a_large_message_arrives_whole() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let sent = pattern(3 * 1024 * 1024 + 7, 1);
    let expected = sent.clone();
    let client = async {
        let mut connection = within(connect(&name)).await.unwrap();
        within(connection.send(sent)).await.unwrap();
        connection
    };
    let server = async {
        let mut connection = within(listener.accept()).await.unwrap();
        within(connection.receive()).await.unwrap().unwrap()
    };
    let (_client, received) = tokio::join!(client, server);
    assert!(received == expected[..]);
}

#[tokio::test]
async fn a_peer_that_vanishes_inside_a_frame_is_reported_and_ends_the_stream() {
    use tokio::io::AsyncWriteExt;

    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let mut client = within(connect(&name)).await.unwrap().into_inner();
    within(client.write_all(&[17, 0, 0, 0, 5, 0, 0, 0, b'H'])).await.unwrap();
    drop(client);
    let mut connection = within(listener.accept()).await.unwrap();
    let error = within(connection.receive()).await.unwrap_err();
    assert!(
        matches!(error, Error::Frame(FrameError::Truncated { have: 9, need: 17 })),
        "{error:?}"
    );
    assert_eq!(within(connection.receive()).await.unwrap(), None);
}
