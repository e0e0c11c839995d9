//! What a connection makes of a transport that can tell what its peer has read.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, SinkExt};
use npipes::{
    DrainOutcome, Error,
    connection::{ReceiveHalf, SendHalf},
    error::Operation,
};
use tokio::{
    io::{AsyncReadExt, DuplexStream},
    time::Instant,
};

use crate::{
    scripted::{
        Asked::{Abort, CloseWrite, Drain, Linger, StopDraining},
        CLOSE_TIMEOUT, Script, Scripted, Stage, asked,
    },
    support::within,
};

/// How long a transport is waited for in all: a deadline of its own that is as long comes first.
const WAIT: Duration = CLOSE_TIMEOUT.saturating_add(Duration::from_secs(1));

/// The outcome of a drain for each answer of a transport; `None` is a failure.
const OUTCOMES: [(Result<(), io::ErrorKind>, Option<DrainOutcome>); 6] = [
    (Ok(()), Some(DrainOutcome::Drained)),
    (Err(io::ErrorKind::TimedOut), Some(DrainOutcome::TimedOut { unread: None })),
    (Err(io::ErrorKind::Unsupported), Some(DrainOutcome::Flushed)),
    (Err(io::ErrorKind::BrokenPipe), Some(DrainOutcome::PeerGone)),
    (Err(io::ErrorKind::ConnectionReset), Some(DrainOutcome::PeerGone)),
    (Err(io::ErrorKind::PermissionDenied), None),
];

