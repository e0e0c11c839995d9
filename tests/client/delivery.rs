//! What becomes of a message, and how its sender learns it.

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, future::join};
use npipes::{
    Client, Connection, ConnectionOptions, DrainOutcome, Error,
    client::{ClientOptions, ClientState, Delivered, DeliveredWhen, Fate, Receipt, Returned},
    frame::FrameFormat,
    retry::Backoff,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::yield_now,
    time::{Instant, sleep},
};

use crate::{
    support::within,
    wire::{Near, Script, Step, wire},
};

const ACKNOWLEDGED: ClientOptions =
    ClientOptions::new().delivered_when(DeliveredWhen::Acknowledged);

/// Gives these connections, one after the other.
fn script<const N: usize>(nears: [Near; N]) -> Script {
    Script::of(nears.map(Step::Give))
}

#[track_caller]
fn came_back(fate: Result<Delivered, Returned>) -> (Fate, Bytes) {
    let returned = fate.unwrap_err();
    (returned.fate, returned.message)
}

async fn connected(client: &Client, session: u64) {
    let mut watch = client.watch();
    within(watch.wait_for(|state| *state == ClientState::Connected { session })).await.unwrap();
}

/// Lets everything happen that can without time going by.
async fn settle() {
    for _ in 0..64 {
        yield_now().await;
    }
}

