//! A server that echoes, and clients that use both directions of it at once, over any transport.

use std::future::Future;

use futures::{SinkExt, StreamExt, future::join};
use npipes::{Client, Connection, client::Inbox};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};

/// Answers each message with itself, before it reads the next one.
pub(crate) async fn echo<T: AsyncRead + AsyncWrite + Unpin>(mut far: Connection<T>) {
    while let Ok(Some(message)) = far.receive().await {
        if far.send(message).await.is_err() {
            return;
        }
    }
}

/// Sends so many messages of 100 kB from a select loop, and compares what comes back.
pub(crate) async fn select_loop(client: Client, mut inbox: Inbox, count: usize) {
    let (queue, mut outgoing) = mpsc::channel(1);
    tokio::spawn(async move {
        for number in 0..count {
            queue.send(vec![number as u8; 100_000]).await.unwrap();
        }
    });
    let mut received = 0;
    while received < count {
        tokio::select! {
            message = inbox.receive() => {
                assert!(message.unwrap().unwrap() == vec![received as u8; 100_000]);
                received += 1;
            }
            Some(message) = outgoing.recv() => drop(client.send(message).await.unwrap()),
        }
    }
}

/// Starts two tasks on the halves of a duplex: one sends so many messages, the other compares what
/// comes back. The future waits for both.
pub(crate) fn start_halves(
    client: Client,
    inbox: Inbox,
    count: u32,
) -> impl Future<Output = ()> + Send {
    let (mut sink, mut stream) = client.duplex(inbox).split();
    let reader = tokio::spawn(async move {
        for number in 0..count {
            assert_eq!(stream.next().await.unwrap().unwrap(), number.to_le_bytes()[..]);
        }
    });
    let writer = tokio::spawn(async move {
        for number in 0..count {
            sink.send(number.to_le_bytes().to_vec().into()).await.unwrap();
        }
        sink
    });
    async {
        let (reader, writer) = join(reader, writer).await;
        reader.unwrap();
        drop(writer.unwrap());
    }
}
