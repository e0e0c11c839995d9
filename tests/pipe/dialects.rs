//! Peers that speak otherwise: another dialect, or one message for each write.

use std::io;

use npipes::{
    ConnectOptions, ConnectionOptions, Error, Listener, ListenerOptions, connect,
    frame::{ByteOrder, Dialect, FrameFormat, LengthRule},
    pipe::PipeType,
};
use tokio::{
    io::AsyncReadExt,
    net::windows::named_pipe::{ClientOptions, PipeMode, ServerOptions},
};

use crate::support::{pattern, unique_name, within};

const LITTLE_AFTER_ITSELF: Dialect =
    Dialect { byte_order: ByteOrder::Little, length_rule: LengthRule::AfterItself };

const fn speaking(dialect: Dialect) -> ConnectionOptions {
    ConnectionOptions::new().format(FrameFormat::new().dialect(dialect))
}

#[tokio::test]
async fn a_server_answers_each_caller_in_its_own_dialect() {
    let name = unique_name();
    let detecting = ConnectionOptions::new().format(FrameFormat::new().detect_dialect(true));
    let mut listener = ListenerOptions::new().connection(detecting).bind(&name).unwrap();
    let mut clients = Vec::new();
    for dialect in [Dialect::NPIPES_1_0_1, Dialect::DOCUMENTED, LITTLE_AFTER_ITSELF] {
        let options = ConnectOptions::new().connection(speaking(dialect));
        clients.push((dialect, within(options.connect(&name)).await.unwrap()));
    }
    let mut servers = Vec::new();
    for _ in &clients {
        servers.push(within(listener.accept()).await.unwrap());
    }
    for round in 0..3 {
        for (dialect, client) in &mut clients {
            within(client.send(format!("{dialect:?} {round}"))).await.unwrap();
        }
        for server in &mut servers {
            let message = within(server.receive()).await.unwrap().unwrap();
            within(server.send(message)).await.unwrap();
        }
        for (dialect, client) in &mut clients {
            let echo = within(client.receive()).await.unwrap().unwrap();
            assert_eq!(echo, format!("{dialect:?} {round}").as_bytes());
        }
    }
}

#[tokio::test]
async fn a_server_of_one_dialect_says_which_other_one_it_hears() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let options = ConnectOptions::new().connection(speaking(Dialect::NPIPES_1_0_1));
    let mut client = within(options.connect(&name)).await.unwrap();
    within(client.send("Hello")).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    let error = within(server.receive()).await.unwrap_err().to_string();
    assert!(
        error
            .ends_with("the peer speaks the npipes 1.0.1 dialect: big-endian, length after itself")
    );
}

#[tokio::test]
async fn a_client_of_a_message_type_pipe_writes_one_frame_as_one_message() {
    let name = unique_name();
    let mut options = ServerOptions::new();
    let server = options.pipe_mode(PipeMode::Message).create(format!(r"\\.\pipe\{name}"));
    let mut server = server.unwrap();
    let mut client = within(connect(&name)).await.unwrap();
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

#[tokio::test]
async fn a_client_of_a_byte_type_pipe_lets_frames_share_a_write() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let mut client = within(connect(&name)).await.unwrap();
    assert_eq!(client.get_ref().pipe_type().unwrap(), PipeType::Byte);
    let mut server = within(listener.accept_stream()).await.unwrap();
    for message in ["one", "", "three"] {
        within(client.feed(message)).await.unwrap();
    }
    within(client.flush()).await.unwrap();
    assert_eq!(within(server.read(&mut [0; 4096])).await.unwrap(), 15 + 12 + 17);
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
