//! Pipes of Windows that keep write boundaries: one message for each frame.

use std::io;

use npipes::{ConnectionOptions, Error, ListenerOptions, connect, connect_stream, pipe::PipeType};
use tokio::{
    io::AsyncReadExt,
    net::windows::named_pipe::{ClientOptions, PipeMode, ServerOptions},
};

use crate::support::{pattern, unique_name, within};

#[tokio::test]
async fn a_client_of_a_message_type_pipe_writes_one_frame_as_one_message() {
    let name = unique_name();
    let mut options = ServerOptions::new();
    options.pipe_mode(PipeMode::Message);
    let create = || options.create(format!(r"\\.\pipe\{name}")).unwrap();
    for from_stream in [false, true] {
        let mut server = create();
        let mut client = match from_stream {
            false => within(connect(&name)).await.unwrap(),
            true => {
                let stream = within(connect_stream(&name)).await.unwrap();
                stream.into_connection(&ConnectionOptions::new())
            }
        };
        assert_eq!(client.get_ref().pipe_type().unwrap(), PipeType::Message);
        within(server.connect()).await.unwrap();
        for message in ["one", "", "three"] {
            within(client.feed(message)).await.unwrap();
        }
        within(client.flush()).await.unwrap();
        for len in [15, 12, 17] {
            // Far larger than a message: it reads one, since the server reads messages.
            assert_eq!(within(server.read(&mut [0; 4096])).await.unwrap(), len);
        }
    }
}

/// Sizes around what the operating system's buffer and a runtime's read take at once.
#[tokio::test]
async fn frames_of_any_size_cross_a_message_type_pipe_whole_in_both_directions() {
    const SIZES: [usize; 8] = [0, 1, 4084, 4085, 65_524, 65_525, 65_537, 3 * 1024 * 1024];
    let name = unique_name();
    let mut listener = ListenerOptions::new().pipe_type(PipeType::Message).bind(&name).unwrap();
    let client = within(connect(&name)).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    let sizes = || SIZES.into_iter().zip(1..);
    let ask = async {
        let (mut send, mut receive) = client.split();
        let asking = async {
            for (size, seed) in sizes() {
                within(send.feed(pattern(size, seed))).await.unwrap();
            }
            within(send.flush()).await.unwrap();
        };
        let hearing = async {
            for (size, seed) in sizes() {
                let echo = within(receive.receive()).await.unwrap().unwrap();
                assert!(echo == pattern(size, seed), "{size}");
            }
        };
        tokio::join!(asking, hearing);
    };
    let answer = async {
        for _ in SIZES {
            let message = within(server.receive()).await.unwrap().unwrap();
            within(server.send(message)).await.unwrap();
        }
    };
    tokio::join!(ask, answer);
}

#[tokio::test]
async fn the_modules_own_pipe_is_of_message_type_and_takes_one_client_at_a_time() {
    let name = unique_name();
    let mut listener = ListenerOptions::new().for_npipes_1_0_1().bind(&name).unwrap();
    let path = format!(r"\\.\pipe\{name}");
    let mut options = ClientOptions::new();
    let mut client = options.pipe_mode(PipeMode::Message).open(&path).unwrap();
    let busy: io::Error = options.open(&path).unwrap_err();
    assert_eq!(busy.raw_os_error(), Some(231));
    let mut server = within(listener.accept()).await.unwrap();
    within(server.send_text("Hello")).await.unwrap();
    let mut frame = [0; 65_536];
    assert_eq!(within(client.read(&mut frame)).await.unwrap(), 17);
    assert_eq!(frame[..8], *b"\0\0\0\x0d\0\0\0\x05");
    let error = within(server.send(vec![0; 65_525])).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { max: 65_524, .. }), "{error:?}");
}

#[tokio::test]
async fn each_frame_is_one_message_of_a_message_type_pipe() {
    let name = unique_name();
    let mut listener = ListenerOptions::new().pipe_type(PipeType::Message).bind(&name).unwrap();
    let mut options = ClientOptions::new();
    options.pipe_mode(PipeMode::Message);
    let mut client = options.open(listener.name().as_str()).unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    for message in ["one", "", "three"] {
        within(server.feed(message)).await.unwrap();
    }
    within(server.flush()).await.unwrap();
    for len in [15, 12, 17] {
        // Far larger than a message: it reads one, since the client reads messages.
        assert_eq!(within(client.read(&mut [0; 4096])).await.unwrap(), len);
    }
}

#[tokio::test]
async fn a_client_that_is_disconnected_gets_an_error_that_says_closed() {
    let name = unique_name();
    let path = format!(r"\\.\pipe\{name}");
    let server = ServerOptions::new().create(&path).unwrap();
    let mut client = within(connect(&name)).await.unwrap();
    within(server.connect()).await.unwrap();
    server.disconnect().unwrap();
    let error = within(client.receive()).await.unwrap_err();
    assert!(error.is_closed(), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("reading from {path} failed: ")), "{text}");
}
