//! What the ends of a real pipe keep when they were busy and are idle, mio's buffers included, beside
//! those of a bare pipe that is written to in pieces of 64 KiB.
#![cfg(any(unix, windows))]
#![allow(clippy::unwrap_used, reason = "a test that meets an impossible value is to panic")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/counting.rs"]
mod counting;
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::io::Write;

use npipes::{ConnectOptions, Connection, ConnectionOptions, ListenerOptions, PipeStream};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    runtime,
};

use crate::{
    counting::held,
    support::{unique_name, within},
};

const PIECE: usize = 64 * 1024;
const MIB: usize = 1024 * 1024;

#[cfg(windows)]
async fn bare_ends() -> (impl AsyncRead + AsyncWrite + Unpin, impl AsyncRead + AsyncWrite + Unpin) {
    use tokio::net::windows::named_pipe::{ClientOptions, ServerOptions};
    let path = format!(r"\\.\pipe\{}", unique_name());
    let server = ServerOptions::new().create(&path).unwrap();
    let client = ClientOptions::new().open(&path).unwrap();
    within(server.connect()).await.unwrap();
    (client, server)
}

#[cfg(unix)]
async fn bare_ends() -> (impl AsyncRead + AsyncWrite + Unpin, impl AsyncRead + AsyncWrite + Unpin) {
    tokio::net::UnixStream::pair().unwrap()
}

/// Returns the bytes that one end of a bare pipe keeps if it has only read, 1 MiB in pieces of up to
/// 64 KiB.
async fn kept_by_reading() -> usize {
    #[cfg(windows)]
    let (mut writer, mut reader) = {
        use tokio::net::windows::named_pipe::ServerOptions;
        let path = format!(r"\\.\pipe\{}", unique_name());
        let reader = ServerOptions::new().create(&path).unwrap();
        let writer = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        within(reader.connect()).await.unwrap();
        (writer, reader)
    };
    #[cfg(unix)]
    let (mut writer, mut reader) = {
        let (writer, reader) = std::os::unix::net::UnixStream::pair().unwrap();
        reader.set_nonblocking(true).unwrap();
        (writer, tokio::net::UnixStream::from_std(reader).unwrap())
    };
    let mut room = vec![0; PIECE];
    let before = held();
    for _ in 0..2 * MIB / PIECE {
        // Half of a piece fits into any pipe.
        writer.write_all(&[7; PIECE / 2]).unwrap();
        let mut arrived = 0;
        while arrived < PIECE / 2 {
            arrived += within(reader.read(&mut room)).await.unwrap();
        }
    }
    held().saturating_sub(before)
}

/// Returns the bytes that both ends of a bare pipe keep of 1 MiB each way, in pieces of 64 KiB.
async fn kept_by_tokio() -> usize {
    let (mut client, mut server) = bare_ends().await;
    within(client.write_all(&[1])).await.unwrap();
    within(server.read_exact(&mut [0])).await.unwrap();
    let before = held();
    within(pump(&mut client, &mut server)).await;
    within(pump(&mut server, &mut client)).await;
    held().saturating_sub(before)
}

async fn pump(from: &mut (impl AsyncWrite + Unpin), to: &mut (impl AsyncRead + Unpin)) {
    let (piece, mut room) = (vec![7; PIECE], vec![0; PIECE]);
    let send = async {
        for _ in 0..MIB / PIECE {
            from.write_all(&piece).await.unwrap();
        }
    };
    let receive = async {
        let mut arrived = 0;
        while arrived < MIB {
            arrived += to.read(&mut room).await.unwrap();
        }
    };
    tokio::join!(send, receive);
}

/// Returns the bytes that both ends of a connection keep of `total` bytes each way, in messages of `len`.
async fn kept_by_a_connection(options: &ConnectionOptions, len: usize, total: usize) -> usize {
    let name = unique_name();
    let mut listener = ListenerOptions::new().connection(options.clone()).bind(&name).unwrap();
    let connect_options = ConnectOptions::new().connection(options.clone());
    let connecting = connect_options.connect(&name);
    let (client, server) = within(async { tokio::join!(connecting, listener.accept()) }).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    stream(&mut client, &mut server, 1, 1).await;
    let before = held();
    stream(&mut client, &mut server, len, total / len).await;
    stream(&mut server, &mut client, len, total / len).await;
    held().saturating_sub(before)
}

/// Sends and receives, and leaves the receiver waiting for more.
async fn stream(
    from: &mut Connection<PipeStream>,
    to: &mut Connection<PipeStream>,
    len: usize,
    count: usize,
) {
    let send = async {
        for _ in 0..count {
            from.feed(vec![7; len]).await.unwrap();
        }
        from.flush().await.unwrap();
    };
    let receive = async {
        for _ in 0..count {
            assert_eq!(to.receive().await.unwrap().unwrap().len(), len);
        }
    };
    within(async { tokio::join!(send, receive) }).await;
    assert!(futures::poll!(std::pin::pin!(to.receive())).is_pending());
}

/// Returns the bytes that both ends keep of messages that were sent and received one by one, each way.
async fn kept_of_single_messages(len: usize) -> usize {
    let name = unique_name();
    let mut listener = ListenerOptions::new().bind(&name).unwrap();
    let connecting = npipes::connect(&name);
    let (client, server) = within(async { tokio::join!(connecting, listener.accept()) }).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    stream(&mut client, &mut server, 1, 1).await;
    stream(&mut server, &mut client, 1, 1).await;
    let before = held();
    for _ in 0..1_000 {
        within(client.send(vec![7; len])).await.unwrap();
        assert_eq!(within(server.receive()).await.unwrap().unwrap().len(), len);
        within(server.send(vec![7; len])).await.unwrap();
        assert_eq!(within(client.receive()).await.unwrap().unwrap().len(), len);
    }
    for end in [&mut client, &mut server] {
        assert!(futures::poll!(std::pin::pin!(end.receive())).is_pending());
    }
    held().saturating_sub(before)
}

#[test]
fn idle_ends_keep_no_more_than_their_options_say() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let read = kept_by_reading().await;
        for len in [64, 1_000, 4_084, 16_372] {
            let kept = kept_of_single_messages(len).await;
            println!(
                "{kept} bytes after 1000 messages of {len} one by one, each way, where a bare end that \
                 has only read keeps {read}"
            );
            assert!(kept <= 2 * (read + 1024), "{kept}, bare {read}, messages of {len}");
        }
        let bare = kept_by_tokio().await;
        let small = ConnectionOptions::new().send_buffer(PIECE / 2);
        let default = ConnectionOptions::new();
        for (options, total, len, more) in [
            (&small, MIB, 64, 0),
            (&small, 16 * MIB, 64, 0),
            (&small, 16 * MIB, PIECE, 0),
            (&small, 16 * MIB, MIB, 0),
            (&default, MIB, 64, 0),
            (&default, MIB, PIECE, 0),
            (&default, MIB, MIB, 0),
            (&default, 3 * MIB, 64, 0),
            (&default, 3 * MIB, PIECE, 0),
            (&default, 3 * MIB, MIB, 0),
            (&default, 16 * MIB, 64, PIECE),
            (&default, 16 * MIB, PIECE, PIECE),
            (&default, 16 * MIB, MIB, 3 * PIECE),
        ] {
            let kept = kept_by_a_connection(options, len, total).await;
            println!(
                "{kept} bytes after {total} in messages of {len}, where a bare pipe keeps {bare}"
            );
            assert!(kept <= bare + 2 * (more + 1024), "{kept}, bare {bare}, messages of {len}");
        }
    });
}
