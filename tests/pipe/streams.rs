//! Streams for protocols of one's own: nothing of this crate is in them.

use std::io::{ErrorKind, Read, Write};

use futures::{FutureExt, StreamExt};
use npipes::{
    ConnectOptions, ConnectionOptions, DrainOutcome, Error, Listener, ListenerOptions, PipeStream,
    connect_stream, connection::Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    plain::{Plain, leave, plain_client},
    support::{pattern, unique_name, within},
};

async fn pair(options: &ListenerOptions) -> (PipeStream, PipeStream) {
    let name = unique_name();
    let mut listener = options.bind(&name).unwrap();
    let (server, client) =
        within(async { tokio::join!(listener.accept_stream(), connect_stream(&name)) }).await;
    (server.unwrap(), client.unwrap())
}

#[tokio::test]
async fn what_is_written_arrives_and_nothing_else_does() {
    let (mut server, mut client) = pair(&ListenerOptions::new()).await;
    within(client.write_all(b"GET / HTTP/1.1\r\n\r\n")).await.unwrap();
    let mut request = [0; 64];
    let len = within(server.read(&mut request)).await.unwrap();
    assert_eq!(&request[..len], b"GET / HTTP/1.1\r\n\r\n");
    within(server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")).await.unwrap();
    drop(server);
    let mut answer = Vec::new();
    within(client.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 204 No Content\r\n\r\n");
}

#[tokio::test]
async fn a_stream_is_connected_as_a_connection_is() {
    let name = unique_name();
    let absent = within(connect_stream(&name)).await.unwrap_err();
    assert!(matches!(absent, Error::Connect(e) if e.attempts.not_found == 1));

    let waiting = ConnectOptions::new().not_found(ConnectOptions::WAIT_FOR_SERVER);
    let mut connecting = Box::pin(waiting.connect_stream(&name));
    assert!(connecting.as_mut().now_or_never().is_none());
    let mut listener = Listener::bind(&name).unwrap();
    let client = within(connecting).await.unwrap();
    assert!(client.name().unwrap().as_str().ends_with(&name));
    within(listener.accept_stream()).await.unwrap();
}

#[tokio::test]
async fn a_stream_becomes_a_connection_after_a_word_of_another_protocol() {
    let (mut server, mut client) = pair(&ListenerOptions::new()).await;
    assert!(server.is_server() && !client.is_server());
    within(client.write_all(b"orders/2\n")).await.unwrap();
    within(server.read_exact(&mut [0; 9])).await.unwrap();
    let name = client.name().unwrap().clone();
    let mut server = server.into_connection(&ConnectionOptions::new());
    let mut client = client.into_connection(&ConnectionOptions::new());
    within(client.send("Hello")).await.unwrap();
    assert_eq!(within(server.receive()).await.unwrap().unwrap(), b"Hello"[..]);
    drop(server);
    let error = within(async {
        loop {
            if let Err(error) = client.send("more").await {
                break error;
            }
        }
    });
    let error = error.await;
    assert!(matches!(&error, Error::Io { pipe: Some(pipe), .. } if *pipe == name), "{error:?}");
}

#[tokio::test]
async fn streams_to_clients_come_as_a_stream() {
    let name = unique_name();
    let mut incoming = Listener::bind(&name).unwrap().incoming_streams();
    for _ in 0..3 {
        let mut client = within(connect_stream(&name)).await.unwrap();
        let mut server = within(incoming.next()).await.unwrap().unwrap();
        within(client.write_all(b"a")).await.unwrap();
        assert_eq!(within(server.read_u8()).await.unwrap(), b'a');
    }
    assert!(incoming.into_listener().name().as_str().ends_with(&name));
}

#[tokio::test]
async fn a_stream_and_a_connection_can_be_accepted_in_turn() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let mut raw = within(connect_stream(&name)).await.unwrap();
    let mut stream = within(listener.accept_stream()).await.unwrap();
    let mut framed = within(npipes::connect(&name)).await.unwrap();
    let mut connection = within(listener.accept()).await.unwrap();
    within(raw.write_all(b"raw")).await.unwrap();
    within(framed.send("framed")).await.unwrap();
    let mut bytes = [0; 3];
    within(stream.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"raw");
    assert_eq!(within(connection.receive()).await.unwrap().unwrap(), b"framed"[..]);
}

#[tokio::test]
async fn the_halves_work_in_two_tasks_at_once_and_make_one_stream_again() {
    const LEN: usize = 1 << 20;
    let (server, client) = pair(&ListenerOptions::new()).await;
    let ends = [(server, 1), (client, 2)].map(|(stream, seed)| {
        tokio::spawn(async move {
            let (mut reader, mut writer) = stream.into_split();
            let writing = tokio::spawn(async move {
                writer.write_all(&pattern(LEN, seed)).await.unwrap();
                assert_eq!(writer.drained().await.unwrap(), DrainOutcome::Drained);
                writer
            });
            let mut bytes = vec![0; LEN];
            reader.read_exact(&mut bytes).await.unwrap();
            assert!(bytes == pattern(LEN, 3 - seed));
            reader.reunite(writing.await.unwrap()).unwrap()
        })
    });
    let mut whole = Vec::new();
    for end in ends {
        whole.push(within(end).await.unwrap());
    }
    let [server, client] = &mut whole[..] else { unreachable!("two ends") };
    within(server.write_all(b"whole")).await.unwrap();
    let mut bytes = [0; 5];
    within(client.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"whole");
}

#[tokio::test]
async fn halves_of_two_streams_are_given_back() {
    let (server, client) = pair(&ListenerOptions::new()).await;
    let (server_reader, mut server_writer) = server.into_split();
    let (client_reader, client_writer) = client.into_split();
    let error = server_reader.reunite(client_writer).unwrap_err();
    assert_eq!(error.to_string(), "the halves are of two streams");
    let (server_reader, client_writer) = error.into_halves();
    let mut client = client_writer.reunite(client_reader).unwrap();
    within(server_writer.write_all(b"a")).await.unwrap();
    assert_eq!(within(client.read_u8()).await.unwrap(), b'a');
    server_writer.reunite(server_reader).unwrap();
}

#[tokio::test]
async fn a_half_that_is_aborted_ends_the_other() {
    let (server, mut client) = pair(&ListenerOptions::new()).await;
    let (mut reader, writer) = server.into_split();
    let mut byte = [0];
    let reading = reader.read(&mut byte);
    tokio::pin!(reading);
    assert!(reading.as_mut().now_or_never().is_none());
    writer.abort();
    assert!(within(reading).await.is_err());
    let read = within(client.read(&mut [0])).await;
    assert!(if cfg!(windows) { read.is_err() } else { read.is_ok_and(|count| count == 0) });
}

#[tokio::test]
async fn the_writing_half_can_end_its_direction_alone() {
    let options = ListenerOptions::new();
    #[cfg(windows)]
    let options = options.pipe_type(npipes::pipe::PipeType::Message);
    let (server, mut client) = pair(&options).await;
    let (mut reader, mut writer) = server.into_split();
    within(writer.write_all(b"last")).await.unwrap();
    let reading = async {
        let mut bytes = [0; 4];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(client.read(&mut bytes).await.unwrap(), 0);
    };
    let (closed, ()) = within(async { tokio::join!(writer.close_write(), reading) }).await;
    assert_eq!(closed.unwrap(), DrainOutcome::Drained);
    within(client.write_all(b"b")).await.unwrap();
    assert_eq!(within(reader.read_u8()).await.unwrap(), b'b');
}

#[cfg(windows)]
#[tokio::test]
async fn the_writing_half_of_a_byte_type_pipe_cannot_end_its_direction_alone() {
    let (byte, _client) = pair(&ListenerOptions::new()).await;
    let (_, mut writer) = byte.into_split();
    assert!(matches!(within(writer.close_write()).await, Err(Error::HalfClose { .. })));
}

#[tokio::test]
async fn a_half_knows_its_pipe_and_its_client() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let client = within(connect_stream(&name)).await.unwrap();
    let (reader, writer) = within(listener.accept_stream()).await.unwrap().into_split();
    assert_eq!(reader.name(), Some(listener.name()));
    let peer = writer.peer().unwrap();
    assert_eq!(peer.process_id, Some(std::process::id()));
    assert_eq!(reader.peer().unwrap(), peer);
    assert!(client.into_split().0.peer().is_err(), "a client has no client");
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_no_error_to_a_shutdown() {
    for leave in [true, false] {
        let (mut server, client) = pair(&ListenerOptions::new()).await;
        within(server.write_all(b"goodbye")).await.unwrap();
        match leave {
            true => drop(client),
            false => client.abort(),
        }
        within(server.shutdown()).await.unwrap();
        within(server.shutdown()).await.unwrap();
    }
}

#[tokio::test]
async fn bytes_are_copied_both_ways_until_both_peers_have_hung_up() {
    let (near, mut left) = pair(&ListenerOptions::new()).await;
    let (far, mut right) = pair(&ListenerOptions::new()).await;
    let copying = tokio::spawn(async move {
        let (mut near, mut far) = (near, far);
        tokio::io::copy_bidirectional(&mut near, &mut far).await
    });
    within(left.write_all(b"ping")).await.unwrap();
    let mut bytes = [0; 4];
    within(right.read_exact(&mut bytes)).await.unwrap();
    within(right.write_all(b"pong!")).await.unwrap();
    let mut bytes = [0; 5];
    within(left.read_exact(&mut bytes)).await.unwrap();
    drop((left, right));
    assert_eq!(within(copying).await.unwrap().unwrap(), (4, 5));
}

#[tokio::test]
async fn generic_code_can_ask_whether_a_stream_was_read() {
    async fn drained<T: Transport>(mut stream: T) -> std::io::Result<()> {
        std::future::poll_fn(|cx| std::pin::Pin::new(&mut stream).poll_drained(cx)).await
    }
    let (mut server, mut client) = pair(&ListenerOptions::new()).await;
    within(server.write_all(b"a")).await.unwrap();
    let reading = async { client.read_u8().await.unwrap() };
    let (read, byte) = within(async { tokio::join!(drained(server), reading) }).await;
    read.unwrap();
    assert_eq!(byte, b'a');
}

#[tokio::test]
async fn a_client_that_knows_nothing_of_this_crate_gets_a_stream() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let mut client = plain_client(&name);
    let mut server = within(listener.accept_stream()).await.unwrap();
    client.write_all(b"a").unwrap();
    assert_eq!(within(server.read_u8()).await.unwrap(), b'a');
}

