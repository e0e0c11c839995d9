//! What is left when a future is dropped after any number of polls.

use std::{future::Future, pin::pin};

use bytes::{Bytes, BytesMut};
use futures::task::noop_waker;
use npipes::{Connection, ConnectionOptions, FrameCodec};
use std::task::{Context, Poll};
use tokio_util::codec::{Decoder, Encoder};

use crate::{support::pattern, trickle::Trickle};

/// Polls `future` at most `polls` times and then drops it.
fn give_up_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
    }
    None
}

fn messages() -> Vec<Bytes> {
    [0, 1, 5, 40, 3, 200].into_iter().map(|len| pattern(len, len as u64).into()).collect()
}

fn wire(messages: &[Bytes]) -> BytesMut {
    let mut wire = BytesMut::new();
    for message in messages {
        FrameCodec::default().encode(message.clone(), &mut wire).unwrap();
    }
    wire
}

#[test]
fn a_receive_cancelled_at_any_poll_loses_nothing() {
    let messages = messages();
    for polls in 1..12 {
        let mut connection = Connection::new(Trickle::new(&wire(&messages), 7));
        let mut received = Vec::new();
        let mut cancelled = 0;
        loop {
            match give_up_after(polls, connection.receive()) {
                Some(Ok(Some(message))) => received.push(message.freeze()),
                Some(Ok(None)) => break,
                Some(Err(e)) => panic!("{e:?}"),
                None => cancelled += 1,
            }
        }
        assert_eq!(received, messages);
        assert!(cancelled > 0 || polls > 9);
    }
}

#[test]
fn a_send_cancelled_at_any_poll_puts_only_whole_frames_on_the_wire() {
    for vectored in [false, true] {
        for polls in 0..40 {
            let trickle = Trickle::new(b"", 11);
            let trickle = if vectored { trickle.vectored() } else { trickle };
            // A small queue, so that `feed` has to write and can be cancelled there too.
            let options = ConnectionOptions::new().send_buffer(16);
            let mut connection = Connection::with_options(trickle, &options);
            let messages = messages();
            let mut sent = Vec::new();
            for message in &messages {
                if let Some(result) = give_up_after(polls, connection.send(message.clone())) {
                    result.unwrap();
                    sent.push(message.clone());
                }
            }
            give_up_after(10_000, connection.flush()).unwrap().unwrap();

            let mut wire = BytesMut::from(&connection.into_inner().all_written()[..]);
            let mut codec = FrameCodec::default();
            let mut arrived = Vec::new();
            while let Some(message) = codec.decode_eof(&mut wire).unwrap() {
                arrived.push(message.freeze());
            }
            assert!(is_subsequence(&arrived, &messages), "{polls} polls: {arrived:?}");
            assert!(is_subsequence(&sent, &arrived), "{polls} polls: {sent:?} of {arrived:?}");
        }
    }
}

fn is_subsequence(part: &[Bytes], whole: &[Bytes]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|message| rest.any(|other| other == message))
}

#[test]
fn a_feed_cancelled_before_it_is_done_has_queued_nothing() {
    let options = ConnectionOptions::new().send_buffer(1);
    let mut connection = Connection::with_options(Trickle::new(b"", 1), &options);
    give_up_after(1, connection.feed("first")).unwrap().unwrap();
    assert!(give_up_after(3, connection.feed("second")).is_none());
    give_up_after(10_000, connection.flush()).unwrap().unwrap();
    let first = wire(&[Bytes::from("first")]);
    assert_eq!(connection.into_inner().all_written(), first);
}
