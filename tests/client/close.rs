//! How a client ends, and what is known then.

use std::{io, sync::Mutex, time::Duration};

use futures::{FutureExt, future::join};
use npipes::{
    Client, Connection, ConnectionOptions, DrainOutcome, Error,
    client::{ClientOptions, ClientState, Connect, Delivered, Fate},
    retry::Backoff,
};
use tokio::{
    sync::oneshot,
    task::yield_now,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    support::within,
    wire::{Near, Script, Step, wire},
};

const HOUR: Duration = Duration::from_secs(3600);

async fn settle() {
    for _ in 0..64 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn close_sends_what_was_accepted_and_waits_until_it_was_read() {
    let (near, far) = wire(1024);
    let (client, _inbox) = Client::spawn(Script::of([Step::Give(near)]));
    let receipt = client.try_send("a").unwrap();
    let mut far = Connection::new(far);
    let read = async {
        sleep(Duration::from_secs(3)).await;
        far.receive().await
    };
    let start = Instant::now();
    let (settlement, received) = within(join(client.close(), read)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert_eq!(settlement.closed.unwrap(), DrainOutcome::Drained);
    assert!(settlement.returned.is_empty());
    assert_eq!((settlement.stats.accepted, settlement.stats.delivered), (1, 1));
    assert_eq!(received.unwrap().unwrap(), b"a"[..]);
    assert_eq!(within(receipt).await.unwrap(), Delivered::Read);
    assert_eq!(within(far.receive()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn close_gives_back_what_the_peer_does_not_read_in_time() {
    let (near, far) = wire(20);
    let options = ClientOptions::new().close_timeout(Duration::from_secs(2));
    let script = Script::of([Step::Give(near)]);
    let (client, _inbox) = Client::builder(script).options(options).spawn();
    let first = client.try_send("a").unwrap();
    let second = client.try_send("second").unwrap();
    let start = Instant::now();
    let settlement = within(client.close()).await;
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    assert_eq!(settlement.closed.unwrap(), DrainOutcome::TimedOut { unread: None });
    let fates: Vec<_> = settlement
        .returned
        .iter()
        .map(|one| (one.id.unwrap().get(), one.fate, &one.message[..]))
        .collect();
    assert_eq!(fates, [(0, Fate::MaybeDelivered, &b"a"[..]), (1, Fate::NotSent, &b"second"[..])]);
    assert_eq!(within(first).await.unwrap_err().fate, Fate::MaybeDelivered);
    assert_eq!(within(second).await.unwrap_err().fate, Fate::NotSent);
    drop(far);
}

#[tokio::test(start_paused = true)]
async fn close_does_not_sit_out_a_delay_and_gives_back_what_was_kept() {
    let backoff = Backoff::new(HOUR, HOUR).without_jitter();
    let options = ClientOptions::new().backoff(backoff);
    let script = Script::of([Step::refuse()]);
    let (client, mut inbox) = Client::builder(script).options(options).spawn();
    let receipt = client.try_send("kept").unwrap();
    settle().await;
    let start = Instant::now();
    let settlement = within(client.close()).await;
    assert!(matches!(*settlement.closed.unwrap_err(), Error::Closed));
    let [returned] = &settlement.returned[..] else { panic!("{:?}", settlement.returned) };
    assert_eq!((returned.fate, &returned.message[..]), (Fate::NotSent, &b"kept"[..]));
    assert_eq!(within(receipt).await.unwrap_err().fate, Fate::NotSent);
    assert_eq!(within(inbox.receive()).await.unwrap(), None);
    assert_eq!(client.state(), ClientState::Ended);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// Connects when it is told how that ends.
struct Late(Mutex<Option<oneshot::Receiver<Result<Near, Error>>>>);

impl Connect for Late {
    type Io = Near;

    async fn connect(&self) -> Result<Connection<Near>, Error> {
        let told = self.0.lock().unwrap().take().unwrap();
        Ok(Connection::with_transport(told.await.unwrap()?, &ConnectionOptions::new()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_waits_for_an_attempt_under_way_if_something_is_kept() {
    for succeeds in [true, false] {
        let (near, far) = wire(1024);
        let (tell, told) = oneshot::channel();
        let (client, _inbox) = Client::spawn(Late(Mutex::new(Some(told))));
        client.try_send("kept").unwrap();
        settle().await;
        let mut closing = Box::pin(client.close());
        assert!(closing.as_mut().now_or_never().is_none());
        settle().await;
        let start = Instant::now();
        if succeeds {
            tell.send(Ok(near)).ok().unwrap();
            let mut far = Connection::new(far);
            let (settlement, message) = within(join(closing, far.receive())).await;
            assert_eq!(message.unwrap().unwrap(), b"kept"[..]);
            assert_eq!(settlement.closed.unwrap(), DrainOutcome::Drained);
        } else {
            tell.send(Err(io::Error::from(io::ErrorKind::ConnectionRefused).into())).ok().unwrap();
            let settlement = within(closing).await;
            assert!(matches!(*settlement.closed.unwrap_err(), Error::Closed));
            assert_eq!(settlement.returned[0].fate, Fate::NotSent);
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn every_handle_gets_the_same_settlement() {
    let (near, far) = wire(1024);
    let (client, _inbox) = Client::spawn(Script::of([Step::Give(near)]));
    client.try_send("a").unwrap();
    within(client.flush()).await;
    drop(far);
    let other = client.clone();
    let (mine, others) = within(join(client.close(), other.close())).await;
    let again = within(client.close()).await;
    for settlement in [mine, others, again] {
        assert_eq!(settlement.stats.accepted, 1);
        assert_eq!(settlement.stats.returned, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_dropped_goes_on() {
    let (near, far) = wire(1024);
    let (client, mut inbox) = Client::spawn(Script::of([Step::Give(near)]));
    let receipt = client.try_send("a").unwrap();
    assert!(client.close().now_or_never().is_none());
    let mut far = Connection::new(far);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"a"[..]);
    assert_eq!(within(receipt).await.unwrap(), Delivered::Read);
    assert_eq!(within(inbox.receive()).await.unwrap(), None);
    assert_eq!(within(far.receive()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_that_is_dropped_closes_the_client_in_good_order() {
    let (near, far) = wire(20);
    let (client, mut inbox) = Client::spawn(Script::of([Step::Give(near)]));
    let clones = [client.clone(), client.clone()];
    let first = client.try_send("first").unwrap();
    let second = client.try_send("second").unwrap();
    drop(client);
    let mut far = Connection::new(far);
    within(far.send("news")).await.unwrap();
    assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), b"news"[..]);
    drop(clones);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"first"[..]);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"second"[..]);
    assert_eq!(within(first).await.unwrap(), Delivered::Read);
    assert_eq!(within(second).await.unwrap(), Delivered::Read);
    assert_eq!(within(far.receive()).await.unwrap(), None);
    assert_eq!(within(inbox.receive()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_dropped_at_once_still_sends() {
    let (near, far) = wire(1024);
    let (client, _inbox) = Client::spawn(Script::of([Step::Give(near)]));
    drop(client.try_send("Hello").unwrap());
    drop(client);
    let mut far = Connection::new(far);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"Hello"[..]);
    assert_eq!(within(far.receive()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn shutdown_interrupts_the_sleep() {
    let backoff = Backoff::new(HOUR, HOUR).without_jitter();
    let token = CancellationToken::new();
    let (client, mut inbox) = Client::builder(Script::of([Step::refuse()]))
        .options(ClientOptions::new().backoff(backoff))
        .shutdown_on(token.clone())
        .spawn();
    let receipt = client.try_send("late").unwrap();
    let mut watch = client.watch();
    let pausing = ClientState::Connecting { attempt: 2 };
    within(watch.wait_for(|state| *state == pausing)).await.unwrap();
    let start = Instant::now();
    token.cancel();
    let returned = within(receipt).await.unwrap_err();
    assert_eq!(returned.fate, Fate::NotSent);
    assert!(matches!(*returned.cause, Error::Closed), "{returned:?}");
    assert_eq!(within(inbox.receive()).await.unwrap(), None);
    assert!(matches!(*client.try_send("later").unwrap_err().cause, Error::Closed));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn shutdown_lets_the_peer_read_what_was_accepted() {
    let (near, far) = wire(20);
    let token = CancellationToken::new();
    let (client, _inbox) =
        Client::builder(Script::of([Step::Give(near)])).shutdown_on(token.clone()).spawn();
    let receipts = [client.try_send("first").unwrap(), client.try_send("second").unwrap()];
    token.cancel();
    let mut far = Connection::new(far);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"first"[..]);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"second"[..]);
    for receipt in receipts {
        assert_eq!(within(receipt).await.unwrap(), Delivered::Read);
    }
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_dropped_leaves_nobody_waiting() {
    let (near, far) = wire(20);
    let script = Script::of([Step::Give(near)]);
    let options = ClientOptions::new().outbox(1);
    let (client, mut inbox, driver) = Client::builder(script).options(options).build();
    let driver = tokio::spawn(driver);
    let receipt = client.try_send("a long message that is cut").unwrap();
    let mut sending = Box::pin(client.send("b"));
    let mut flushing = Box::pin(client.flush());
    assert!(sending.as_mut().now_or_never().is_none());
    settle().await;
    assert!(flushing.as_mut().now_or_never().is_none());
    driver.abort();
    assert_ne!(within(receipt).await.unwrap_err().message.len(), 0);
    assert_eq!(within(sending).await.unwrap_err().fate, Fate::NotSent);
    within(flushing).await;
    assert_eq!(within(inbox.receive()).await.unwrap(), None);
    assert!(within(client.close()).await.closed.is_err());
    assert_eq!(client.state(), ClientState::Ended);
    drop(far);
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_was_never_polled_leaves_nobody_waiting() {
    let (client, mut inbox, driver) = Client::builder(Script::of([])).build();
    let receipt = client.try_send("a").unwrap();
    drop(driver);
    assert_eq!(within(receipt).await.unwrap_err().fate, Fate::NotSent);
    assert_eq!(within(inbox.receive()).await.unwrap(), None);
}
