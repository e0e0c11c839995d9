//! Messages over any stream of bytes.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures::{FutureExt, SinkExt, StreamExt, stream::FusedStream};
use npipes::{
    Connection, ConnectionOptions, DrainOutcome, Error, FrameCodec,
    connection::ConnectionStats,
    frame::{Dialect, FrameError, FrameFormat},
};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream, DuplexStream, duplex};
use tokio_util::codec::Encoder;

use crate::{
    support::{pattern, within},
    trickle::Trickle,
};

fn pair(room: usize) -> (Connection<DuplexStream>, Connection<DuplexStream>) {
    let (near, far) = duplex(room);
    (Connection::new(near), Connection::new(far))
}

fn wire(messages: &[&'static str]) -> BytesMut {
    let mut wire = BytesMut::new();
    for message in messages {
        FrameCodec::default().encode(Bytes::from_static(message.as_bytes()), &mut wire).unwrap();
    }
    wire
}

fn write_lens(connection: &Connection<Trickle>) -> Vec<usize> {
    connection.get_ref().written.iter().map(Vec::len).collect()
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
async fn a_message_waits_for_a_write_when_the_send_buffer_is_full_and_not_before() {
    // A frame has 100 bytes.
    for (send_buffer, writes) in [(100, true), (101, false)] {
        let options = ConnectionOptions::new().send_buffer(send_buffer);
        let transport = Trickle::new(b"", usize::MAX);
        let mut connection = Connection::with_options(transport, &options);
        for _ in 0..2 {
            within(connection.feed(vec![0; 88])).await.unwrap();
        }
        assert_eq!(!connection.get_ref().written.is_empty(), writes, "{send_buffer}");
    }
}

#[tokio::test]
async fn a_connection_flushes_the_stream_that_it_is_over() {
    let (near, mut far) = duplex(4096);
    let mut connection = Connection::new(BufStream::new(near));
    within(connection.send("Hello")).await.unwrap();
    within(far.read_exact(&mut [0; 17])).await.unwrap();
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

#[tokio::test]
async fn frames_share_a_write_unless_told_not_to() {
    let feed = async |options: ConnectionOptions, trickle: Trickle| {
        let mut connection = Connection::with_options(trickle, &options);
        for message in ["one", "two", "three"] {
            within(connection.feed(message)).await.unwrap();
        }
        within(connection.feed(vec![7; 20_000])).await.unwrap();
        within(connection.flush()).await.unwrap();
        connection.into_inner()
    };
    let trickle = |step| Trickle::new(b"", step);
    let shared = feed(ConnectionOptions::new(), trickle(usize::MAX).vectored()).await;
    assert_eq!(shared.written.len(), 1);
    let single = ConnectionOptions::new().frame_per_write(true);
    for transport in [trickle(usize::MAX).vectored(), trickle(usize::MAX)] {
        let single = feed(single.clone(), transport).await;
        assert_eq!(single.all_written(), shared.all_written());
        let lens: Vec<usize> = single.written.iter().map(Vec::len).collect();
        assert_eq!(lens, [15, 15, 17, 20_012]);
    }
    // The rest of a frame that was taken in part comes alone too.
    for transport in [trickle(16).vectored(), trickle(16)] {
        let single = feed(single.clone(), transport).await;
        assert_eq!(single.all_written(), shared.all_written());
        let lens: Vec<usize> = single.written.iter().map(Vec::len).collect();
        assert_eq!(lens[..6], [15, 15, 16, 1, 16, 16]);
    }
}

/// Takes all slices at once, and remembers where the long ones are.
#[derive(Default)]
struct Places(Vec<*const u8>);

impl AsyncWrite for Places {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.extend(bufs.iter().filter(|buf| buf.len() > 1000).map(|buf| buf.as_ptr()));
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_large_payload_is_written_from_its_own_memory() {
    for frame_per_write in [false, true] {
        let options = ConnectionOptions::new().frame_per_write(frame_per_write);
        let transport = tokio::io::join(tokio::io::empty(), Places::default());
        let mut connection = Connection::with_options(transport, &options);
        for (len, is_large) in [(8191, false), (8192, true), (20_000, true)] {
            let payload = Bytes::from(vec![7; len]);
            within(connection.send(payload.clone())).await.unwrap();
            let is_written = connection.get_ref().writer().0.contains(&payload.as_ptr());
            assert_eq!(is_written, is_large, "{len}");
        }
    }
}

#[tokio::test]
async fn a_payload_is_too_large_for_a_write_of_its_own_before_anything_is_written() {
    const MAX: u32 = FrameFormat::DEFAULT_MAX_PER_WRITE;
    let max = MAX as usize;
    let connection = |options| Connection::with_options(Trickle::new(b"", usize::MAX), &options);
    let one_write = ConnectionOptions::new().frame_per_write(true);
    let mut limited = connection(one_write.clone());
    let error = within(limited.send(vec![7; max + 1])).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { len, max: MAX, .. } if len == max + 1), "{error:?}");
    assert!(limited.get_ref().written.is_empty());
    within(limited.send(vec![7; max])).await.unwrap();
    assert_eq!(write_lens(&limited), [max + 12]);
    // Whoever knows better says so, in whatever order.
    let longer = FrameFormat::new().max_send(MAX + 1);
    let told =
        [one_write.format(longer), ConnectionOptions::new().format(longer).frame_per_write(true)];
    for options in told {
        let mut told = connection(options);
        within(told.send(vec![7; max + 1])).await.unwrap();
        assert_eq!(write_lens(&told), [max + 13]);
        assert!(within(told.send(vec![7; max + 2])).await.is_err());
    }
    // What shares writes has no such limit.
    within(connection(ConnectionOptions::new()).send(vec![7; max + 1])).await.unwrap();
}

/// The frame of a payload of 64 KiB, which the first writes take at most.
const FIRST_WRITE: usize = 65_536 + 12;

/// Returns a connection that has sent 4 MiB, which a long stream begins with, and in how many writes.
async fn long_stream(options: &ConnectionOptions) -> (Connection<Trickle>, usize) {
    let trickle = Trickle::new(b"", usize::MAX).vectored();
    let mut connection = Connection::with_options(trickle, options);
    for _ in 0..64 {
        within(connection.send(vec![7; 65_536])).await.unwrap();
    }
    let writes = write_lens(&connection).len();
    (connection, writes)
}

#[tokio::test]
async fn the_first_4_mib_go_out_in_writes_of_a_frame_of_64_kib() {
    let mut connection = Connection::new(Trickle::new(b"", usize::MAX).vectored());
    for _ in 0..5 {
        within(connection.send(vec![7; 1 << 20])).await.unwrap();
    }
    let lens = write_lens(&connection);
    let longer = lens.iter().position(|len| *len > FIRST_WRITE).unwrap();
    let (first, later) = lens.split_at(longer);
    assert_eq!(first.iter().filter(|len| **len == FIRST_WRITE).count(), 64, "{lens:?}");
    assert_eq!(later[0], 262_156, "{lens:?}");
}

#[tokio::test]
async fn one_write_of_a_long_stream_takes_a_frame_of_256_kib_and_no_more() {
    let (mut connection, first) = long_stream(&ConnectionOptions::new()).await;
    within(connection.send(vec![7; 262_144])).await.unwrap();
    within(connection.send(vec![7; 262_145])).await.unwrap();
    assert_eq!(write_lens(&connection)[first..], [262_156, 262_156, 1]);
}

#[tokio::test]
async fn a_send_buffer_below_64_kib_keeps_the_writes_of_a_long_stream_short() {
    for (send_buffer, longest) in [
        (1, 4096),
        (16_384, 32_780),
        (32_768, FIRST_WRITE),
        (65_535, FIRST_WRITE),
        (65_536, 262_156),
        (usize::MAX, 262_156),
    ] {
        let options = ConnectionOptions::new().send_buffer(send_buffer);
        let (mut connection, first) = long_stream(&options).await;
        within(connection.send(vec![7; 300_000])).await.unwrap();
        let lens = &write_lens(&connection)[first..];
        assert_eq!(lens[0], longest);
        assert_eq!(lens.iter().max(), Some(&longest));
    }
}

#[tokio::test]
async fn what_a_full_write_leaves_over_goes_out_with_the_next_frame() {
    let (mut connection, first) = long_stream(&ConnectionOptions::new()).await;
    within(connection.feed(vec![7; 300_000])).await.unwrap();
    within(connection.feed("Hello")).await.unwrap();
    assert_eq!(write_lens(&connection)[first..], [262_156]);
    within(connection.flush()).await.unwrap();
    assert_eq!(write_lens(&connection)[first..], [262_156, 300_012 - 262_156 + 17]);
}

#[tokio::test]
async fn a_batch_up_to_the_send_buffer_goes_out_in_one_write_of_a_long_stream() {
    let (mut connection, first) = long_stream(&ConnectionOptions::new()).await;
    for _ in 0..3 {
        for _ in 0..ConnectionOptions::DEFAULT_SEND_BUFFER / 76 {
            within(connection.feed(vec![7; 64])).await.unwrap();
        }
        within(connection.flush()).await.unwrap();
    }
    assert_eq!(write_lens(&connection)[first..], [122_816; 3]);
}

#[tokio::test]
async fn small_frames_never_make_a_write_longer_than_two_of_the_first() {
    let (mut connection, first) = long_stream(&ConnectionOptions::new()).await;
    for len in (0..8192).step_by(5) {
        within(connection.feed(vec![7; len])).await.unwrap();
    }
    let lens = &write_lens(&connection)[first..];
    assert!(lens.len() > 50, "{lens:?}");
    assert!(lens.iter().all(|len| (122_880..=2 * FIRST_WRITE).contains(len)), "{lens:?}");
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
