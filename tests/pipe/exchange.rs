//! Messages through a real pipe.

use std::env;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use npipes::{
    Connection, ConnectionOptions, DrainOutcome, Error, FrameCodec, Listener, PipeStream, connect,
    frame::FrameError,
};
use tokio_util::codec::Framed;

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
        assert_eq!(within(connection.close()).await.unwrap(), DrainOutcome::Drained);
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
        matches!(error, Error::Frame(FrameError::Truncated { have: 9, need: 17, .. })),
        "{error:?}"
    );
    assert_eq!(within(connection.receive()).await.unwrap(), None);
}

/// Messages of sizes from 0 B to 1 MiB, drawn evenly on a logarithmic scale, cut from one random
/// block. The same seed gives the same messages at both ends.
struct Messages {
    block: Bytes,
    state: u64,
}

impl Messages {
    const LARGEST: usize = 1024 * 1024;

    fn new(block: &Bytes, seed: u64) -> Self {
        Self { block: block.clone(), state: seed }
    }

    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.state >> 33
    }

    fn next(&mut self) -> Bytes {
        let exponent = self.draw() as f64 / (1_u64 << 31) as f64;
        let len = ((Self::LARGEST + 1) as f64).powf(exponent) as usize - 1;
        let start = self.draw() as usize % (self.block.len() - Self::LARGEST);
        self.block.slice(start..start + len)
    }
}

/// Sends `count` messages of `outgoing` while it receives as many of `incoming`.
async fn swap(
    connection: Connection<PipeStream>,
    count: usize,
    mut outgoing: Messages,
    mut incoming: Messages,
) {
    let (mut send, mut receive) = connection.split();
    let out = async {
        for _ in 0..count {
            within(send.send(outgoing.next())).await.unwrap();
        }
    };
    let back = async {
        for n in 0..count {
            let message = within(receive.receive()).await.unwrap().unwrap();
            assert!(message == incoming.next(), "message {n} differs");
        }
    };
    tokio::join!(out, back);
}

/// `NPIPES_EXCHANGES` sets how many go each way: 100,000 take minutes.
#[tokio::test]
async fn messages_of_random_sizes_cross_both_ways_at_once() {
    let count = env::var("NPIPES_EXCHANGES").map_or(300, |count| count.parse().unwrap());
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let block = Bytes::from(pattern(2 * Messages::LARGEST, 1));
    let messages = |seed| Messages::new(&block, seed);
    let client = within(connect(&name)).await.unwrap();
    let server = within(listener.accept()).await.unwrap();
    tokio::join!(
        swap(server, count, messages(1), messages(2)),
        swap(client, count, messages(2), messages(1)),
    );
}

#[tokio::test]
async fn a_bare_tokio_handle_under_framed_understands_a_connection() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    #[cfg(windows)]
    let client = tokio::net::windows::named_pipe::ClientOptions::new()
        .open(listener.name().as_str())
        .unwrap();
    #[cfg(unix)]
    let client = within(tokio::net::UnixStream::connect(listener.name().as_str())).await.unwrap();
    let mut client = Framed::new(client, FrameCodec::default());
    let mut server = within(listener.accept()).await.unwrap();
    within(client.send(Bytes::from("Hello"))).await.unwrap();
    let message = within(server.receive()).await.unwrap().unwrap();
    within(server.send(message)).await.unwrap();
    assert_eq!(within(client.next()).await.unwrap().unwrap(), b"Hello"[..]);
}

#[tokio::test]
async fn a_stream_gives_tokios_handle_back() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let client = within(connect(&name)).await.unwrap().into_inner();
    let server = within(listener.accept()).await.unwrap().into_inner();
    #[cfg(windows)]
    let (client, server) = (
        PipeStream::from(client.into_server().unwrap_err().into_client().unwrap()),
        PipeStream::from(server.into_client().unwrap_err().into_server().unwrap()),
    );
    #[cfg(unix)]
    let (client, server) = (
        PipeStream::from_unix(client.into_unix().unwrap(), false),
        PipeStream::from_unix(server.into_unix().unwrap(), true),
    );
    let options = ConnectionOptions::new();
    let mut client = Connection::with_transport(client, &options);
    let mut server = Connection::with_transport(server, &options);
    within(client.send("Hello")).await.unwrap();
    assert_eq!(within(server.receive()).await.unwrap().unwrap(), b"Hello"[..]);
}
