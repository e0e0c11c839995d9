//! What a client learns of a stream without waiting for the peer to read all of it.

use bytes::Bytes;
use futures::{FutureExt, future::join};
use npipes::{Client, ClientOptions, Connection, DeliveredWhen, Error, Fate};
use tokio::io::AsyncReadExt;

use crate::{
    support::within,
    wire::{Script, Step, wire},
};

/// The size of a message in bytes, and of its frame.
const LEN: usize = 100;
const FRAME: usize = LEN + 12;

fn message(number: u8) -> Bytes {
    vec![number; LEN].into()
}

#[tokio::test(start_paused = true)]
async fn a_stream_longer_than_the_buffer_needs_no_wait() {
    const COUNT: u8 = 200;
    // Less than the buffer of the client, so that what it has handed over was partly read.
    let (near, far) = wire(2 * FRAME);
    let script = Script::of([Step::Give(near)]).counts_unread();
    let options = ClientOptions::new().buffer(4 * (LEN + 64));
    let mut client = Client::with_options(script, &options);
    let mut far = Connection::new(far);
    let sending = async {
        for number in 0..COUNT {
            client.send(message(number)).await.unwrap();
        }
    };
    let receiving = async {
        for number in 0..COUNT {
            assert_eq!(far.receive().await.unwrap().unwrap(), message(number));
        }
    };
    within(join(sending, receiving)).await;
    assert!(client.settled().get() >= u64::from(COUNT) - 4);
    within(client.flush()).await.unwrap();
    assert_eq!(client.settled(), client.next_id());
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_the_loss_does_not_come_back() {
    let (first, mut far) = wire(3 * FRAME);
    let (second, far_second) = wire(1 << 16);
    let steps = [Step::Give(first), Step::Give(second)];
    let mut client = Client::new(Script::of(steps).counts_unread());
    for number in 0..10 {
        within(client.feed(message(number))).await.unwrap();
    }
    // Five are read, the sixth in part; three frames are on their way when the peer dies.
    assert!(client.flush().now_or_never().is_none());
    let mut read = vec![0; 5 * FRAME + 10];
    for _ in 0..2 {
        let half = read.len() / 2;
        within(far.read_exact(&mut read[..half])).await.unwrap();
        assert!(client.flush().now_or_never().is_none());
    }
    drop(far);
    let error = within(client.flush()).await.unwrap_err();
    assert!(matches!(error, Error::Returned { maybe_delivered: 3, not_sent: 0 }), "{error:?}");
    let returned = client.take_returned();
    assert!(returned.iter().all(|one| one.fate == Fate::MaybeDelivered));
    assert_eq!(returned.iter().map(|one| one.id.get()).collect::<Vec<_>>(), [5, 6, 7]);
    let mut far = Connection::new(far_second);
    for number in [8, 9] {
        assert_eq!(within(far.receive()).await.unwrap().unwrap(), message(number));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_has_read_has_proved_itself() {
    let (first, far) = wire(1 << 16);
    let (second, _far_second) = wire(1 << 16);
    let steps = [Step::Give(first), Step::Give(second)];
    let (script, mut attempts) = Script::new(steps);
    let mut client = Client::new(script.counts_unread());
    within(client.send(message(0))).await.unwrap();
    let mut far = Connection::new(far);
    within(far.receive()).await.unwrap().unwrap();
    drop(far);
    // Without a delay, since the peer has done more than hang up.
    within(client.feed(message(1))).await.unwrap();
    within(client.flush()).await.unwrap();
    let first = attempts.recv().await.unwrap();
    assert_eq!(attempts.recv().await.unwrap(), first);
    assert_eq!(client.take_returned(), []);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_not_dealt_with() {
    let (near, far) = wire(1 << 16);
    let options = ClientOptions::new().delivered_when(DeliveredWhen::Acknowledged);
    let script = Script::of([Step::Give(near)]).counts_unread();
    let mut client = Client::with_options(script, &options);
    let first = within(client.send(message(0))).await.unwrap();
    let mut far = Connection::new(far);
    within(far.receive()).await.unwrap().unwrap();
    within(client.flush()).await.unwrap();
    assert_eq!(client.settled(), first);
    drop(far);
    let error = within(client.receive()).await.unwrap_err();
    assert!(matches!(error, Error::Returned { maybe_delivered: 1, not_sent: 0 }), "{error:?}");
}
