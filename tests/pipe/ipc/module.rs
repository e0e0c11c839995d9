//! The calls that the Python module makes, made by hand: `tests/interop/golden.py pipe` lists them.

use std::{fs::File, io::Read, path::PathBuf, thread};

use npipes::ipc::{Delivery, Ipc, IpcOptions, IpcRole};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::windows::named_pipe::{ClientOptions, NamedPipeServer, PipeMode, ServerOptions},
    task::yield_now,
};

use crate::support::{unique_name, within};

/// "Hello", as the module writes it with a CRC.
const HELLO: &[u8] = b"\0\0\0\x0d\0\0\0\x05Hello\xf7\xd1\x89\x82";

/// What the module reads a message with.
const READ_FILE: usize = 65_536;

fn path(name: &str) -> PathBuf {
    format!(r"\\.\pipe\{name}").into()
}

/// The module's CreateNamedPipe: it fails with 231 if the one instance is there.
fn create(name: &str) -> std::io::Result<NamedPipeServer> {
    ServerOptions::new()
        .pipe_mode(PipeMode::Message)
        .max_instances(1)
        .in_buffer_size(65_536)
        .out_buffer_size(65_536)
        .create(path(name))
}

#[tokio::test]
async fn its_reader_as_the_server_gets_a_message() {
    let name = unique_name();
    let server = create(&name).unwrap();
    let reader = async {
        let mut server = server;
        server.connect().await.unwrap();
        let mut message = vec![0; READ_FILE];
        let len = server.read(&mut message).await.unwrap();
        message.truncate(len);
        message
    };
    let mut ipc = Ipc::named(&name).unwrap();
    let (sent, message) = within(async { tokio::join!(ipc.send_text("Hello"), reader) }).await;
    sent.unwrap();
    assert_eq!(message, HELLO);
}

/// It opens the pipe for both directions and asks for messages, which a byte-type pipe refuses. One
/// `ReadFile` that is waiting gets what one `WriteFile` has written, and no more.
#[tokio::test]
async fn its_reader_as_the_client_gets_the_largest_message_with_one_read() {
    let name = unique_name();
    let mut ipc = Ipc::named(&name).unwrap();
    let text = "x".repeat(READ_FILE - 12);
    let reader = async {
        wait_until_it_listens(&name).await;
        assert_eq!(create(&name).unwrap_err().raw_os_error(), Some(231));
        let path = path(&name);
        let read = move || {
            let mut pipe = File::options().read(true).write(true).open(path).unwrap();
            let mut message = vec![0; READ_FILE];
            let len = pipe.read(&mut message).unwrap();
            message.truncate(len);
            message
        };
        let (done, message) = tokio::sync::oneshot::channel();
        thread::spawn(move || done.send(read()));
        message.await.unwrap()
    };
    let (sent, message) = within(async { tokio::join!(ipc.send_text(&text), reader) }).await;
    sent.unwrap();
    assert_eq!(message.len(), READ_FILE);
    assert_eq!(message[..8], *b"\0\x00\xff\xfc\0\0\xff\xf4");
    assert_eq!(message[8..READ_FILE - 4], *text.as_bytes());
}

#[tokio::test]
async fn its_reader_can_ask_for_messages() {
    let name = unique_name();
    let mut ipc = Ipc::named(&name).unwrap();
    let reader = async {
        wait_until_it_listens(&name).await;
        let mut options = ClientOptions::new();
        let mut client = options.pipe_mode(PipeMode::Message).open(path(&name)).unwrap();
        let mut message = vec![0; READ_FILE];
        let len = client.read(&mut message).await.unwrap();
        message.truncate(len);
        message
    };
    let (sent, message) = within(async { tokio::join!(ipc.send_text("Hello"), reader) }).await;
    sent.unwrap();
    assert_eq!(message, HELLO);
}

/// Its sender is always the server, and leaves as soon as it has written.
#[tokio::test]
async fn its_sender_is_heard_by_a_receiver_that_is_the_client() {
    let name = unique_name();
    let mut ipc = IpcOptions::new().role(IpcRole::Client).open(&name).unwrap();
    for _ in 0..20 {
        let sender = async {
            let mut server = loop {
                match create(&name) {
                    Ok(server) => break server,
                    // Its own last handle, which the runtime has not closed yet.
                    Err(e) => assert_eq!(e.raw_os_error(), Some(231)),
                }
                yield_now().await;
            };
            server.connect().await.unwrap();
            server.write_all(HELLO).await.unwrap();
        };
        let (received, ()) = within(async { tokio::join!(ipc.receive_text(), sender) }).await;
        assert_eq!(received.unwrap(), "Hello");
    }
}

/// It cannot own a name that is owned, and fails for good.
#[tokio::test]
async fn its_sender_fails_while_a_receiver_owns_the_name() {
    let name = unique_name();
    let mut ipc = Ipc::named(&name).unwrap();
    tokio::select! {
        received = ipc.receive_message() => panic!("{received:?}"),
        () = wait_until_it_listens(&name) => {}
    }
    assert_eq!(create(&name).unwrap_err().raw_os_error(), Some(231));
}

#[tokio::test]
async fn a_reader_that_leaves_at_once_is_not_taken_for_an_error() {
    let name = unique_name();
    for _ in 0..20 {
        let mut ipc = Ipc::named(&name).unwrap();
        let reader = async {
            wait_until_it_listens(&name).await;
            let mut client = ClientOptions::new().open(path(&name)).unwrap();
            client.read(&mut [0; 4096]).await.unwrap()
        };
        let (sent, len) = within(async { tokio::join!(ipc.send_text("Hello"), reader) }).await;
        assert_eq!(len, HELLO.len());
        assert!(matches!(sent.unwrap(), Delivery::Read | Delivery::PeerLeft));
    }
}

/// Somebody owns the name: a second instance is refused because there may be one only. Asking takes
/// no instance.
async fn wait_until_it_listens(name: &str) {
    while create(name).is_ok() {
        yield_now().await;
    }
}