#[track_caller]
fn assert_outcome(
    outcome: Result<DrainOutcome, Error>,
    expected: Option<DrainOutcome>,
    operation: Operation,
) {
    match expected {
        Some(expected) => assert_eq!(outcome.unwrap(), expected),
        None => {
            let error = outcome.unwrap_err();
            assert!(
                matches!(&error, Error::Io { operation: of, source, .. }
                    if *of == operation && source.kind() == io::ErrorKind::PermissionDenied),
                "{error:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_the_transport_answers_is_the_outcome() {
    for (answer, expected) in OUTCOMES {
        let mut whole = Stage::new(false).drain(Some(answer));
        let drained = within(whole.near.drained()).await;
        assert_outcome(drained, expected, Operation::Drain);

        let whole = Stage::new(false).drain(Some(answer));
        let closed = within(whole.near.close()).await;
        assert_outcome(closed, expected, Operation::Close);

        for two_handles in [false, true] {
            let (mut sending, _receiving) =
                Stage::new(two_handles).drain(Some(answer)).near.split();
            let drained = within(sending.drained()).await;
            assert_outcome(drained, expected, Operation::Drain);
        }
    }
}

#[tokio::test]
async fn a_wait_that_is_given_up_ends_in_the_transport_too() {
    let mut whole = Stage::new(false);
    assert!(whole.near.drained().now_or_never().is_none());
    assert_eq!(asked(&whole.script), [Drain, StopDraining]);

    for two_handles in [false, true] {
        let Stage { near, script, far: _far } = Stage::new(two_handles);
        let (mut sending, _receiving) = near.split();
        assert!(sending.drained().now_or_never().is_none());
        assert_eq!(asked(&script), [Drain, StopDraining]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_over_when_the_time_is_up_and_the_next_one_has_all_of_it_again() {
    let mut whole = Stage::new(false);
    for _ in 0..2 {
        let start = Instant::now();
        let late = whole.near.drained().await.unwrap();
        assert_eq!((late, start.elapsed()), (DrainOutcome::TimedOut { unread: None }, WAIT));
    }
    assert_eq!(asked(&whole.script), [Drain, StopDraining, Drain, StopDraining]);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_late_aborts_the_transport_and_no_other_does() {
    let whole = Stage::new(false);
    let late = whole.near.close().await.unwrap();
    assert_eq!(late, DrainOutcome::TimedOut { unread: None });
    assert_eq!(asked(&whole.script), [Drain, Abort]);

    for answer in [Ok(()), Err(io::ErrorKind::BrokenPipe)] {
        let whole = Stage::new(false).drain(Some(answer));
        let _ = whole.near.close().await.unwrap();
        assert_eq!(asked(&whole.script), [Drain]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_reads_nothing_after_the_end_of_what_the_peer_has_sent() {
    let Stage { near, far, script } = Stage::new(false);
    drop(far);
    let late = near.close().await.unwrap();
    assert_eq!(late, DrainOutcome::TimedOut { unread: None });
    assert_eq!(script.lock().unwrap().reads, 1);
}

#[tokio::test]
async fn an_abort_asks_for_nothing_else() {
    let whole = Stage::new(false);
    whole.near.abort();
    assert_eq!(asked(&whole.script), [Abort]);

    for two_handles in [false, true] {
        let Stage { near, script, .. } = Stage::new(two_handles);
        let (sending, receiving) = near.split();
        sending.abort_handle().unwrap().abort();
        receiving.abort_handle().unwrap().abort();
        sending.abort();
        receiving.abort();
        assert_eq!(*script.lock().unwrap().asked.make_contiguous(), [Abort; 4]);
    }
}

/// The sending half of a connection whose other half and whose peer are there.
struct Sending {
    half: SendHalf<Scripted>,
    script: Arc<Mutex<Script>>,
    _receiving: ReceiveHalf<Scripted>,
    _far: DuplexStream,
}

impl From<Stage> for Sending {
    fn from(Stage { near, far, script }: Stage) -> Self {
        let (half, receiving) = near.split();
        Self { half, script, _receiving: receiving, _far: far }
    }
}

#[tokio::test]
async fn a_half_tells_its_end_after_everything_was_read() {
    for two_handles in [false, true] {
        let stage = || Stage::new(two_handles).drain(Some(Ok(())));
        for (answer, expected) in [
            (Ok(()), DrainOutcome::Drained),
            (Err(io::ErrorKind::BrokenPipe), DrainOutcome::PeerGone),
        ] {
            let near = Sending::from(stage().close_write(Some(answer)));
            assert_eq!(within(near.half.close()).await.unwrap(), expected);
            assert_eq!(asked(&near.script), [Drain, StopDraining, CloseWrite]);
        }

        let near = Sending::from(stage().close_write(Some(Err(io::ErrorKind::Unsupported))));
        let error = within(near.half.close()).await.unwrap_err();
        assert!(matches!(error, Error::HalfClose { .. }), "{error:?}");
        assert_eq!(asked(&near.script), [Drain, StopDraining, CloseWrite]);

        let near =
            Sending::from(Stage::new(two_handles).drain(Some(Err(io::ErrorKind::BrokenPipe))));
        assert_eq!(within(near.half.close()).await.unwrap(), DrainOutcome::PeerGone);
        assert_eq!(asked(&near.script), [Drain, StopDraining]);
    }
}

#[tokio::test]
async fn nothing_is_sent_after_the_end_was_told() {
    let stage = Stage::new(true).drain(Some(Ok(()))).close_write(Some(Ok(())));
    let mut near = Sending::from(stage);
    assert_eq!(within(near.half.close_write()).await.unwrap(), DrainOutcome::Drained);
    assert!(matches!(within(near.half.send("late")).await, Err(Error::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_half_that_cannot_tell_its_end_in_time_lingers_no_longer() {
    for two_handles in [false, true] {
        let near = Sending::from(Stage::new(two_handles).drain(Some(Ok(()))));
        let start = Instant::now();
        let late = near.half.close().await.unwrap();
        assert_eq!((late, start.elapsed()), (DrainOutcome::TimedOut { unread: None }, WAIT));
        let expected = [Drain, StopDraining, CloseWrite, Linger(Duration::ZERO)];
        assert_eq!(asked(&near.script), expected);
    }
}

#[tokio::test]
async fn a_sink_that_is_closed_tells_its_end_where_that_can_be() {
    for two_handles in [false, true] {
        for answer in [Ok(()), Err(io::ErrorKind::Unsupported)] {
            let stage = Stage::new(two_handles).drain(Some(Ok(()))).close_write(Some(answer));
            let mut near = Sending::from(stage);
            within(SinkExt::<Bytes>::close(&mut near.half)).await.unwrap();
            assert_eq!(asked(&near.script), [Drain, CloseWrite]);
            // It is closed already.
            within(SinkExt::<Bytes>::close(&mut near.half)).await.unwrap();
            assert_eq!(asked(&near.script), []);
        }

        let gone = Some(Err(io::ErrorKind::BrokenPipe));
        let mut near = Sending::from(Stage::new(two_handles).drain(gone));
        within(SinkExt::<Bytes>::close(&mut near.half)).await.unwrap();
        assert_eq!(asked(&near.script), [Drain]);

        let late = Some(Err(io::ErrorKind::TimedOut));
        let mut near = Sending::from(Stage::new(two_handles).drain(late));
        let error = within(SinkExt::<Bytes>::close(&mut near.half)).await.unwrap_err();
        assert!(
            matches!(&error, Error::Io { operation: Operation::Close, source, .. }
                if source.kind() == io::ErrorKind::TimedOut),
            "{error:?}"
        );
        assert_eq!(asked(&near.script), [Drain]);
    }
}

#[tokio::test]
async fn a_whole_sink_that_is_closed_asks_and_tells_nothing() {
    let mut whole = Stage::new(false).drain(Some(Ok(())));
    within(SinkExt::<Bytes>::close(&mut whole.near)).await.unwrap();
    assert_eq!(asked(&whole.script), [Drain]);
    within(SinkExt::<Bytes>::close(&mut whole.near)).await.unwrap();
    assert_eq!(asked(&whole.script), []);
}

#[tokio::test]
async fn a_half_reads_through_a_handle_of_its_own_where_there_is_one() {
    for two_handles in [false, true] {
        let Stage { near, script, far: _far } = Stage::new(two_handles);
        let (_sending, mut receiving) = near.split();
        assert!(receiving.receive().now_or_never().is_none());
        let script = script.lock().unwrap();
        assert_eq!((script.reads > 0, script.second_reads > 0), (true, two_handles));
    }
}

#[tokio::test]
async fn halves_that_come_together_are_the_same_transport_again() {
    for two_handles in [false, true] {
        let Stage { near, script, mut far } = Stage::new(two_handles).drain(Some(Ok(())));
        let (mut sending, receiving) = near.split();
        within(sending.send("Hello")).await.unwrap();
        let mut near = sending.reunite(receiving);
        assert_eq!(within(near.drained()).await.unwrap(), DrainOutcome::Drained);
        assert_eq!(asked(&script), [Drain, StopDraining]);
        let mut frame = [0; 17];
        within(far.read_exact(&mut frame)).await.unwrap();
        assert_eq!(frame[8..13], *b"Hello");
    }
}
