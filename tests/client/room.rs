//! Room in the outbox: who gets it, in which order, and who gives it back.

use std::{
    sync::Arc,
    task::{Context, Wake},
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::join, stream::FuturesOrdered};
use npipes::{
    Client, Connection, Error,
    client::{ClientOptions, Delivered, Fate, Inbox},
};
use tokio::task::yield_now;

use crate::{
    support::within,
    wire::{Far, Script, Step, wire},
};

/// What a message of 36 bytes costs.
const COST: usize = 100;

fn message(number: u8) -> Vec<u8> {
    vec![number; 36]
}

/// Returns a client whose outbox holds so many messages, and its peer.
fn client(room: usize) -> (Client, Inbox, Connection<Far>) {
    let (near, far) = wire(1 << 16);
    let options = ClientOptions::new().outbox(room * COST);
    let script = Script::of([Step::Give(near)]);
    let (client, inbox) = Client::builder(script).options(options).spawn();
    (client, inbox, Connection::new(far))
}

#[track_caller]
fn assert_full(client: &Client) {
    assert!(matches!(*client.try_send("more").unwrap_err().cause, Error::OutboxFull));
}

async fn settle() {
    for _ in 0..64 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_waits_until_the_peer_has_read() {
    let (client, _inbox, mut far) = client(10);
    for number in 0..10 {
        client.send(message(number)).now_or_never().unwrap().unwrap();
    }
    settle().await;
    assert!(client.send(message(10)).now_or_never().is_none());
    let read = async {
        for number in 0..11 {
            assert_eq!(far.receive().await.unwrap().unwrap(), message(number)[..]);
        }
    };
    let sent = async { client.send(message(10)).await.unwrap().await };
    let (fate, ()) = within(join(sent, read)).await;
    assert_eq!(fate.unwrap(), Delivered::Read);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_dropped_while_it_waits_has_sent_nothing() {
    let (client, _inbox, mut far) = client(1);
    drop(within(client.send(message(0))).await.unwrap());
    for number in 1..20 {
        assert!(client.send(message(number)).now_or_never().is_none());
        settle().await;
    }
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), message(0)[..]);
    within(client.send(message(20))).await.unwrap();
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), message(20)[..]);
    assert_eq!(client.stats().accepted, 2);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_served_in_turn_and_those_who_leave_hold_nobody_up() {
    let (client, _inbox, mut far) = client(1);
    drop(within(client.send(message(0))).await.unwrap());
    let mut waiting: Vec<_> =
        (1..=20).map(|number| Box::pin(client.send(message(number)))).collect();
    for send in &mut waiting {
        assert!(send.now_or_never().is_none());
    }
    // Every third one gives up; one of them when it has been admitted and does not know it yet.
    let mut kept: FuturesOrdered<_> = waiting
        .into_iter()
        .enumerate()
        .filter_map(|(at, send)| (at % 3 != 0).then_some(send))
        .collect();
    let sending = async {
        let mut count = 0;
        while let Some(sent) = kept.next().await {
            drop(sent.unwrap());
            count += 1;
        }
        count
    };
    let receiving = async {
        let mut numbers = Vec::new();
        for _ in 0..14 {
            numbers.push(far.receive().await.unwrap().unwrap()[0]);
        }
        numbers
    };
    let (count, numbers) = within(join(sending, receiving)).await;
    assert_eq!(count, 13);
    assert_eq!(numbers, [0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20]);
}

#[tokio::test(start_paused = true)]
async fn one_who_is_admitted_and_leaves_passes_the_room_on() {
    let (client, _inbox, mut far) = client(1);
    drop(within(client.send(message(0))).await.unwrap());
    let mut first = Box::pin(client.reserve());
    let mut second = Box::pin(client.reserve());
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    within(far.receive()).await.unwrap().unwrap();
    settle().await;
    drop(first);
    let permit = second.now_or_never().unwrap().unwrap();
    permit.send(message(1)).unwrap();
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), message(1)[..]);
}

#[tokio::test(start_paused = true)]
async fn a_permit_holds_room_until_it_is_used_or_dropped() {
    let (client, _inbox, mut far) = client(1);
    let reserve = || client.reserve().now_or_never().unwrap().unwrap();
    let mut permits = vec![reserve(), reserve()];
    // Each holds what an empty message costs.
    assert_full(&client);
    permits.pop();
    permits.push(reserve());
    assert_full(&client);
    drop(permits);
    let receipt = client.try_send(message(1)).unwrap();
    let (fate, _) = within(join(receipt, far.receive())).await;
    assert_eq!(fate.unwrap(), Delivered::Read);
}

#[tokio::test(start_paused = true)]
async fn two_who_are_admitted_at_once_hold_room_until_each_has_sent() {
    let (client, _inbox, _far) = client(2);
    let mut permits = Vec::new();
    while let Some(permit) = client.reserve().now_or_never() {
        permits.push(permit.unwrap());
    }
    let mut waiting = [1, 2].map(|number| Box::pin(client.send(message(number))));
    for send in &mut waiting {
        assert!(send.now_or_never().is_none());
    }
    drop(permits);
    for send in waiting {
        assert_full(&client);
        send.now_or_never().unwrap().unwrap();
        assert_full(&client);
    }
}