fn fate_now(receipt: &mut Receipt) -> Option<Result<Delivered, Returned>> {
    receipt.now_or_never()
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_over_when_the_connection_broke_comes_back_and_is_not_sent_again() {
    let (first, far) = wire(1024);
    let (second, far_second) = wire(1024);
    let (client, _inbox) = Client::spawn(script([first, second]));
    let a = within(client.send("a")).await.unwrap();
    let b = within(client.send("b")).await.unwrap();
    within(client.flush()).await;
    drop(far);
    assert_eq!(came_back(within(a).await), (Fate::MaybeDelivered, "a".into()));
    let returned = within(b).await.unwrap_err();
    assert_eq!((returned.fate, returned.id.unwrap().get()), (Fate::MaybeDelivered, 1));
    assert_eq!(
        returned.to_string(),
        "a message of 1 bytes came back, maybe delivered: the connection is closed"
    );
    assert!(returned.cause.is_closed(), "{:?}", returned.cause);
    let mut far = Connection::new(far_second);
    within(client.send("c")).await.unwrap();
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"c"[..]);
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_is_no_message_and_is_sent_whole_on_the_next_connection() {
    // Room for the first frame and for 16 of the second one's 17 bytes.
    let (first, mut far) = wire(13 + 16);
    let (second, far_second) = wire(1024);
    let (client, _inbox) = Client::spawn(script([first, second]));
    let a = within(client.send("a")).await.unwrap();
    let hello = within(client.send("Hello")).await.unwrap();
    let c = within(client.send("c")).await.unwrap();
    settle().await;
    let mut read = [0; 5];
    within(far.read_exact(&mut read)).await.unwrap();
    drop(far);
    assert_eq!(came_back(within(a).await), (Fate::MaybeDelivered, "a".into()));
    let mut far = Connection::new(far_second);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"Hello"[..]);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"c"[..]);
    assert_eq!(within(join(hello, c)).await.0.unwrap(), Delivered::Read);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_is_awaited_asks_whether_the_peer_has_read() {
    let (near, far) = wire(1024);
    let (client, _inbox) = Client::spawn(script([near]));
    let mut receipt = within(client.send("a")).await.unwrap();
    settle().await;
    assert!(fate_now(&mut receipt).is_none());
    let mut far = Connection::new(far);
    let (fate, message) = within(join(receipt, far.receive())).await;
    assert_eq!(fate.unwrap(), Delivered::Read);
    assert_eq!(message.unwrap().unwrap(), b"a"[..]);
    // What was read does not come back.
    let second = within(client.send("b")).await.unwrap();
    within(client.flush()).await;
    drop(far);
    assert_eq!(came_back(within(second).await), (Fate::MaybeDelivered, "b".into()));
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_has_read_is_not_what_it_has_acknowledged() {
    let (near, far) = wire(1024);
    let options = ClientOptions::new().delivered_when(DeliveredWhen::Acknowledged);
    let script = Script::of([Step::Give(near)]).counts_unread();
    let (client, _inbox) = Client::builder(script).options(options).spawn();
    let mut receipt = client.try_send("a").unwrap();
    let id = receipt.id();
    let mut far = Connection::new(far);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"a"[..]);
    within(far.send("read")).await.unwrap();
    settle().await;
    assert_eq!(fate_now(&mut receipt).map(drop), None);
    client.acknowledge(id);
    assert_eq!(within(receipt).await.unwrap(), Delivered::Acknowledged);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_the_peer_covers_nothing_that_was_sent_later() {
    let (near, mut far) = wire(1024);
    let (client, _inbox) = Client::spawn(script([near]));
    let mut first = within(client.send("a")).await.unwrap();
    assert!(fate_now(&mut first).is_none());
    settle().await;
    let mut second = within(client.send("b")).await.unwrap();
    assert!(fate_now(&mut second).is_none());
    settle().await;
    let mut frame = [0; 13];
    within(far.read_exact(&mut frame)).await.unwrap();
    assert_eq!(within(first).await.unwrap(), Delivered::Read);
    settle().await;
    assert!(fate_now(&mut second).is_none());
    within(far.read_exact(&mut frame)).await.unwrap();
    assert_eq!(within(second).await.unwrap(), Delivered::Read);
}

#[tokio::test(start_paused = true)]
async fn a_stream_needs_no_wait_where_the_transport_counts() {
    const COUNT: u8 = 200;
    // Less than the outbox holds, so that what was handed over was partly read.
    let (near, far) = wire(2 * 112);
    let script = script([near]).counts_unread();
    let options = ClientOptions::new().outbox(4 * (100 + 64));
    let (client, _inbox) = Client::builder(script).options(options).spawn();
    let mut far = Connection::new(far);
    let sending = async {
        let mut receipts = Vec::new();
        for number in 0..COUNT {
            receipts.push(client.send(vec![number; 100]).await.unwrap());
        }
        receipts
    };
    let receiving = async {
        for number in 0..COUNT {
            assert_eq!(far.receive().await.unwrap().unwrap(), [number; 100][..]);
        }
    };
    let (receipts, ()) = within(join(sending, receiving)).await;
    for receipt in receipts.into_iter().take(COUNT as usize - 4) {
        assert_eq!(receipt.now_or_never().unwrap().unwrap(), Delivered::Read);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_the_loss_does_not_come_back() {
    const FRAME: usize = 112;
    let (first, mut far) = wire(3 * FRAME);
    let (second, far_second) = wire(1 << 16);
    let (client, _inbox) = Client::spawn(script([first, second]).counts_unread());
    let mut receipts = Vec::new();
    for number in 0..10 {
        receipts.push(within(client.send(vec![number; 100])).await.unwrap());
    }
    settle().await;
    // Five are read, the sixth in part; three frames are on their way when the peer dies.
    for _ in 0..2 {
        within(far.read_exact(&mut [0; 5 * FRAME / 2 + 5])).await.unwrap();
        settle().await;
    }
    drop(far);
    let mut far = Connection::new(far_second);
    for number in [8, 9] {
        assert_eq!(within(far.receive()).await.unwrap().unwrap(), [number; 100][..]);
    }
    for (number, receipt) in receipts.into_iter().enumerate() {
        match number {
            5..=7 => assert_eq!(came_back(within(receipt).await).0, Fate::MaybeDelivered),
            _ => assert_eq!(within(receipt).await.unwrap(), Delivered::Read),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_cannot_tell_hands_over_and_says_so() {
    let (near, far) = wire(4096);
    let (client, mut inbox) = Client::spawn(script([near]).tells_nothing());
    let mut far = Connection::new(far);
    // More than the outbox holds, and each answered.
    let server = async {
        while let Ok(Some(message)) = far.receive().await {
            far.send(message).await.unwrap();
        }
    };
    let asking = async {
        for _ in 0..200 {
            let receipt = client.send(vec![7; 50_000]).await.unwrap();
            assert_eq!(inbox.receive().await.unwrap().unwrap().len(), 50_000);
            assert_eq!(receipt.await.unwrap(), Delivered::HandedOver);
        }
        client.close().await
    };
    let (settlement, ()) = within(join(asking, server)).await;
    assert!(settlement.returned.is_empty());
    assert_eq!(settlement.stats.delivered, 200);
}

#[tokio::test(start_paused = true)]
async fn acknowledged_messages_are_delivered_in_whatever_order() {
    let (near, far) = wire(1024);
    let (client, _inbox) = Client::builder(script([near])).options(ACKNOWLEDGED).spawn();
    let mut receipts = Vec::new();
    for message in ["a", "b", "c", "d"] {
        receipts.push(within(client.send(message)).await.unwrap());
    }
    let mut far = Connection::new(far);
    for _ in 0..4 {
        within(far.receive()).await.unwrap().unwrap();
    }
    client.acknowledge(receipts[2].id());
    client.acknowledge(receipts[0].id());
    settle().await;
    let mut fates: Vec<_> = receipts.iter_mut().map(fate_now).collect();
    assert!(fates[1].is_none() && fates[3].is_none(), "what was only read is not delivered");
    for at in [2, 0] {
        assert_eq!(fates.remove(at).unwrap().unwrap(), Delivered::Acknowledged);
    }
    client.acknowledge_through(receipts[1].id());
    assert_eq!(within(receipts.remove(1)).await.unwrap(), Delivered::Acknowledged);
    drop(far);
    assert_eq!(came_back(within(receipts.remove(2)).await), (Fate::MaybeDelivered, "d".into()));
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_that_arrived_before_the_loss_counts() {
    let (first, far) = wire(1024);
    let (second, far_second) = wire(1024);
    let (client, mut inbox) =
        Client::builder(script([first, second])).options(ACKNOWLEDGED).spawn();
    let mut a = within(client.send("a")).await.unwrap();
    let mut b = within(client.send("b")).await.unwrap();
    let mut far = Connection::new(far);
    within(far.receive()).await.unwrap().unwrap();
    within(far.send("ack")).await.unwrap();
    within(far.send("event")).await.unwrap();
    drop(far);
    let mut far = Connection::new(far_second);
    within(client.send("c")).await.unwrap();
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"c"[..]);
    sleep(Duration::from_secs(60)).await;
    // The connection is long gone, and nothing is decided before everything was received.
    assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), b"ack"[..]);
    settle().await;
    assert!(fate_now(&mut a).is_none() && fate_now(&mut b).is_none());
    client.acknowledge(a.id());
    assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), b"event"[..]);
    assert_eq!(within(a).await.unwrap(), Delivered::Acknowledged);
    assert!(fate_now(&mut b).is_none());
    assert!(inbox.receive().now_or_never().is_none());
    settle().await;
    assert_eq!(came_back(fate_now(&mut b).unwrap()), (Fate::MaybeDelivered, "b".into()));
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_decided_a_second_later_if_nobody_asks_for_the_next_message() {
    let (first, far) = wire(1024);
    let (client, _inbox) = Client::builder(script([first])).options(ACKNOWLEDGED).spawn();
    let receipt = within(client.send("a")).await.unwrap();
    within(client.flush()).await;
    let lost = Instant::now();
    drop(far);
    assert_eq!(came_back(within(receipt).await).0, Fate::MaybeDelivered);
    assert_eq!(lost.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_decided_at_once_if_nobody_wants_what_arrives() {
    let (first, far) = wire(1024);
    let (client, inbox) = Client::builder(script([first])).options(ACKNOWLEDGED).spawn();
    drop(inbox);
    let receipt = within(client.send("a")).await.unwrap();
    within(client.flush()).await;
    let lost = Instant::now();
    drop(far);
    assert_eq!(came_back(within(receipt).await).0, Fate::MaybeDelivered);
    assert_eq!(lost.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_large_comes_back_and_nothing_else_suffers() {
    let (near, far) = wire(1024);
    let options = ConnectionOptions::new().format(FrameFormat::new().max_payload(4));
    let (client, _inbox) = Client::spawn(script([near]).options(options));
    let a = within(client.send("a")).await.unwrap();
    let world = within(client.send("World")).await.unwrap();
    let b = within(client.send("b")).await.unwrap();
    let returned = within(world).await.unwrap_err();
    assert_eq!((returned.fate, &returned.message[..]), (Fate::NotSent, &b"World"[..]));
    assert!(matches!(*returned.cause, Error::TooLarge { len: 5, max: 4, .. }), "{returned:?}");
    let mut far = Connection::new(far);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"a"[..]);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"b"[..]);
    assert_eq!(within(a).await.unwrap(), Delivered::Read);
    assert_eq!(within(b).await.unwrap(), Delivered::Read);
}

#[tokio::test(start_paused = true)]
async fn a_message_in_the_middle_of_which_connections_end_comes_back_and_those_behind_it_go_on() {
    const CONNECTIONS: u32 = 4;
    let mut nears = Vec::new();
    let mut servers = Vec::new();
    for _ in 0..=CONNECTIONS {
        // A server that reads the header, sees 10,000 bytes, and hangs up.
        let (near, far) = wire(64);
        nears.push(Step::Give(near));
        servers.push(async move {
            let small = FrameFormat::new().max_payload(100);
            let mut far = Connection::with_options(far, &ConnectionOptions::new().format(small));
            far.receive().await.ok().flatten()
        });
    }
    let (script, mut times) = Script::new(nears);
    let options = ClientOptions::new()
        .max_tries(CONNECTIONS)
        .backoff(Backoff::new(Duration::from_millis(10), Duration::from_secs(1)).without_jitter());
    let (client, _inbox) = Client::builder(script).options(options).spawn();
    let receipt = within(client.send(vec![1; 10_000])).await.unwrap();
    within(client.send("after")).await.unwrap();
    let mut received = Vec::new();
    for server in servers {
        received.extend(within(server).await);
    }
    assert_eq!(received, ["after"]);
    let returned = within(receipt).await.unwrap_err();
    assert_eq!((returned.fate, returned.message.len()), (Fate::NotSent, 10_000));
    assert!(matches!(*returned.cause, Error::NotTaken { connections: CONNECTIONS, .. }));
    assert_eq!(
        returned.cause.to_string(),
        "4 connections lost while it was being written: the peer may not take it"
    );
    assert_eq!(std::iter::from_fn(|| times.try_recv().ok()).count(), CONNECTIONS as usize + 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_receipt_changes_nothing_but_is_counted() {
    let (first, far) = wire(1024);
    let (second, far_second) = wire(1024);
    let (client, _inbox) = Client::spawn(script([first, second]));
    drop(within(client.send("a")).await.unwrap());
    within(client.flush()).await;
    drop(far);
    let kept = within(client.send("b")).await.unwrap();
    let mut far = Connection::new(far_second);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"b"[..]);
    assert_eq!(within(kept).await.unwrap(), Delivered::Read);
    settle().await;
    let counters = client.stats();
    assert_eq!((counters.accepted, counters.delivered, counters.returned), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_tells_its_fate_to_who_asks_late() {
    let (near, far) = wire(1 << 20);
    let (client, _inbox) = Client::spawn(script([near]));
    let mut far = Connection::new(far);
    let mut receipts = Vec::new();
    for number in 0..200_u8 {
        receipts.push(within(client.send(vec![number])).await.unwrap());
    }
    for _ in 0..200 {
        within(far.receive()).await.unwrap().unwrap();
    }
    let settlement = within(client.close()).await;
    assert_eq!(settlement.closed.unwrap(), DrainOutcome::Drained);
    for receipt in receipts.into_iter().rev() {
        assert_eq!(receipt.now_or_never().unwrap().unwrap(), Delivered::Read);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_fate_can_be_dropped_at_every_poll() {
    let (near, far) = wire(1024);
    let (client, _inbox) = Client::spawn(script([near]));
    let mut receipt = within(client.send("a")).await.unwrap();
    for _ in 0..10 {
        assert!((&mut receipt).now_or_never().is_none());
        yield_now().await;
    }
    let mut far = Connection::new(far);
    within(far.receive()).await.unwrap().unwrap();
    assert_eq!(within(&mut receipt).await.unwrap(), Delivered::Read);
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_sends_that_is_no_frame_is_told_and_it_is_called_anew() {
    let (first, mut far) = wire(1024);
    let (second, far_second) = wire(1024);
    let (client, mut inbox) = Client::spawn(script([first, second]));
    connected(&client, 1).await;
    far.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let error = within(inbox.receive()).await.unwrap_err();
    assert!(matches!(error, Error::Frame(_)), "{error:?}");
    let mut far = Connection::new(far_second);
    within(client.send("Hello")).await.unwrap();
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"Hello"[..]);
}

#[tokio::test(start_paused = true)]
async fn a_returned_message_becomes_an_error_for_who_does_not_want_it_back() {
    let (near, _far) = wire(64);
    let (client, _inbox) = Client::spawn(script([near]));
    drop(within(client.close()).await);
    let error = Error::from(within(client.send("late")).await.unwrap_err());
    assert_eq!(
        error.to_string(),
        "a message of 4 bytes came back, not sent: the connection is closed"
    );
    assert!(error.is_closed() && !error.is_retryable());
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotConnected);
}
