//! Time limits, with a clock that stands still until everybody waits.

use std::{task::Poll, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, SinkExt, StreamExt};
use npipes::{Connection, ConnectionOptions, DrainOutcome, Error, error::Operation};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::{Instant, advance, sleep, timeout},
};

const LIMIT: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

/// One whole frame around `Hello`.
const HELLO: &[u8] = b"\x11\0\0\0\x05\0\0\0Hello\x82\x89\xd1\xf7";

fn pair(options: ConnectionOptions) -> (Connection<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(4096);
    (Connection::with_options(near, &options), far)
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_stalls_ends_the_connection() {
    for begun in 1..HELLO.len() {
        let (mut near, mut far) = pair(ConnectionOptions::new().frame_timeout(LIMIT));
        far.write_all(&HELLO[..begun]).await.unwrap();
        let start = Instant::now();
        let error = near.receive().await.unwrap_err();
        assert_eq!(start.elapsed(), LIMIT);
        let need = if begun < 8 { 8 } else { HELLO.len() };
        assert!(
            matches!(error, Error::FrameTimedOut { timeout: LIMIT, have, need: n, .. }
                if (have, n) == (begun, need)),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            format!("a frame is not complete after 10s: {begun} of {need} bytes arrived")
        );
        assert!(error.is_timeout() && !error.is_retryable() && !error.is_closed());
        far.write_all(&HELLO[begun..]).await.unwrap();
        assert_eq!(near.receive().await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_trickles_is_as_late_as_one_that_stalls() {
    let (mut near, mut far) = pair(ConnectionOptions::new().frame_timeout(LIMIT));
    let start = Instant::now();
    let trickle = async {
        for byte in HELLO {
            far.write_all(&[*byte]).await.unwrap();
            sleep(SECOND * 3 / 2).await;
        }
    };
    let receive = async { (near.receive().await.unwrap_err(), start.elapsed()) };
    let ((error, elapsed), ()) = tokio::join!(receive, trickle);
    assert!(matches!(error, Error::FrameTimedOut { have: 7, need: 8, .. }), "{error:?}");
    assert_eq!(elapsed, LIMIT);
}

#[tokio::test(start_paused = true)]
async fn each_frame_has_the_whole_time() {
    let (mut near, mut far) = pair(ConnectionOptions::new().frame_timeout(LIMIT));
    let send = async {
        far.write_all(&HELLO[..6]).await.unwrap();
        for _ in 0..5 {
            sleep(LIMIT - SECOND).await;
            // The end of one frame and the beginning of the next come together.
            far.write_all(&[&HELLO[6..], &HELLO[..6]].concat()).await.unwrap();
        }
        far
    };
    let receive = async {
        for _ in 0..5 {
            assert_eq!(near.receive().await.unwrap().unwrap(), b"Hello"[..]);
        }
    };
    let (_far, ()) = tokio::join!(send, receive);
    assert!(matches!(near.receive().await, Err(Error::FrameTimedOut { have: 6, need: 8, .. })));
}

#[tokio::test(start_paused = true)]
async fn silence_between_frames_is_no_frames_fault() {
    let (mut near, mut far) = pair(ConnectionOptions::new().frame_timeout(LIMIT));
    far.write_all(HELLO).await.unwrap();
    near.receive().await.unwrap().unwrap();
    assert!(timeout(LIMIT * 100, near.receive()).await.is_err());
    far.write_all(HELLO).await.unwrap();
    assert_eq!(near.receive().await.unwrap().unwrap(), b"Hello"[..]);
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_is_given_up_does_not_restart_the_clock() {
    for options in [
        ConnectionOptions::new().frame_timeout(LIMIT),
        ConnectionOptions::new().idle_timeout(LIMIT),
    ] {
        let (mut near, mut far) = pair(options);
        far.write_all(&HELLO[..9]).await.unwrap();
        let start = Instant::now();
        let mut given_up = 0;
        let error = loop {
            match timeout(SECOND * 3, near.receive()).await {
                Ok(received) => break received.unwrap_err(),
                Err(_) => given_up += 1,
            }
        };
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!((given_up, start.elapsed()), (3, LIMIT));
    }
}

#[tokio::test(start_paused = true)]
async fn the_clock_goes_on_while_nobody_receives() {
    for options in [
        ConnectionOptions::new().frame_timeout(LIMIT),
        ConnectionOptions::new().idle_timeout(LIMIT),
    ] {
        let (mut near, mut far) = pair(options);
        far.write_all(&HELLO[..9]).await.unwrap();
        assert!(near.receive().now_or_never().is_none());
        advance(LIMIT * 2).await;
        let error = near.receive().now_or_never().unwrap().unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_arrived_meanwhile_is_not_late() {
    let options = ConnectionOptions::new().frame_timeout(LIMIT).idle_timeout(LIMIT);
    let (mut near, mut far) = pair(options);
    far.write_all(&HELLO[..9]).await.unwrap();
    assert!(near.receive().now_or_never().is_none());
    far.write_all(&HELLO[9..]).await.unwrap();
    advance(LIMIT * 2).await;
    assert_eq!(near.receive().await.unwrap().unwrap(), b"Hello"[..]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_ends_the_connection() {
    let (mut near, mut far) = pair(ConnectionOptions::new().idle_timeout(LIMIT));
    let start = Instant::now();
    let send = async {
        for _ in 0..5 {
            sleep(LIMIT - SECOND).await;
            far.write_all(HELLO).await.unwrap();
        }
    };
    let receive = async {
        let mut count = 0;
        loop {
            match near.next().await {
                Some(Ok(_)) => count += 1,
                end => return (count, end),
            }
        }
    };
    let ((), (count, end)) = tokio::join!(send, receive);
    let Some(Err(error)) = end else { panic!("{end:?}") };
    assert!(matches!(error, Error::IdleTimedOut { timeout: LIMIT, .. }), "{error:?}");
    assert_eq!(error.to_string(), "nothing has arrived for 10s");
    assert!(error.is_timeout() && !error.is_retryable());
    assert_eq!((count, start.elapsed()), (5, (LIMIT - SECOND) * 5 + LIMIT));
    assert!(near.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_trickling_frame_is_not_silence() {
    let (mut near, mut far) = pair(ConnectionOptions::new().idle_timeout(SECOND * 2));
    let trickle = async {
        for byte in HELLO {
            sleep(SECOND).await;
            far.write_all(&[*byte]).await.unwrap();
        }
    };
    let (message, ()) = tokio::join!(near.receive(), trickle);
    assert_eq!(message.unwrap().unwrap(), b"Hello"[..]);
}

#[tokio::test(start_paused = true)]
async fn the_earlier_limit_ends_it() {
    let both = |frame: u64, idle: u64| {
        ConnectionOptions::new()
            .frame_timeout(Duration::from_secs(frame))
            .idle_timeout(Duration::from_secs(idle))
    };
    let (mut near, mut far) = pair(both(3, 5));
    far.write_all(&HELLO[..9]).await.unwrap();
    assert!(matches!(near.receive().await, Err(Error::FrameTimedOut { .. })));
    let (mut near, mut far) = pair(both(5, 3));
    far.write_all(&HELLO[..9]).await.unwrap();
    assert!(matches!(near.receive().await, Err(Error::IdleTimedOut { .. })));
}

/// Without `enable_time` anything that asks for the clock panics.
#[test]
fn without_a_limit_no_clock_is_needed() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut near, mut far) = pair(ConnectionOptions::new());
        far.write_all(&HELLO[..9]).await.unwrap();
        assert!(near.receive().now_or_never().is_none());
        far.write_all(&HELLO[9..]).await.unwrap();
        near.receive().await.unwrap().unwrap();
        near.send("Hello").await.unwrap();
        assert_eq!(near.close().await.unwrap(), DrainOutcome::Flushed);
    });
}

#[tokio::test(start_paused = true)]
async fn a_close_that_cannot_write_ends_at_the_deadline() {
    let (mut near, mut far) = pair(ConnectionOptions::new().close_timeout(LIMIT));
    near.feed(vec![7; 10_000]).await.unwrap();
    let start = Instant::now();
    assert_eq!(near.close().await.unwrap(), DrainOutcome::TimedOut { unread: None });
    assert_eq!(start.elapsed(), LIMIT);
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.len(), 4096);
}

#[tokio::test(start_paused = true)]
async fn a_close_takes_five_seconds_at_most_unless_told_otherwise() {
    let (mut near, _far) = pair(ConnectionOptions::new());
    near.feed(vec![7; 10_000]).await.unwrap();
    let start = Instant::now();
    let error = SinkExt::<Bytes>::close(&mut near).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert!(
        matches!(error, Error::Io { operation: Operation::Close, pipe: None, .. })
            && error.is_timeout(),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_hangs_in_its_shutdown_does_not_hang_a_close() {
    struct Hanging;

    impl tokio::io::AsyncRead for Hanging {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            Poll::Pending
        }
    }

    impl tokio::io::AsyncWrite for Hanging {
        fn poll_write(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buf: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<std::io::Result<()>> {
            Poll::Pending
        }
    }

    let options = ConnectionOptions::new().close_timeout(LIMIT);
    let mut near = Connection::with_options(Hanging, &options);
    near.send("Hello").await.unwrap();
    let start = Instant::now();
    assert_eq!(near.close().await.unwrap(), DrainOutcome::TimedOut { unread: None });
    // A second more for transports that have the same deadline, and can say more.
    assert_eq!(start.elapsed(), LIMIT + SECOND);
}
