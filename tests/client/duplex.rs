//! A client as a stream and a sink, for those who know no receipts.

use std::{collections::BTreeSet, future::poll_fn, pin::Pin, time::Duration};

use bytes::Bytes;
use futures::{Sink, SinkExt, StreamExt, stream};
use npipes::{
    Client, Connection, Error,
    client::{ClientOptions, Fate},
};
use tokio::sync::mpsc;

use crate::{
    support::within,
    wire::{Script, Step, wire},
};

fn number(message: &[u8]) -> u32 {
    u32::from_le_bytes(message[..4].try_into().unwrap())
}

#[tokio::test(start_paused = true)]
async fn send_all_called_again_after_each_report_loses_no_item() {
    const COUNT: u32 = 200;
    let (received, mut arrived) = mpsc::unbounded_channel();
    // Servers that die when they have read ten messages, three times.
    let steps = (0..4).map(|life| {
        let (near, far) = wire(64 * 1024);
        let received = received.clone();
        tokio::spawn(async move {
            let mut far = Connection::new(far);
            let mut count = 0;
            while let Ok(Some(message)) = far.receive().await {
                received.send(number(&message)).unwrap();
                count += 1;
                if life < 3 && count == 10 {
                    return;
                }
            }
        });
        Step::Give(near)
    });
    let (client, inbox) = Client::spawn(Script::of(steps.collect::<Vec<_>>()));
    drop(received);
    let mut duplex = client.duplex(inbox);
    let mut items = stream::iter(0..COUNT)
        .then(|number| async move {
            tokio::task::yield_now().await;
            Ok::<_, Error>(Bytes::copy_from_slice(&number.to_le_bytes()))
        })
        .boxed();
    let mut known = BTreeSet::new();
    loop {
        let sent = within(duplex.send_all(&mut items)).await;
        known.extend(duplex.take_returned().iter().map(|one| number(&one.message)));
        match sent {
            Ok(()) => break,
            Err(Error::Returned { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    let _ = within(SinkExt::close(&mut duplex)).await;
    known.extend(duplex.take_returned().iter().map(|one| number(&one.message)));
    drop(duplex);
    while let Some(number) = within(arrived.recv()).await {
        known.insert(number);
    }
    assert_eq!(known, (0..COUNT).collect());
}

#[tokio::test(start_paused = true)]
async fn a_duplex_that_is_dropped_gives_the_room_for_its_next_message_back() {
    // The first message may be as long as it likes, so that it takes all the room there is.
    let options = ClientOptions::new().outbox(1);
    let (client, inbox) = Client::builder(Script::of([])).options(options).spawn();
    let mut duplex = client.clone().duplex(inbox);
    within(poll_fn(|cx| Pin::new(&mut duplex).poll_ready(cx))).await.unwrap();
    assert!(matches!(*client.try_send("a").unwrap_err().cause, Error::OutboxFull));
    drop(duplex);
    client.try_send("a").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_report_counts_what_was_not_sent_by_itself() {
    let options = ClientOptions::new().close_timeout(Duration::from_secs(1));
    let (client, inbox) = Client::builder(Script::of([])).options(options).spawn();
    let mut duplex = client.duplex(inbox);
    for message in ["a", "b"] {
        within(duplex.feed(message.into())).await.unwrap();
    }
    let report = within(SinkExt::close(&mut duplex)).await.unwrap_err();
    assert!(
        matches!(report, Error::Returned { maybe_delivered: 0, not_sent: 2, .. }),
        "{report:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_given_up_says_so() {
    let options = ClientOptions::new().max_attempts(1);
    let (client, inbox) = Client::builder(Script::of([Step::refuse()])).options(options).spawn();
    let mut duplex = client.duplex(inbox);
    let gave_up = within(duplex.next()).await.unwrap().unwrap_err();
    assert!(matches!(gave_up, Error::GaveUp { attempts: 1, .. }), "{gave_up:?}");
    let error = within(duplex.send("a".into())).await.unwrap_err();
    let Error::GaveUp { attempts: 1, timeout: None, source: Some(source), .. } = &error else {
        panic!("{error:?}")
    };
    assert!(matches!(**source, Error::Io { .. }), "{source:?}");
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_is_reported_by_a_flush_or_a_close_and_by_nothing_else() {
    let (first, far) = wire(1024);
    let (second, far_second) = wire(1024);
    let script = Script::of([Step::Give(first), Step::Give(second)]);
    let (client, inbox) = Client::spawn(script);
    let mut duplex = client.duplex(inbox);
    within(duplex.send("a".into())).await.unwrap();
    drop(far);
    let mut far = Connection::new(far_second);
    within(duplex.feed("b".into())).await.unwrap();
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"b"[..]);
    within(duplex.feed("c".into())).await.unwrap();
    let error = within(duplex.flush()).await.unwrap_err();
    assert!(matches!(error, Error::Returned { maybe_delivered: 1, not_sent: 0, .. }), "{error:?}");
    assert_eq!(error.to_string(), "messages came back: 1 maybe delivered, 0 not sent");
    // Once.
    within(duplex.flush()).await.unwrap();
    let returned = duplex.take_returned();
    assert_eq!((&returned[0].message[..], returned[0].fate), (&b"a"[..], Fate::MaybeDelivered));
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"c"[..]);
    within(far.send("answer")).await.unwrap();
    assert_eq!(within(duplex.next()).await.unwrap().unwrap(), b"answer"[..]);
    within(SinkExt::close(&mut duplex)).await.unwrap();
    assert!(within(duplex.next()).await.is_none());
    assert!(matches!(within(duplex.send("d".into())).await, Err(Error::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_protocol_that_notices_itself_gets_no_reports() {
    let (first, far) = wire(1024);
    let (second, far_second) = wire(1024);
    let script = Script::of([Step::Give(first), Step::Give(second)]);
    let (client, inbox) = Client::spawn(script);
    let mut duplex = client.duplex(inbox).without_reports();
    within(duplex.send("a".into())).await.unwrap();
    drop(far);
    within(duplex.send("b".into())).await.unwrap();
    let mut far = Connection::new(far_second);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"b"[..]);
    within(duplex.flush()).await.unwrap();
    assert!(duplex.take_returned().is_empty());
    assert_eq!(duplex.client().stats().returned, 1);
}

#[tokio::test(start_paused = true)]
async fn forward_ends_when_everything_was_read() {
    let (near, far) = wire(64);
    let (client, inbox) = Client::spawn(Script::of([Step::Give(near)]));
    let items = stream::iter(0..100_u8).map(|number| Ok(Bytes::from(vec![number; 10])));
    let forward = tokio::spawn(items.forward(client.duplex(inbox)));
    let mut far = Connection::new(far);
    for number in 0..100_u8 {
        assert_eq!(within(far.receive()).await.unwrap().unwrap(), [number; 10][..]);
    }
    within(forward).await.unwrap().unwrap();
    assert_eq!(within(far.receive()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_duplex_that_is_dropped_while_it_waits_holds_no_room() {
    let (near, far) = wire(1024);
    let options = ClientOptions::new().outbox(1);
    let script = Script::of([Step::Give(near)]);
    let (client, inbox) = Client::builder(script).options(options).spawn();
    let other = client.clone();
    let mut duplex = client.duplex(inbox);
    drop(other.try_send("a").unwrap());
    let waits = futures::FutureExt::now_or_never(duplex.feed("b".into()));
    assert!(waits.is_none());
    drop(duplex);
    let mut far = Connection::new(far);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"a"[..]);
    within(other.send("c")).await.unwrap();
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"c"[..]);
}
