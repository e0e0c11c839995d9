//! Peers that speak another dialect.

use npipes::{
    ConnectOptions, ConnectionOptions, Listener, ListenerOptions, connect,
    frame::{ByteOrder, Dialect, FrameFormat, LengthRule},
};
use tokio::io::AsyncReadExt;

use crate::support::{unique_name, within};

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
async fn a_client_of_a_byte_type_pipe_lets_frames_share_a_write() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let mut client = within(connect(&name)).await.unwrap();
    #[cfg(windows)]
    assert_eq!(client.get_ref().pipe_type().unwrap(), npipes::pipe::PipeType::Byte);
    let mut server = within(listener.accept_stream()).await.unwrap();
    for message in ["one", "", "three"] {
        within(client.feed(message)).await.unwrap();
    }
    within(client.flush()).await.unwrap();
    assert_eq!(within(server.read(&mut [0; 4096])).await.unwrap(), 15 + 12 + 17);
}