#[tokio::test(start_paused = true)]
async fn try_send_gives_the_message_back_when_there_is_no_room() {
    let (client, _inbox, mut far) = client(1);
    client.try_send(message(0)).unwrap();
    let returned = client.try_send(message(1)).unwrap_err();
    assert_eq!((returned.fate, &returned.message[..]), (Fate::NotSent, &message(1)[..]));
    assert_eq!((returned.id, returned.cause.to_string()), (None, "the outbox is full".to_owned()));
    assert!(returned.cause.is_retryable());
    // Whoever waits comes first.
    let mut waiting = Box::pin(client.send(message(2)));
    assert!(waiting.as_mut().now_or_never().is_none());
    within(far.receive()).await.unwrap().unwrap();
    settle().await;
    assert!(matches!(*client.try_send(message(3)).unwrap_err().cause, Error::OutboxFull));
    within(waiting).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn try_send_fills_the_outbox_before_the_driver_has_run() {
    let (client, _inbox, _far) = client(30_000);
    for number in 0..30_000_u32 {
        client.try_send([&number.to_le_bytes()[..], &[0; 32]].concat()).unwrap();
    }
    assert!(client.try_send("more").is_err());
}

#[tokio::test(start_paused = true)]
async fn a_message_longer_than_the_outbox_is_sent() {
    let (client, _inbox, mut far) = client(1);
    let receipt = client.send(vec![1; 100_000]).now_or_never().unwrap().unwrap();
    let (fate, received) = within(join(receipt, far.receive())).await;
    assert_eq!(fate.unwrap(), Delivered::Read);
    assert_eq!(received.unwrap().unwrap().len(), 100_000);
}

#[tokio::test(start_paused = true)]
async fn messages_are_kept_while_there_is_no_connection() {
    let (near, far) = wire(1 << 16);
    let script = Script::of([Step::refuse(), Step::refuse(), Step::refuse(), Step::Give(near)]);
    let options = ClientOptions::new().outbox(5 * COST);
    let (client, _inbox) = Client::builder(script).options(options).spawn();
    for number in 0..5 {
        client.send(message(number)).now_or_never().unwrap().unwrap();
    }
    assert!(client.send(message(5)).now_or_never().is_none());
    let mut far = Connection::new(far);
    for number in 0..5 {
        assert_eq!(within(far.receive()).await.unwrap().unwrap(), message(number)[..]);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_room_learns_of_the_end() {
    let (client, _inbox, _far) = client(1);
    client.try_send(message(0)).unwrap();
    let mut sending = Box::pin(client.send(message(1)));
    let mut reserving = Box::pin(client.reserve());
    assert!(sending.as_mut().now_or_never().is_none());
    assert!(reserving.as_mut().now_or_never().is_none());
    let mut closing = Box::pin(client.close());
    assert!(closing.as_mut().now_or_never().is_none());
    let returned = within(sending).await.unwrap_err();
    assert_eq!((returned.fate, &returned.message[..]), (Fate::NotSent, &message(1)[..]));
    assert!(matches!(within(reserving).await, Err(Error::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_sender_of_much_lets_the_driver_take_it_over_before_it_sends_more() {
    let (near, _far) = wire(50);
    let (client, _inbox) = Client::spawn(Script::of([Step::Give(near)]));
    for _ in 0..2 {
        drop(client.send(vec![0; 600 * 1024]).now_or_never().unwrap().unwrap());
        assert!(client.send("more").now_or_never().is_none());
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_task_that_flushes_is_woken() {
    let (near, far) = wire(50);
    let (client, _inbox) = Client::spawn(Script::of([Step::Give(near)]));
    let flush = |client: &Client| {
        let client = client.clone();
        tokio::spawn(async move { client.flush().await })
    };
    client.try_send(message(0)).unwrap();
    settle().await;
    client.try_send(message(1)).unwrap();
    let mut flushing = vec![flush(&client), flush(&client)];
    settle().await;
    client.try_send(message(2)).unwrap();
    flushing.push(flush(&client));
    settle().await;
    assert!(flushing.iter().all(|flush| !flush.is_finished()));
    let mut far = Connection::new(far);
    for number in 0..3 {
        assert_eq!(within(far.receive()).await.unwrap().unwrap(), message(number)[..]);
    }
    settle().await;
    assert!(flushing.iter().all(|flush| flush.is_finished()));
}

struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_is_polled_again_and_again_leaves_one_waker() {
    let (client, _inbox) = Client::spawn(Script::of([]));
    client.try_send(message(0)).unwrap();
    settle().await;
    let task = Arc::new(Task);
    let waker = Arc::clone(&task).into();
    let mut flushing = std::pin::pin!(client.flush());
    for _ in 0..10 {
        assert!(flushing.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    // The test's own, the waker's, and the one that is kept.
    assert_eq!(Arc::strong_count(&task), 3);
}

#[tokio::test(start_paused = true)]
async fn the_end_wakes_whoever_waits_for_room() {
    let (client, _inbox, _far) = client(1);
    client.try_send(message(0)).unwrap();
    let (sender, reserver) = (client.clone(), client.clone());
    let sending = tokio::spawn(async move { sender.send(message(1)).await.map(drop) });
    let reserving = tokio::spawn(async move { reserver.reserve().await.map(drop) });
    settle().await;
    let closing = tokio::spawn(async move { client.close().await });
    settle().await;
    assert!(sending.is_finished() && reserving.is_finished() && !closing.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_until_everything_before_it_was_handed_over() {
    let (near, far) = wire(50);
    let (client, _inbox) = Client::spawn(Script::of([Step::Give(near)]));
    within(client.flush()).await;
    client.try_send(message(0)).unwrap();
    within(client.flush()).await;
    client.try_send(message(1)).unwrap();
    settle().await;
    assert!(client.flush().now_or_never().is_none());
    let mut far = Connection::new(far);
    within(far.receive()).await.unwrap().unwrap();
    within(client.flush()).await;
    assert!(tokio::time::timeout(Duration::from_secs(1), far.receive()).await.unwrap().is_ok());
}
