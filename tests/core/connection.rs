//! Messages over any stream of bytes.

use bytes::{Bytes, BytesMut};
use futures::{FutureExt, SinkExt, StreamExt};
use npipes::{
    Connection, ConnectionOptions, DrainOutcome, Error, FrameCodec,
    frame::{Dialect, FrameError, FrameFormat},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_util::codec::Encoder;

use crate::support::{pattern, within};

pub(crate) fn pair(room: usize) -> (Connection<DuplexStream>, Connection<DuplexStream>) {
    let (near, far) = duplex(room);
    (Connection::new(near), Connection::new(far))
}

pub(crate) fn wire(messages: &[&'static str]) -> BytesMut {
    let mut wire = BytesMut::new();
    for message in messages {
        FrameCodec::default().encode(Bytes::from_static(message.as_bytes()), &mut wire).unwrap();
    }
    wire
}

#[tokio::test]
async fn messages_arrive_in_order_and_whole() {
    let (mut near, mut far) = pair(1000);
    let sizes = [0, 1, 8_191, 8_192, 65_536, 300_000, 2];
    let send = async {
        for size in sizes {
            within(near.send(pattern(size, size as u64))).await.unwrap();
        }
        within(near.close()).await.unwrap()
    };
    let receive = async {
        for size in sizes {
            let message = within(far.receive()).await.unwrap().unwrap();
            assert!(message == pattern(size, size as u64), "{size}");
        }
        within(far.receive()).await.unwrap()
    };
    assert_eq!(tokio::join!(send, receive), (DrainOutcome::Flushed, None));
}

#[tokio::test]
async fn a_drain_over_a_stream_that_cannot_tell_flushes_and_closes_nothing() {
    let (mut near, mut far) = pair(1000);
    for message in ["one", "two"] {
        within(near.feed(message)).await.unwrap();
        // Nobody reads, and nobody says so.
        assert_eq!(within(near.drained()).await.unwrap(), DrainOutcome::Flushed);
        assert_eq!(within(far.receive()).await.unwrap().unwrap(), message.as_bytes());
    }
    let (mut sender, _receiver) = near.split();
    within(sender.feed("three")).await.unwrap();
    assert_eq!(within(sender.drained()).await.unwrap(), DrainOutcome::Flushed);
    assert_eq!(within(sender.close()).await.unwrap(), DrainOutcome::Flushed);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"three"[..]);
    assert_eq!(within(far.receive()).await.unwrap(), None);
}

#[tokio::test]
async fn it_is_a_stream_and_a_sink() {
    let (mut near, mut far) = pair(64);
    let messages = ["one", "two", "three"].map(Bytes::from);
    let mut outgoing = futures::stream::iter(messages.clone().map(Ok));
    let send = async {
        within(SinkExt::send_all(&mut near, &mut outgoing)).await.unwrap();
        within(SinkExt::close(&mut near)).await.unwrap();
        drop(near);
    };
    let receive = async { within(StreamExt::collect::<Vec<_>>(&mut far)).await };
    let ((), received) = tokio::join!(send, receive);
    let received: Vec<Bytes> = received.into_iter().map(|item| item.unwrap().freeze()).collect();
    assert_eq!(received, messages);
}

#[tokio::test]
async fn a_corrupt_frame_is_reported_and_the_next_one_comes_without_another_read() {
    let (mut raw, far) = duplex(1000);
    let mut connection = Connection::new(far);
    let mut bytes = wire(&["Hello", "World"]);
    bytes[8] ^= 1;
    within(raw.write_all(&bytes)).await.unwrap();
    let error = within(connection.receive()).await.unwrap_err();
    assert!(matches!(error, Error::Frame(FrameError::Checksum { .. })), "{error:?}");
    // Not awaited: the writer is still open and silent, so another read would pend.
    let next = connection.receive().now_or_never().expect("it is in the buffer");
    assert_eq!(next.unwrap().unwrap(), b"World"[..]);
}

#[tokio::test]
async fn a_stream_ends_for_ever_after_a_fatal_error() {
    let (mut raw, far) = duplex(1000);
    let mut connection = Connection::new(far);
    within(raw.write_all(&[9; 8])).await.unwrap();
    let error = within(connection.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Frame(FrameError::LengthMismatch { .. })), "{error:?}");
    within(raw.write_all(&wire(&["Hello"]))).await.unwrap();
    for _ in 0..3 {
        assert!(within(connection.next()).await.is_none());
    }
}

