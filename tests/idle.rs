//! What the ends of a real pipe keep when they were busy and are idle, mio's buffers included, beside
//! those of a bare pipe that is written to in pieces of 64 KiB.
#![cfg(any(unix, windows))]
#![allow(clippy::unwrap_used, reason = "a test that meets an impossible value is to panic")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/counting.rs"]
mod counting;
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

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

#[test]
fn idle_ends_keep_no_more_than_their_options_say() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
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
