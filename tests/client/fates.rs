//! What becomes of a message, and how its sender learns it.

use bytes::Bytes;
use futures::{FutureExt, future::join};
use npipes::{
    Client, ClientOptions, Closed, Connection, ConnectionOptions, DeliveredWhen, Error, Fate,
    FrameFormat, Returned,
};
use tokio::{io::AsyncReadExt, time::Instant};

use crate::{
    support::within,
    wire::{Far, Script, Step, wire},
};

fn fates(returned: &[Returned]) -> Vec<(u64, &[u8], Fate)> {
    returned.iter().map(|one| (one.id.get(), &one.message[..], one.fate)).collect()
}

async fn received(far: Far) -> Vec<Bytes> {
    let mut far = Connection::new(far);
    let mut messages = Vec::new();
    while let Some(Ok(Some(message))) = far.receive().now_or_never() {
        messages.push(message.freeze());
    }
    messages
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_over_when_the_connection_broke_comes_back_and_is_not_sent_again() {
    let (first, far) = wire(1024);
    let (second, far_second) = wire(1024);
    let mut client = Client::new(Script::of([Step::Give(first), Step::Give(second)]));
    within(client.send("a")).await.unwrap();
    within(client.send("b")).await.unwrap();
    drop(far);
    let error = within(client.receive()).await.unwrap_err();
    assert!(matches!(error, Error::Returned { maybe_delivered: 2, not_sent: 0 }), "{error:?}");
    assert_eq!(error.to_string(), "messages came back: 2 maybe delivered, 0 not sent");
    assert_eq!(
        fates(&client.take_returned()),
        [(0, &b"a"[..], Fate::MaybeDelivered), (1, b"b", Fate::MaybeDelivered)]
    );
    assert_eq!(client.settled(), client.next_id());
    within(client.send("c")).await.unwrap();
    assert_eq!(received(far_second).await, ["c"]);
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_is_no_message_and_is_sent_whole_on_the_next_connection() {
    // Room for the first frame and for 16 of the second one's 17 bytes.
    let (first, mut far) = wire(13 + 16);
    let (second, far_second) = wire(1024);
    let mut client = Client::new(Script::of([Step::Give(first), Step::Give(second)]));
    within(client.feed("a")).await.unwrap();
    within(client.feed("Hello")).await.unwrap();
    within(client.feed("c")).await.unwrap();
    assert!(client.flush().now_or_never().is_none());
    let mut read = [0; 5];
    within(far.read_exact(&mut read)).await.unwrap();
    drop(far);
    let error = within(client.flush()).await.unwrap_err();
    assert!(matches!(error, Error::Returned { maybe_delivered: 1, not_sent: 0 }), "{error:?}");
    assert_eq!(fates(&client.take_returned()), [(0, &b"a"[..], Fate::MaybeDelivered)]);
    assert_eq!(received(far_second).await, ["Hello", "c"]);
    within(client.drained()).await.unwrap();
    assert_eq!(client.settled(), client.next_id());
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_has_read_does_not_come_back() {
    let (near, far) = wire(1024);
    let mut client = Client::new(Script::of([Step::Give(near)]));
    let first = within(client.send("a")).await.unwrap();
    let mut far = Connection::new(far);
    assert_eq!(client.settled(), first);
    assert!(client.drained().now_or_never().is_none());
    let (drained, message) = within(join(client.drained(), far.receive())).await;
    drained.unwrap();
    assert_eq!(message.unwrap().unwrap(), b"a"[..]);
    let second = within(client.send("b")).await.unwrap();
    assert_eq!(client.settled(), second);
    drop(far);
    let error = within(client.receive()).await.unwrap_err();
    assert!(matches!(error, Error::Returned { maybe_delivered: 1, not_sent: 0 }), "{error:?}");
    assert_eq!(fates(&client.take_returned()), [(1, &b"b"[..], Fate::MaybeDelivered)]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_given_up_covers_nothing_that_was_sent_later() {
    let (near, mut far) = wire(1024);
    let mut client = Client::new(Script::of([Step::Give(near)]));
    within(client.send("a")).await.unwrap();
    assert!(client.drained().now_or_never().is_none());
    let second = within(client.send("b")).await.unwrap();
    let mut frame = [0; 13];
    within(far.read_exact(&mut frame)).await.unwrap();
    assert!(client.drained().now_or_never().is_none());
    assert!(client.settled() <= second);
    within(far.read_exact(&mut frame)).await.unwrap();
    within(client.drained()).await.unwrap();
    assert_eq!(client.settled(), client.next_id());
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_waits_until_the_peer_has_read() {
    let (near, far) = wire(1 << 20);
    let options = ClientOptions::new().buffer(10 * (64 + 100));
    let mut client = Client::with_options(Script::of([Step::Give(near)]), &options);
    for _ in 0..10 {
        within(client.send(vec![0; 100])).await.unwrap();
    }
    assert!(client.send("more").now_or_never().is_none());
    assert_eq!(client.next_id().get(), 10);
    let mut far = Connection::new(far);
    let read = async {
        for _ in 0..10 {
            far.receive().await.unwrap().unwrap();
        }
    };
    let (id, ()) = within(join(client.send("more"), read)).await;
    assert_eq!(id.unwrap(), client.settled());
}

#[tokio::test(start_paused = true)]
async fn messages_that_nobody_fetches_block_the_next_and_are_not_dropped() {
    let (near, far) = wire(1024);
    let options = ClientOptions::new().buffer(2 * 65);
    let mut client = Client::with_options(Script::of([Step::Give(near)]), &options);
    within(client.send("a")).await.unwrap();
    within(client.send("b")).await.unwrap();
    drop(far);
    for _ in 0..3 {
        let error = within(client.send("c")).await.unwrap_err();
        assert!(matches!(error, Error::Returned { maybe_delivered: 2, .. }), "{error:?}");
    }
    assert_eq!(client.next_id().get(), 2);
    assert_eq!(client.take_returned().len(), 2);
    assert_eq!(within(client.feed("c")).await.unwrap().get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_send_reports_first_and_does_not_accept() {
    let (first, far) = wire(1024);
    let (second, far_second) = wire(1024);
    let mut client = Client::new(Script::of([Step::Give(first), Step::Give(second)]));
    within(client.send("a")).await.unwrap();
    drop(far);
    // The loss shows only now, and this message is not affected by it.
    let id = within(client.send("b")).await.unwrap();
    assert_eq!(id.get(), 1);
    let error = within(client.send("c")).await.unwrap_err();
    assert!(matches!(error, Error::Returned { maybe_delivered: 1, not_sent: 0 }), "{error:?}");
    assert_eq!(within(client.send("d")).await.unwrap().get(), 2);
    assert_eq!(fates(&client.take_returned()), [(0, &b"a"[..], Fate::MaybeDelivered)]);
    assert_eq!(received(far_second).await, ["b", "d"]);
}

#[tokio::test(start_paused = true)]
async fn acknowledged_messages_are_delivered_in_whatever_order() {
    let (near, far) = wire(1024);
    let options = ClientOptions::new().delivered_when(DeliveredWhen::Acknowledged);
    let mut client = Client::with_options(Script::of([Step::Give(near)]), &options);
    let mut ids = Vec::new();
    for message in ["a", "b", "c", "d"] {
        ids.push(within(client.send(message)).await.unwrap());
    }
    assert_eq!(received(far).await, ["a", "b", "c", "d"]);
    within(client.feed("e")).await.unwrap();
    client.acknowledge(ids[2]);
    assert_eq!(client.settled(), ids[0]);
    client.acknowledge(ids[0]);
    assert_eq!(client.settled(), ids[1]);
    client.acknowledge(client.next_id());
    let error = within(client.receive()).await.unwrap_err();
    assert!(matches!(error, Error::Returned { maybe_delivered: 2, not_sent: 0 }), "{error:?}");
    // A late acknowledgement is as good, as long as the message was not fetched.
    client.acknowledge(ids[1]);
    assert_eq!(fates(&client.take_returned()), [(3, &b"d"[..], Fate::MaybeDelivered)]);
    assert_eq!(fates(&within(client.close()).await.returned), [(4, &b"e"[..], Fate::NotSent)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_only_read_is_not_delivered_if_acknowledgements_are_wanted() {
    let (near, far) = wire(1024);
    let options = ClientOptions::new().delivered_when(DeliveredWhen::Acknowledged).buffer(2 * 65);
    let mut client = Client::with_options(Script::of([Step::Give(near)]), &options);
    let first = within(client.send("a")).await.unwrap();
    within(client.send("b")).await.unwrap();
    let error = within(client.send("c")).await.unwrap_err();
    assert!(matches!(error, Error::Unacknowledged { messages: 2 }), "{error:?}");
    assert_eq!(error.to_string(), "no room: 2 messages were sent and not acknowledged");
    let mut far = Connection::new(far);
    let read = async {
        far.receive().await.unwrap().unwrap();
        far.receive().await.unwrap().unwrap();
    };
    let (drained, ()) = within(join(client.drained(), read)).await;
    drained.unwrap();
    assert_eq!(client.settled(), first);
    client.acknowledge_through(first);
    assert_eq!(within(client.send("c")).await.unwrap().get(), 2);
    let (settlement, _) = within(join(client.close(), far.receive())).await;
    assert_eq!(settlement.closed.unwrap(), Closed::Drained);
    assert_eq!(
        fates(&settlement.returned),
        [(1, &b"b"[..], Fate::MaybeDelivered), (2, b"c", Fate::MaybeDelivered)]
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_had_sent_is_received_before_the_loss_is_reported() {
    let (near, far) = wire(1024);
    let options = ClientOptions::new().delivered_when(DeliveredWhen::Acknowledged);
    let (second, far_second) = wire(1024);
    let steps = [Step::Give(near), Step::Give(second)];
    let mut client = Client::with_options(Script::of(steps), &options);
    let first = within(client.send("a")).await.unwrap();
    let mut far = Connection::new(far);
    within(far.send("ack")).await.unwrap();
    within(far.send("event")).await.unwrap();
    drop(far);
    // It is the write that finds out.
    within(client.send("b")).await.unwrap();
    let mut far = Connection::new(far_second);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"b"[..]);
    assert_eq!(within(client.receive()).await.unwrap().unwrap(), b"ack"[..]);
    client.acknowledge(first);
    assert_eq!(within(client.receive()).await.unwrap().unwrap(), b"event"[..]);
    assert!(client.receive().now_or_never().is_none(), "nothing came back");
    assert_eq!(client.take_returned(), []);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_large_is_refused_and_nothing_else_suffers() {
    let (near, far) = wire(1024);
    let options = ConnectionOptions::new().format(FrameFormat::new().max_payload(4));
    let script = Script::of([Step::Give(near)]).options(options);
    let mut client = Client::new(script);
    let error = within(client.send("Hello")).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { len: 5, max: 4 }), "{error:?}");
    within(client.feed("a")).await.unwrap();
    within(client.feed("World")).await.unwrap();
    within(client.feed("b")).await.unwrap();
    let error = within(client.flush()).await.unwrap_err();
    assert!(matches!(error, Error::Returned { maybe_delivered: 0, not_sent: 1 }), "{error:?}");
    assert_eq!(fates(&client.take_returned()), [(2, &b"World"[..], Fate::NotSent)]);
    assert_eq!(received(far).await, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_gives_up_does_not_leave_its_message_behind() {
    let (near, far) = wire(1024);
    let options = ClientOptions::new().max_attempts(1);
    let script = Script::of([Step::refuse(), Step::Give(near)]);
    let mut client = Client::with_options(script, &options);
    within(client.feed("kept")).await.unwrap();
    let error = within(client.send("given up")).await.unwrap_err();
    assert!(matches!(error, Error::GaveUp { attempts: 1, .. }), "{error:?}");
    within(client.send("sent")).await.unwrap();
    assert_eq!(received(far).await, ["kept", "sent"]);
}

#[tokio::test(start_paused = true)]
async fn receiving_sends_what_was_kept() {
    let (first, far) = wire(1024);
    let (second, far_second) = wire(1024);
    let mut client = Client::new(Script::of([Step::Give(first), Step::Give(second)]));
    within(client.connect()).await.unwrap();
    within(client.feed("kept")).await.unwrap();
    drop(far);
    let mut far = Connection::new(far_second);
    let (reply, kept) = within(join(client.receive(), async {
        let kept = far.receive().await.unwrap().unwrap();
        far.send("reply").await.unwrap();
        kept
    }))
    .await;
    assert_eq!((&reply.unwrap().unwrap()[..], &kept[..]), (&b"reply"[..], &b"kept"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_does_not_tell_leaves_no_message_delivered_unasked() {
    let (near, far) = wire(1024);
    let options = ClientOptions::new().buffer(1);
    let script = Script::of([Step::Give(near)]).tells_nothing();
    let mut client = Client::with_options(script, &options);
    let first = within(client.send("a")).await.unwrap();
    for _ in 0..2 {
        let error = within(client.send("b")).await.unwrap_err();
        assert!(
            matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::Unsupported),
            "{error:?}"
        );
    }
    client.acknowledge(first);
    within(client.send("b")).await.unwrap();
    let start = Instant::now();
    let (settlement, messages) = within(join(client.close(), received(far))).await;
    assert_eq!(messages, ["a", "b"]);
    assert_eq!(settlement.closed.unwrap(), Closed::Flushed);
    assert_eq!(fates(&settlement.returned), [(1, &b"b"[..], Fate::MaybeDelivered)]);
    assert_eq!(start.elapsed(), std::time::Duration::ZERO);
}