#[tokio::test]
async fn a_peer_gone_inside_a_frame_is_an_error_and_between_frames_the_end() {
    let whole = wire(&["Hello"]);
    for cut in 0..=whole.len() {
        let (mut raw, far) = duplex(1000);
        let mut connection = Connection::new(far);
        within(raw.write_all(&whole[..cut])).await.unwrap();
        drop(raw);
        match (cut, within(connection.receive()).await) {
            (0, Ok(None)) => {}
            (17, Ok(Some(_))) => assert_eq!(within(connection.receive()).await.unwrap(), None),
            (_, Err(Error::Frame(FrameError::Truncated { have, .. }))) => assert_eq!(have, cut),
            (_, other) => panic!("{cut}: {other:?}"),
        }
        assert_eq!(within(connection.receive()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_message_too_large_to_send_leaves_the_connection_usable() {
    let (near, far) = duplex(1000);
    let options = ConnectionOptions::new().format(FrameFormat::new().max_payload(5));
    let mut near = Connection::with_options(near, &options);
    let mut far = Connection::new(far);
    let error = within(near.send("Hello!")).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { len: 6, max: 5, .. }), "{error:?}");
    within(near.send("Hello")).await.unwrap();
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"Hello"[..]);
}

#[tokio::test]
async fn a_slow_reader_holds_the_sender_back() {
    let (near, _far) = duplex(64);
    let options = ConnectionOptions::new().send_buffer(4096);
    let mut connection = Connection::with_options(near, &options);
    let mut fed = 0;
    while connection.feed(vec![0; 100]).now_or_never().is_some() {
        fed += 1;
        assert!(fed < 1000, "the queue has no bound");
    }
    // What the queue and the transport hold, and no more.
    let bound = (4096 + 64) / 112 + 1;
    assert!((bound - 1..=bound).contains(&fed), "{fed} of about {bound}");
}

#[tokio::test]
async fn nothing_can_be_sent_after_the_transport_failed() {
    let (mut near, far) = pair(16);
    drop(far);
    let error = within(near.send("Hello")).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.is_closed(), "{error:?}");
    assert!(matches!(within(near.send("Hello")).await, Err(Error::Closed)));
    assert!(matches!(within(near.close()).await, Err(Error::Closed)));
}

#[tokio::test]
async fn closing_towards_a_peer_that_left_says_so() {
    let (mut near, far) = pair(16);
    within(near.feed("Hello")).await.unwrap();
    drop(far);
    assert_eq!(within(near.close()).await.unwrap(), DrainOutcome::PeerGone);
}

#[tokio::test]
async fn the_parts_hold_everything_that_was_not_handed_on() {
    let (mut raw, far) = duplex(100);
    let mut connection = Connection::new(far);
    let bytes = wire(&["Hello", "World"]);
    within(raw.write_all(&bytes[..30])).await.unwrap();
    assert_eq!(within(connection.receive()).await.unwrap().unwrap(), b"Hello"[..]);
    assert!(connection.receive().now_or_never().is_none());
    within(connection.feed("unsent")).await.unwrap();
    let mut parts = connection.into_parts();
    assert_eq!(parts.unread, bytes[17..30]);
    assert_eq!(parts.unsent, wire(&["unsent"]));
    within(raw.write_all(&bytes[30..])).await.unwrap();
    let mut rest = [0; 4];
    within(parts.io.read_exact(&mut rest)).await.unwrap();
    assert_eq!(rest, bytes[30..]);
}

#[tokio::test]
async fn a_connection_goes_on_where_its_parts_ended_wherever_that_was() {
    let bytes = wire(&["Hello", "world"]);
    for arrived in 0..bytes.len() {
        let (near, mut raw) = duplex(256);
        let mut connection = Connection::new(near);
        within(raw.write_all(&bytes[..arrived])).await.unwrap();
        let mut received: Vec<_> = within(async {
            std::iter::from_fn(|| connection.receive().now_or_never()).map(Result::unwrap).collect()
        })
        .await;
        within(connection.feed("unsent")).await.unwrap();

        let mut connection =
            Connection::from_parts(connection.into_parts(), &ConnectionOptions::new());
        within(raw.write_all(&bytes[arrived..])).await.unwrap();
        while received.len() < 2 {
            received.push(within(connection.receive()).await.unwrap());
        }
        let received: Vec<_> = received.into_iter().map(Option::unwrap).collect();
        assert_eq!(received, ["Hello", "world"]);
        within(connection.send("sent")).await.unwrap();
        drop(connection);
        let mut written = Vec::new();
        within(raw.read_to_end(&mut written)).await.unwrap();
        assert_eq!(written, wire(&["unsent", "sent"]));
    }
}

#[tokio::test]
async fn a_connection_tells_the_dialect_that_it_has_detected() {
    let (near, mut raw) = duplex(64);
    let detect = ConnectionOptions::new().format(FrameFormat::new().detect_dialect(true));
    let mut connection = Connection::with_options(near, &detect);
    assert_eq!(connection.dialect(), Dialect::DOCUMENTED);
    within(raw.write_all(b"\0\0\0\x08\0\0\0\0\0\0\0\0")).await.unwrap();
    within(connection.receive()).await.unwrap().unwrap();
    assert_eq!(connection.dialect(), Dialect::NPIPES_1_0_1);
}

#[tokio::test]
async fn framed_takes_the_codec_as_it_is() {
    let (near, far) = duplex(64);
    let mut near = tokio_util::codec::Framed::new(near, FrameCodec::default());
    let mut far = Connection::new(far);
    within(near.send(Bytes::from_static(b"Hello"))).await.unwrap();
    let message = within(far.receive()).await.unwrap().unwrap();
    within(far.send(message)).await.unwrap();
    assert_eq!(within(near.next()).await.unwrap().unwrap(), b"Hello"[..]);
}
