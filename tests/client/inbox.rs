//! What was received: all of it, in order, whatever becomes of the connection and of the receiver.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use futures::{FutureExt, StreamExt};
use npipes::{
    Client, Connection, Error,
    client::{ClientOptions, ClientState, DeliveredWhen, Fate, Inbox},
    text::TextEncoding,
};
use tokio::{io::AsyncWriteExt, task::yield_now};

use crate::{
    support::within,
    wire::{Far, Script, Step, wire},
};

fn client(inbox: usize, peers: usize) -> (Client, Inbox, Vec<Connection<Far>>) {
    let mut fars = Vec::new();
    let steps: Vec<_> = (0..peers)
        .map(|_| {
            let (near, far) = wire(1 << 16);
            fars.push(Connection::new(far));
            Step::Give(near)
        })
        .collect();
    let options = ClientOptions::new().inbox(inbox);
    let (client, inbox) = Client::builder(Script::of(steps)).options(options).spawn();
    (client, inbox, fars)
}

async fn settle() {
    for _ in 0..64 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_had_arrived_is_received_however_full_the_inbox_was_when_the_connection_was_lost() {
    for (room, sends_first) in [(1, true), (4096, true), (4096, false), (1 << 20, true)] {
        let (client, mut inbox, mut fars) = client(room, 2);
        for number in 0..20 {
            within(fars[0].send(vec![number; 1024])).await.unwrap();
        }
        settle().await;
        fars.remove(0);
        settle().await;
        if sends_first {
            client.try_send("next question").unwrap();
        }
        settle().await;
        within(fars[0].send("from the next")).await.unwrap();
        for number in 0..20 {
            assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), [number; 1024][..]);
        }
        assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), b"from the next"[..]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_closed_reads_the_rest_of_a_lost_connection_for_who_receives() {
    let (client, mut inbox, mut fars) = client(1, 1);
    for number in 0..20 {
        within(fars[0].send(vec![number; 1024])).await.unwrap();
    }
    settle().await;
    drop(fars);
    client.try_send("it is lost").unwrap();
    settle().await;
    let mut closing = Box::pin(client.close());
    assert!(closing.as_mut().now_or_never().is_none());
    for number in 0..20 {
        assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), [number; 1024][..]);
    }
    assert_eq!(within(closing).await.returned.len(), 1);
    assert_eq!(within(inbox.receive()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_full_inbox_holds_the_peer_back() {
    // In the first, the first message fills the inbox.
    for (room, at_least) in [(1064, 65), (10_000, 74)] {
        let (_client, mut inbox, mut fars) = client(room, 1);
        let mut sent = 0_u64;
        while fars[0].send(vec![0; 1000]).now_or_never().is_some() {
            sent += 1;
            assert!(sent < 200);
            settle().await;
        }
        // The inbox, the wire, and what the two connections hold.
        assert!(sent >= at_least, "{sent}");
        for _ in 0..sent {
            assert_eq!(within(inbox.receive()).await.unwrap().unwrap().len(), 1000);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_is_read_at_once_than_there_is_room_for() {
    let (_client, mut inbox, mut fars) = client(1, 1);
    for number in 0..20 {
        within(fars[0].send(vec![number; 36])).await.unwrap();
    }
    settle().await;
    for number in 0..20 {
        assert_eq!(inbox.receive().now_or_never().unwrap().unwrap().unwrap(), [number; 36][..]);
        assert!(inbox.receive().now_or_never().is_none());
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_received_everything_before_a_loss_learns_what_it_means_however_full_the_inbox_is()
{
    const COST: usize = 100;
    let (near, far) = wire(1 << 16);
    let (second, second_far) = wire(1 << 16);
    let options = ClientOptions::new().inbox(10 * COST).delivered_when(DeliveredWhen::Acknowledged);
    let script = Script::of([Step::Give(near), Step::Give(second)]);
    let (client, mut inbox) = Client::builder(script).options(options).spawn();
    let (mut far, mut next) = (Connection::new(far), Connection::new(second_far));
    let receipt = client.try_send("order").unwrap();
    within(far.send(vec![0; 36])).await.unwrap();
    settle().await;
    drop(far);
    let connected = ClientState::Connected { session: 2 };
    within(client.watch().wait_for(|state| *state == connected)).await.unwrap();
    for number in 1..10 {
        within(next.send(vec![number; 36])).await.unwrap();
    }
    settle().await;
    for number in 0..2 {
        assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), [number; 36][..]);
    }
    settle().await;
    let fate = receipt.now_or_never().unwrap().map_err(|returned| returned.fate);
    assert_eq!(fate, Err(Fate::MaybeDelivered));
}

#[tokio::test(start_paused = true)]
async fn the_client_reads_on_when_half_of_a_full_inbox_is_free() {
    const COST: usize = 100;
    const ROOM: u32 = 8;
    let (near, far) = wire(64);
    let options = ClientOptions::new().inbox(ROOM as usize * COST);
    let (_client, mut inbox) =
        Client::builder(Script::of([Step::Give(near)])).options(options).spawn();
    let count = Arc::new(AtomicU32::new(0));
    let sending = Arc::clone(&count);
    let peer = tokio::spawn(async move {
        let mut far = Connection::new(far);
        loop {
            far.send(vec![0; 36]).await.unwrap();
            sending.fetch_add(1, Ordering::Relaxed);
        }
    });
    settle().await;
    let full = count.load(Ordering::Relaxed);
    let mut received = 0;
    while count.load(Ordering::Relaxed) == full {
        within(inbox.receive()).await.unwrap().unwrap();
        settle().await;
        received += 1;
    }
    assert_eq!(received, ROOM / 2, "{full}");
    peer.abort();
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_is_dropped_at_every_poll_loses_nothing() {
    let (_client, mut inbox, mut fars) = client(100, 1);
    let mut received = 0_u8;
    for number in 0..100_u8 {
        within(fars[0].send(vec![number; 50])).await.unwrap();
        if number % 3 == 0 {
            settle().await;
        }
        if let Some(message) = inbox.receive().now_or_never() {
            assert_eq!(message.unwrap().unwrap(), [received; 50][..]);
            received += 1;
        }
    }
    for number in received..100 {
        assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), [number; 50][..]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_wants_is_read_so_that_the_peer_goes_on() {
    let (client, inbox, mut fars) = client(10, 1);
    drop(inbox);
    for _ in 0..1000 {
        within(fars[0].send(vec![0; 1000])).await.unwrap();
    }
    within(client.send("still here")).await.unwrap();
    assert_eq!(within(fars[0].receive()).await.unwrap().unwrap(), b"still here"[..]);
    drop(within(client.send("and here")).await);
    within(fars[0].receive()).await.unwrap().unwrap();
    settle().await;
    assert_eq!(client.stats().traffic.messages_received, 1000);
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_frame_is_reported_and_the_next_one_received() {
    let (near, mut far) = wire(1024);
    let (client, mut inbox) = Client::spawn(Script::of([Step::Give(near)]));
    far.write_all(b"\x11\0\0\0\x05\0\0\0Hello\0\0\0\x01").await.unwrap();
    let mut far = Connection::new(far);
    within(far.send("world")).await.unwrap();
    let error = within(inbox.receive()).await.unwrap_err();
    assert!(matches!(error, Error::Frame(error) if error.is_skippable()), "{error:?}");
    assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), b"world"[..]);
    // The connection goes on.
    client.try_send("Hello").unwrap();
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"Hello"[..]);
}

#[tokio::test(start_paused = true)]
async fn texts_are_sent_and_received_in_the_clients_encoding() {
    let (near, far) = wire(1024);
    let options = ClientOptions::new().text_encoding(TextEncoding::Latin1);
    let script = Script::of([Step::Give(near)]);
    let (client, mut inbox) = Client::builder(script).options(options).spawn();
    let mut far = Connection::new(far);
    within(client.send_text("Hé")).await.unwrap();
    let received = within(far.receive()).await.unwrap().unwrap();
    assert_eq!(received, b"H\xe9"[..]);
    within(far.send(received)).await.unwrap();
    assert_eq!(within(inbox.receive_text()).await.unwrap().unwrap(), "Hé");
    let error = within(client.send_text("x → y")).await.unwrap_err();
    assert!(matches!(error, Error::TextEncode(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn it_is_a_stream_that_ends_with_the_client() {
    let (client, mut inbox, mut fars) = client(1000, 2);
    within(fars[0].send("a")).await.unwrap();
    assert_eq!(within(inbox.next()).await.unwrap().unwrap(), b"a"[..]);
    fars.remove(0);
    within(fars[0].send("b")).await.unwrap();
    assert_eq!(within(inbox.next()).await.unwrap().unwrap(), b"b"[..]);
    drop(within(client.close()).await);
    assert!(within(inbox.next()).await.is_none());
    assert!(within(inbox.next()).await.is_none());
}
