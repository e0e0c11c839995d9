//! The two halves of a connection.

use bytes::Bytes;
use futures::{FutureExt, SinkExt, StreamExt, stream::FusedStream};
use npipes::{
    Connection, ConnectionOptions, DrainOutcome,
    connection::ConnectionStats,
    frame::{Dialect, FrameFormat},
};
use tokio::io::{AsyncReadExt, BufStream, duplex};

use crate::{
    connection::pair,
    support::{pattern, within},
    trickle::{Trickle, write_lens},
};

#[tokio::test]
async fn the_halves_work_at_the_same_time_and_come_together_again() {
    let (near, mut far) = pair(64);
    let (mut send, mut receive) = near.split();
    let echo = async {
        while let Some(message) = within(far.receive()).await.unwrap() {
            within(far.send(message)).await.unwrap();
        }
    };
    let talk = async move {
        let out = async {
            for n in 0..100_u32 {
                within(send.send(n.to_le_bytes().to_vec())).await.unwrap();
            }
            send
        };
        let back = async {
            for n in 0..100_u32 {
                let message = within(receive.receive()).await.unwrap().unwrap();
                assert_eq!(message, n.to_le_bytes()[..]);
            }
            receive
        };
        let (send, receive) = tokio::join!(out, back);
        assert!(send.is_pair_of(&receive));
        let mut whole = send.reunite(receive);
        within(whole.send("again")).await.unwrap();
        assert_eq!(within(whole.receive()).await.unwrap().unwrap(), b"again"[..]);
        drop(whole);
    };
    tokio::join!(echo, talk);
}

#[tokio::test]
async fn the_halves_are_a_sink_and_a_stream_and_count_what_goes_over_them() {
    // Nothing is queued beside the next message.
    let options = ConnectionOptions::new().send_buffer(1);
    let (near, far) = duplex(4096);
    let (mut sending, mut rest) = Connection::with_options(near, &options).split();
    let (mut answering, mut receiving) = Connection::new(far).split();
    within(SinkExt::feed(&mut sending, Bytes::from_static(b"a"))).await.unwrap();
    assert!(receiving.next().now_or_never().is_none());
    within(SinkExt::feed(&mut sending, Bytes::from_static(b"bb"))).await.unwrap();
    assert_eq!(within(receiving.next()).await.unwrap().unwrap(), b"a"[..]);
    assert!(receiving.next().now_or_never().is_none());
    within(SinkExt::<Bytes>::flush(&mut sending)).await.unwrap();
    assert_eq!(within(receiving.next()).await.unwrap().unwrap(), b"bb"[..]);
    within(answering.send("ccc")).await.unwrap();
    assert_eq!(within(rest.next()).await.unwrap().unwrap(), b"ccc"[..]);

    let counted = |stats: ConnectionStats| {
        (stats.messages_sent, stats.bytes_sent, stats.messages_received, stats.bytes_received)
    };
    assert_eq!(counted(sending.stats()), (2, 3, 0, 0));
    assert_eq!(counted(rest.stats()), (0, 0, 1, 3));
    assert!(!sending.is_pair_of(&receiving) && sending.is_pair_of(&rest));
    let whole = sending.reunite(rest);
    assert_eq!(counted(whole.stats()), (2, 3, 1, 3));

    assert!(!receiving.is_terminated());
    drop(whole);
    assert!(within(receiving.next()).await.is_none());
    assert!(receiving.is_terminated());
    let mut other = answering.reunite(receiving);
    assert!(other.is_terminated() && within(other.next()).await.is_none());
}

#[tokio::test]
async fn a_half_flushes_and_shuts_down_the_stream_that_it_shares() {
    let (near, mut far) = duplex(4096);
    // It keeps what is written until it is flushed.
    let (mut sending, _receiving) = Connection::new(BufStream::new(near)).split();
    within(sending.send("Hello")).await.unwrap();
    within(far.read_exact(&mut [0; 17])).await.unwrap();
    assert_eq!(within(sending.close()).await.unwrap(), DrainOutcome::Flushed);
    assert_eq!(within(far.read(&mut [0; 1])).await.unwrap(), 0);
}

#[tokio::test]
async fn a_half_writes_a_large_payload_from_its_own_memory_where_the_stream_can() {
    for vectored in [false, true] {
        let mut transport = Trickle::new(b"", usize::MAX);
        if vectored {
            transport = transport.vectored();
        }
        let (mut sending, receiving) = Connection::new(transport).split();
        within(sending.send(pattern(10_000, 1))).await.unwrap();
        let writes = write_lens(&sending.reunite(receiving));
        assert_eq!(writes.len() == 1, vectored, "{writes:?}");
    }
}

#[tokio::test]
async fn a_detected_dialect_is_answered_in_by_either_half() {
    let (near, far) = duplex(1000);
    let peer = ConnectionOptions::new().format(FrameFormat::new().dialect(Dialect::NPIPES_1_0_1));
    let mut peer = Connection::with_options(near, &peer);
    let detecting = ConnectionOptions::new().format(FrameFormat::new().detect_dialect(true));
    let (mut send, mut receive) = Connection::with_options(far, &detecting).split();
    within(peer.send("Hello")).await.unwrap();
    within(receive.receive()).await.unwrap().unwrap();
    within(send.send("World")).await.unwrap();
    assert_eq!(within(peer.receive()).await.unwrap().unwrap(), b"World"[..]);
}