/// The client's end is closed as soon as it is dropped, whether the runtime looks or not.
async fn server_and_file() -> (PipeStream, Plain) {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let client = plain_client(&name);
    (within(listener.accept_stream()).await.unwrap(), client)
}

#[tokio::test]
async fn a_write_to_a_peer_that_has_left_fails_unless_it_is_within_the_grace() {
    for grace in [0, 5] {
        let (server, mut client) = server_and_file().await;
        let mut server = server.with_write_grace(grace);
        client.write_all(b"bye").unwrap();
        leave(client);
        for lost in [3, 2] {
            let written = within(server.write(&[0; 3])).await;
            match grace {
                0 => assert_eq!(written.unwrap_err().kind(), ErrorKind::BrokenPipe),
                _ => assert_eq!(written.unwrap(), lost),
            }
        }
        assert_eq!(within(server.write(b"a")).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        within(server.shutdown()).await.unwrap();
        let mut last_words = String::new();
        within(server.read_to_string(&mut last_words)).await.unwrap();
        assert_eq!(last_words, "bye");
    }
}

#[tokio::test]
async fn what_is_written_to_a_peer_that_listens_takes_nothing_of_the_grace() {
    let (server, mut client) = server_and_file().await;
    let mut server = server.with_write_grace(1);
    for _ in 0..3 {
        within(server.write_all(b"abc")).await.unwrap();
        client.read_exact(&mut [0; 3]).unwrap();
    }
    leave(client);
    assert_eq!(within(server.write(b"")).await.unwrap(), 0);
    assert_eq!(within(server.write(b"abc")).await.unwrap(), 1);
    assert_eq!(within(server.write(b"abc")).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[cfg(windows)]
#[tokio::test]
async fn a_peer_that_has_cut_the_pipe_is_not_forgiven() {
    let (server, client) = pair(&ListenerOptions::new()).await;
    let mut client = client.with_write_grace(100);
    server.abort();
    assert_eq!(within(client.write(b"a")).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}
