//! What the ends of each side do with the messages, once they are connected.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use futures::{Sink, SinkExt, Stream, StreamExt};
use npipes::{Connection, PipeStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    bare::{ClientEnd, ServerEnd},
    workload::{Messages, PIECE, Traffic, Work},
};

pub(crate) async fn serve<S, E, F>(mut stream: S, work: Work, messages: Messages)
where
    S: Stream<Item = Result<BytesMut, E>> + Sink<Bytes, Error = F> + Unpin,
    E: Debug,
    F: Debug,
{
    for index in 0..work.count {
        let message = stream.next().await.unwrap().unwrap();
        messages.check(index, &message);
        if work.traffic == Traffic::Echo {
            stream.send(message.freeze()).await.unwrap();
        }
    }
    if work.traffic != Traffic::Echo {
        stream.send(Bytes::from_static(b"done")).await.unwrap();
    }
    assert!(stream.next().await.is_none());
}

pub(crate) async fn drive<S, E, F>(mut stream: S, work: Work, messages: Messages)
where
    S: Stream<Item = Result<BytesMut, E>> + Sink<Bytes, Error = F> + Unpin,
    E: Debug,
    F: Debug,
{
    match work.traffic {
        Traffic::Echo => {
            for index in 0..work.count {
                stream.send(messages.get(index)).await.unwrap();
                messages.check(index, &stream.next().await.unwrap().unwrap());
            }
        }
        Traffic::OneWay { batch } => {
            for index in 0..work.count {
                stream.feed(messages.get(index)).await.unwrap();
                if index % batch == batch - 1 {
                    stream.flush().await.unwrap();
                }
            }
            stream.flush().await.unwrap();
            assert_eq!(stream.next().await.unwrap().unwrap(), b"done"[..]);
        }
    }
}

pub(crate) async fn serve_batches(
    mut connection: Connection<PipeStream>,
    work: Work,
    messages: Messages,
) {
    let mut index = 0;
    while index < work.count {
        for message in connection.receive_batch().await.unwrap().unwrap() {
            messages.check(index, message);
            index += 1;
        }
    }
    connection.send("done").await.unwrap();
    assert!(connection.receive().await.unwrap().is_none());
}

pub(crate) async fn drive_batches(
    mut connection: Connection<PipeStream>,
    work: Work,
    messages: Messages,
) {
    let Traffic::OneWay { batch } = work.traffic else { panic!("one way only") };
    for index in 0..work.count {
        connection.feed_slice(messages.borrow(index)).await.unwrap();
        if index % batch == batch - 1 {
            connection.flush().await.unwrap();
        }
    }
    connection.flush().await.unwrap();
    assert_eq!(connection.receive().await.unwrap().unwrap(), b"done"[..]);
}

/// Sends each message by itself: there is nothing to flush.
pub(crate) async fn drive_client(
    client: npipes::Client,
    mut inbox: npipes::client::Inbox,
    work: Work,
    messages: Messages,
) {
    for index in 0..work.count {
        drop(client.send(messages.get(index)).await.unwrap());
        if work.traffic == Traffic::Echo {
            messages.check(index, &inbox.receive().await.unwrap().unwrap());
        }
    }
    if work.traffic != Traffic::Echo {
        assert_eq!(inbox.receive().await.unwrap().unwrap(), b"done"[..]);
    }
}

pub(crate) async fn serve_bare(mut stream: ServerEnd, work: Work, messages: Messages) {
    let mut piece = vec![0; PIECE.max(work.len)];
    match work.traffic {
        Traffic::Echo => {
            for index in 0..work.count {
                stream.read_exact(&mut piece[..work.len]).await.unwrap();
                messages.check(index, &piece[..work.len]);
                stream.write_all(&piece[..work.len]).await.unwrap();
            }
        }
        Traffic::OneWay { .. } => {
            let expected = messages.get(0);
            let expected = expected.repeat(PIECE.div_ceil(work.len) + 1);
            let mut left = work.len * work.count;
            let mut at = 0;
            while left > 0 {
                let read = stream.read(&mut piece[..PIECE.min(left)]).await.unwrap();
                assert!(piece[..read] == expected[at..at + read]);
                at = (at + read) % work.len;
                left -= read;
            }
            stream.write_all(b"done").await.unwrap();
        }
    }
    assert_eq!(stream.read(&mut piece).await.unwrap_or(0), 0);
}

pub(crate) async fn drive_bare(mut stream: ClientEnd, work: Work, messages: Messages) {
    match work.traffic {
        Traffic::Echo => {
            let mut back = vec![0; work.len];
            for index in 0..work.count {
                stream.write_all(&messages.get(index)).await.unwrap();
                stream.read_exact(&mut back).await.unwrap();
                messages.check(index, &back);
            }
        }
        Traffic::OneWay { batch } => {
            let stock = messages.get(0).repeat(PIECE.div_ceil(work.len) + 1);
            let mut left = work.len * work.count;
            let mut at = 0;
            while left > 0 {
                let piece = PIECE.min(work.len * batch).min(left);
                stream.write_all(&stock[at..at + piece]).await.unwrap();
                at = (at + piece) % work.len;
                left -= piece;
            }
            let mut done = [0; 4];
            stream.read_exact(&mut done).await.unwrap();
            assert_eq!(&done, b"done");
        }
    }
}
