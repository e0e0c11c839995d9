//! Which bytes go out in which write.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use npipes::{Connection, ConnectionOptions, Error, frame::FrameFormat};
use tokio::io::{AsyncReadExt, AsyncWrite, BufStream, duplex};

use crate::{
    support::within,
    trickle::{Trickle, write_lens},
};

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
async fn a_long_write_of_many_payloads_has_as_many_slices_as_the_system_takes() {
    const LEN: usize = 8192;
    const COUNT: usize = 700;
    let transport = Trickle::new(b"", usize::MAX).vectored();
    let options = ConnectionOptions::new().send_buffer(512 * 1024);
    let mut connection = Connection::with_options(transport, &options);
    for _ in 0..COUNT {
        within(connection.feed(vec![7; LEN])).await.unwrap();
    }
    within(connection.flush()).await.unwrap();
    let lens = write_lens(&connection);
    assert_eq!(lens.iter().sum::<usize>(), COUNT * (LEN + 12));
    // A write has 16 slices: payloads, and what is between them.
    assert!(lens.iter().all(|len| *len <= 8 * (LEN + 12)), "{lens:?}");
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
