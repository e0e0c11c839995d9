//! Many messages at once: lent where they have arrived, and none of them lost.

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use npipes::{
    Connection, ConnectionOptions, Error, FrameCodec,
    frame::{Dialect, FrameError, FrameFormat, ReceiveChecksum},
};
use proptest::{collection::vec, prelude::*};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_util::codec::Encoder;

use crate::{
    support::{pattern, within},
    trickle::Trickle,
};

fn frames(messages: &[&[u8]]) -> BytesMut {
    let mut wire = BytesMut::new();
    for message in messages {
        FrameCodec::default().encode(*message, &mut wire).unwrap();
    }
    wire
}

async fn arrived(bytes: &[u8]) -> Connection<DuplexStream> {
    let (near, mut far) = duplex(bytes.len().max(1));
    within(far.write_all(bytes)).await.unwrap();
    Connection::new(near)
}

async fn batch(connection: &mut Connection<DuplexStream>) -> Option<Vec<Bytes>> {
    let batch = within(connection.receive_batch()).await.unwrap()?;
    Some(batch.map(Bytes::copy_from_slice).collect())
}

#[tokio::test]
async fn a_batch_is_what_has_arrived() {
    let mut connection = arrived(&frames(&[b"a", b"", b"ccc"])).await;
    assert_eq!(batch(&mut connection).await.unwrap(), ["a", "", "ccc"]);
    assert_eq!(batch(&mut connection).await, None);
    assert_eq!(batch(&mut connection).await, None);
    assert_eq!(connection.stats().messages_received, 3);
    assert_eq!(connection.stats().bytes_received, 4);
}

#[tokio::test]
async fn a_frame_inside_a_payload_is_payload_however_it_arrives() {
    let inner = frames(&[b"inner"]);
    let wire = frames(&[&inner]);
    for cut in 1..wire.len() {
        let (near, mut far) = duplex(wire.len());
        let mut connection = Connection::new(near);
        within(far.write_all(&wire[..cut])).await.unwrap();
        assert!(connection.receive_batch().now_or_never().is_none(), "cut {cut}");
        within(far.write_all(&wire[cut..])).await.unwrap();
        assert_eq!(batch(&mut connection).await.unwrap(), [&inner], "cut {cut}");
    }
}

#[tokio::test]
async fn the_first_frame_of_a_batch_decides_the_dialect_that_is_detected() {
    let other = FrameFormat::new().dialect(Dialect::NPIPES_1_0_1);
    let mut wire = frames(&[b"a", b"b"]);
    FrameCodec::new(other).encode(&b"c"[..], &mut wire).unwrap();
    let (near, mut far) = duplex(wire.len());
    within(far.write_all(&wire)).await.unwrap();
    let detecting = ConnectionOptions::new().format(FrameFormat::new().detect_dialect(true));
    let mut connection = Connection::with_options(near, &detecting);
    assert_eq!(batch(&mut connection).await.unwrap(), ["a", "b"]);
    let error = within(connection.receive_batch()).await.unwrap_err();
    assert!(matches!(error, Error::Frame(FrameError::LengthMismatch { .. })), "{error:?}");
}

#[tokio::test]
async fn what_is_not_taken_out_of_a_batch_stays() {
    let wire = frames(&[b"a", b"b", b"c", b"d"]);
    for taken in 0..=4 {
        let mut connection = arrived(&wire).await;
        let mut got: Vec<Bytes> = Vec::new();
        let some = within(connection.receive_batch()).await.unwrap().unwrap();
        got.extend(some.take(taken).map(Bytes::copy_from_slice));
        while let Some(message) = within(connection.receive()).await.unwrap() {
            got.push(message.freeze());
        }
        assert_eq!(got, ["a", "b", "c", "d"], "{taken} taken");
        assert_eq!(connection.stats().messages_received, 4);
    }
    // A batch after a batch of which nothing was taken.
    let mut connection = arrived(&wire).await;
    for _ in 0..3 {
        let _ = within(connection.receive_batch()).await.unwrap().unwrap();
    }
    assert_eq!(batch(&mut connection).await.unwrap(), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn what_is_not_taken_out_of_a_batch_is_among_the_parts() {
    let wire = frames(&[b"a", b"b", b"c"]);
    for taken in 0..=3 {
        let mut connection = arrived(&wire).await;
        let some = within(connection.receive_batch()).await.unwrap().unwrap();
        assert_eq!(some.take(taken).count(), taken);
        assert_eq!(connection.into_parts().unread, wire[13 * taken..], "{taken} taken");
    }
}

#[tokio::test]
async fn a_batch_ends_before_what_is_wrong_and_the_next_call_reports_it() {
    let mut wire = frames(&[b"a", b"b", b"c", b"d"]);
    wire[13 + 8] ^= 1;
    wire[39] ^= 1;
    let mut connection = arrived(&wire).await;
    assert_eq!(batch(&mut connection).await.unwrap(), ["a"]);
    let error = within(connection.receive_batch()).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Frame(FrameError::Checksum { .. })), "{error:?}");
    assert_eq!(batch(&mut connection).await.unwrap(), ["c"]);
    let error = within(connection.receive_batch()).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Frame(FrameError::LengthMismatch { .. })), "{error:?}");
    assert_eq!(batch(&mut connection).await, None);
    assert_eq!(connection.stats().corrupt_frames, 1);
}

#[tokio::test]
async fn a_batch_obeys_the_format() {
    let format = FrameFormat::new().receive_checksum(ReceiveChecksum::Require);
    let options = ConnectionOptions::new().format(format);
    let mut wire = frames(&[b"a", b"b"]);
    wire[22..].fill(0);
    let (near, mut far) = duplex(64);
    within(far.write_all(&wire)).await.unwrap();
    let mut connection = Connection::with_options(near, &options);
    assert_eq!(batch(&mut connection).await.unwrap(), ["a"]);
    let error = within(connection.receive_batch()).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Frame(FrameError::ChecksumMissing { .. })), "{error:?}");
}

#[tokio::test]
async fn a_slice_is_sent_as_a_message_is() {
    let lens = [0, 1, 64, 8191, 8192, 100_000];
    let (near, mut far) = duplex(1 << 20);
    let mut connection = Connection::new(near);
    let mut expected = BytesMut::new();
    for (seed, len) in lens.into_iter().enumerate() {
        let message = pattern(len, seed as u64);
        within(connection.feed_slice(&message)).await.unwrap();
        FrameCodec::default().encode(&message[..], &mut expected).unwrap();
    }
    within(connection.flush()).await.unwrap();
    assert_eq!(connection.stats().messages_sent, lens.len() as u64);
    drop(connection);
    let mut written = Vec::new();
    within(far.read_to_end(&mut written)).await.unwrap();
    assert!(written == expected);

    let small = ConnectionOptions::new().format(FrameFormat::new().max_payload(4));
    let mut connection = Connection::with_options(duplex(64).0, &small);
    let error = within(connection.feed_slice(b"Hello")).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { len: 5, max: 4, .. }), "{error:?}");
}

#[tokio::test]
async fn halves_send_slices_and_receive_batches() {
    let (near, far) = Connection::pair();
    let ((mut sending, _near), (_far, mut receiving)) = (near.split(), far.split());
    within(sending.feed_slice(b"a")).await.unwrap();
    within(sending.feed_slice(b"bb")).await.unwrap();
    within(sending.flush()).await.unwrap();
    let batch = within(receiving.receive_batch()).await.unwrap().unwrap();
    assert_eq!(batch.collect::<Vec<_>>(), [&b"a"[..], b"bb"]);
    drop((sending, _near));
    assert!(within(receiving.receive_batch()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_slice_goes_out_in_a_write_of_its_own_where_frames_do() {
    let options = ConnectionOptions::new().frame_per_write(true);
    let mut connection = Connection::with_options(Trickle::new(b"", usize::MAX), &options);
    for message in [&b"a"[..], b"bb", b"ccc"] {
        within(connection.feed_slice(message)).await.unwrap();
    }
    within(connection.flush()).await.unwrap();
    let lens: Vec<_> = connection.get_ref().written.iter().map(Vec::len).collect();
    assert_eq!(lens, [13, 14, 15]);
}

proptest! {
    /// However the bytes arrive, and whatever is asked for in turn, each message comes once, in order.
    #[test]
    fn batches_and_single_receives_find_every_message_once(
        lens in vec(prop_oneof![0..40_usize, 0..3000_usize], 1..40),
        step in 1..200_usize,
        mut asks in vec(0..5_usize, 1..200),
    ) {
        let messages: Vec<_> =
            lens.iter().enumerate().map(|(seed, len)| pattern(*len, seed as u64)).collect();
        let wire = frames(&messages.iter().map(|message| &message[..]).collect::<Vec<_>>());
        let mut connection = Connection::new(Trickle::new(&wire, step));
        // One that takes something: a batch of which nothing is taken stays for ever.
        asks.push(2);
        let mut asks = asks.iter().cycle();
        let mut got: Vec<Vec<u8>> = Vec::new();
        // The trickle wakes at once, so what is not ready is asked for again.
        let mut idle = 0;
        while got.len() < messages.len() && idle < 100_000 {
            let before = got.len();
            match *asks.next().unwrap() {
                0 => match connection.receive().now_or_never() {
                    Some(Ok(Some(message))) => got.push(message.to_vec()),
                    Some(other) => prop_assert!(false, "{other:?}"),
                    None => {}
                },
                take => match connection.receive_batch().now_or_never() {
                    Some(Ok(Some(batch))) => got.extend(batch.take(take - 1).map(<[u8]>::to_vec)),
                    Some(other) => prop_assert!(false, "{other:?}"),
                    None => {}
                },
            }
            idle = if got.len() > before { 0 } else { idle + 1 };
        }
        prop_assert_eq!(got, messages);
    }
}
