//! When a client connects, and when it stops trying.

use std::{io, sync::Arc, time::Duration};

use futures::{FutureExt, SinkExt, StreamExt, future::join};
use npipes::{
    Backoff, Client, ClientOptions, ClientState, Closed, Connection, Error, Fate, FrameError,
};
use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    support::within,
    wire::{Script, Step, wire},
};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

fn since(start: Instant, times: &mut UnboundedReceiver<Instant>) -> Vec<u128> {
    std::iter::from_fn(|| times.try_recv().ok()).map(|at| (at - start).as_millis()).collect()
}

fn refusals(count: usize) -> impl Iterator<Item = Step> {
    (0..count).map(|_| Step::refuse())
}

#[tokio::test(start_paused = true)]
async fn attempts_come_at_the_delays_of_the_backoff_and_no_others() {
    let (near, _far) = wire(64);
    let (script, mut times) = Script::new(refusals(7).chain([Step::Give(near)]));
    let backoff = Backoff::new(10 * MS, 100 * MS).without_jitter();
    let mut client = Client::with_options(script, &ClientOptions::new().backoff(backoff));
    let start = Instant::now();
    within(client.connect()).await.unwrap();
    assert_eq!(since(start, &mut times), [0, 10, 30, 70, 150, 250, 350, 450]);
}

#[tokio::test(start_paused = true)]
async fn a_seed_fixes_the_times_of_the_attempts() {
    let (near, _far) = wire(64);
    let (script, mut times) = Script::new(refusals(5).chain([Step::Give(near)]));
    let backoff = Backoff::new(100 * MS, 2000 * MS).seed(42);
    let mut client = Client::with_options(script, &ClientOptions::new().backoff(backoff));
    let start = Instant::now();
    within(client.connect()).await.unwrap();
    // Tokio's clock goes in whole milliseconds and is never early.
    let mut expected = vec![0];
    for delay in backoff.delays().take(5) {
        let due = Duration::from_millis(*expected.last().unwrap()) + delay;
        expected.push(u64::try_from(due.as_nanos().div_ceil(1_000_000)).unwrap());
    }
    let expected: Vec<u128> = expected.into_iter().map(u128::from).collect();
    assert_eq!(since(start, &mut times), expected);
    assert_eq!(expected, [0, 75, 107, 219, 495, 556]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_interrupts_the_sleep() {
    let backoff = Backoff::new(HOUR, HOUR).without_jitter();
    let token = CancellationToken::new();
    let mut client =
        Client::with_options(Script::of(refusals(1)), &ClientOptions::new().backoff(backoff))
            .shutdown_on(token.clone());
    let mut state = client.watch();
    let start = Instant::now();
    let stop = async {
        state.wait_for(|state| *state == ClientState::Connecting { attempt: 2 }).await.unwrap();
        token.cancel();
    };
    let (sent, ()) = within(join(client.send("late"), stop)).await;
    assert!(matches!(sent, Err(Error::Closed)), "{sent:?}");
    assert_eq!(within(client.receive()).await.unwrap(), None);
    assert_eq!(client.state(), ClientState::Idle);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(within(client.close()).await.returned, []);
}

#[tokio::test(start_paused = true)]
async fn close_does_not_sit_out_a_delay_and_gives_back_what_was_kept() {
    let backoff = Backoff::new(HOUR, HOUR).without_jitter();
    let options = ClientOptions::new().backoff(backoff);
    let mut client = Client::with_options(Script::of(refusals(1)), &options);
    let id = within(client.feed("kept")).await.unwrap();
    assert!(client.flush().now_or_never().is_none());
    let start = Instant::now();
    let settlement = within(client.close()).await;
    assert!(matches!(settlement.closed, Err(Error::Closed)), "{settlement:?}");
    let [returned] = &settlement.returned[..] else { panic!("{settlement:?}") };
    assert_eq!((returned.id, &returned.message[..]), (id, &b"kept"[..]));
    assert_eq!(returned.fate, Fate::NotSent);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_attempts_is_kept_and_says_why() {
    let (near, _far) = wire(64);
    let (script, mut times) = Script::new(refusals(3).chain([Step::Give(near)]));
    let backoff = Backoff::new(10 * MS, 100 * MS).without_jitter();
    let options = ClientOptions::new().backoff(backoff).max_attempts(3);
    let mut client = Client::with_options(script, &options);
    let start = Instant::now();
    let error = within(client.send("Hello")).await.unwrap_err();
    assert!(matches!(error, Error::GaveUp { attempts: 3, deadline: None, .. }), "{error:?}");
    assert_eq!(error.to_string(), "gave up connecting after 30ms, 3 attempts failed");
    assert!(error.is_retryable() && !error.is_timeout());
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "reading from or writing to the stream failed"
    );
    assert_eq!(client.state(), ClientState::Idle);
    assert_eq!(since(start, &mut times), [0, 10, 30]);
    // The next call begins anew, at once.
    within(client.connect()).await.unwrap();
    assert_eq!(since(start, &mut times), [30]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_time_ends_a_sleep_and_an_attempt() {
    let backoff = Backoff::new(40 * MS, 40 * MS).without_jitter();
    let options = ClientOptions::new().backoff(backoff).deadline(100 * MS);
    // After the fourth refusal the script waits for ever.
    for (refused, attempts) in [(9, 3), (2, 2)] {
        let mut client = Client::with_options(Script::of(refusals(refused)), &options);
        let start = Instant::now();
        let error = within(client.receive()).await.unwrap_err();
        assert_eq!(start.elapsed(), 100 * MS);
        assert!(
            matches!(error, Error::GaveUp { attempts: n, deadline: Some(_), .. } if n == attempts),
            "{error:?}"
        );
        assert!(error.is_timeout());
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_no_attempt_can_mend_ends_them() {
    for hopeless in [
        Error::from(io::Error::from(io::ErrorKind::PermissionDenied)),
        Error::Frame(FrameError::TooLarge { len: 2, max: 1 }),
    ] {
        let text = hopeless.to_string();
        let mut client = Client::new(Script::of([Step::Fail(hopeless)]));
        let start = Instant::now();
        let error = within(client.send("Hello")).await.unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn the_hook_runs_first_on_every_connection() {
    let (first, far_first) = wire(1024);
    let (second, far_second) = wire(1024);
    let mut client = Client::new(Script::of([Step::Give(first), Step::Give(second)]))
        .on_connect(|connection| Box::pin(async move { connection.send("subscribe").await }));
    let mut far = Connection::new(far_first);
    within(client.send("one")).await.unwrap();
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"subscribe"[..]);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"one"[..]);
    within(far.send("event")).await.unwrap();
    assert_eq!(within(client.receive()).await.unwrap().unwrap(), b"event"[..]);
    within(client.drained()).await.unwrap();
    drop(far);
    let mut far = Connection::new(far_second);
    within(client.send("two")).await.unwrap();
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"subscribe"[..]);
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"two"[..]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_loses_its_connection_is_a_failed_attempt() {
    let (first, far) = wire(1024);
    let (second, far_second) = wire(1024);
    drop(far);
    let (script, mut times) = Script::new([Step::Give(first), Step::Give(second)]);
    let backoff = Backoff::new(10 * MS, 10 * MS).without_jitter();
    let mut client = Client::with_options(script, &ClientOptions::new().backoff(backoff))
        .on_connect(|connection| {
            Box::pin(async move {
                connection.send("who?").await?;
                connection.receive().await?.ok_or(Error::Closed).map(|_| ())
            })
        });
    let start = Instant::now();
    let server = async {
        let mut far = Connection::new(far_second);
        let challenge = far.receive().await.unwrap().unwrap();
        far.send(challenge).await.unwrap();
        far.receive().await.unwrap().unwrap()
    };
    let (id, received) = within(join(client.send("Hello"), server)).await;
    id.unwrap();
    assert_eq!(received, b"Hello"[..]);
    assert_eq!(since(start, &mut times), [0, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_is_called_at_the_delays_and_not_in_a_loop() {
    let hang_ups = (0..4).map(|_| Step::Give(wire(64).0));
    let (near, mut far) = wire(64);
    let (script, mut times) = Script::new(hang_ups.chain([Step::Give(near)]));
    let backoff = Backoff::new(10 * MS, 1000 * MS).without_jitter();
    let mut client = Client::with_options(script, &ClientOptions::new().backoff(backoff));
    let start = Instant::now();
    let hello = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&hello);
    let server = async {
        Connection::new(&mut far).send("hello").await.unwrap();
        told.notified().await;
    };
    let receive = async {
        let message = client.receive().await.unwrap().unwrap();
        hello.notify_one();
        message
    };
    let (message, ()) = within(join(receive, server)).await;
    assert_eq!(message, b"hello"[..]);
    assert_eq!(since(start, &mut times), [0, 10, 30, 70, 150]);
    // Having said something, it is called back at once.
    drop(far);
    assert!(client.receive().now_or_never().is_none());
    assert_eq!(since(start, &mut times), [150]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_lasts_as_long_as_the_longest_delay_is_replaced_at_once() {
    let backoff = Backoff::new(10 * MS, 1000 * MS).without_jitter();
    for (lasts, next) in [(999, 1009), (1000, 1000)] {
        let (near, far) = wire(64);
        let (second, _far) = wire(64);
        let (script, mut times) = Script::new([Step::Give(near), Step::Give(second)]);
        let mut client = Client::with_options(script, &ClientOptions::new().backoff(backoff));
        let start = Instant::now();
        within(client.connect()).await.unwrap();
        tokio::time::advance(lasts * MS).await;
        drop(far);
        let mut state = client.watch();
        let second = async {
            state.wait_for(|s| *s == ClientState::Connected { session: 2 }).await.map(|_| ())
        };
        tokio::select! {
            received = client.receive() => panic!("{received:?}"),
            changed = within(second) => changed.unwrap(),
        }
        assert_eq!(since(start, &mut times), [0, next]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_states_can_be_watched() {
    let (near, far) = wire(64);
    let backoff = Backoff::new(10 * MS, 10 * MS).without_jitter();
    let script = Script::of([Step::refuse(), Step::Give(near)]);
    let mut client = Client::with_options(script, &ClientOptions::new().backoff(backoff));
    let mut watch = client.watch();
    assert_eq!(*watch.borrow_and_update(), ClientState::Idle);
    let seen = async {
        let mut seen = Vec::new();
        while seen.last() != Some(&ClientState::Connected { session: 1 }) {
            watch.changed().await.unwrap();
            seen.push(*watch.borrow_and_update());
        }
        seen
    };
    let (seen, connected) = within(join(seen, client.connect())).await;
    connected.unwrap();
    // A watch shows the latest state: the first attempt was over before anyone could look.
    assert_eq!(
        seen,
        [ClientState::Connecting { attempt: 2 }, ClientState::Connected { session: 1 }]
    );
    drop(far);
    assert!(client.receive().now_or_never().is_none());
    assert_eq!(*watch.borrow_and_update(), ClientState::Connecting { attempt: 1 });
}

#[tokio::test(start_paused = true)]
async fn it_is_a_stream_and_a_sink() {
    let (first, far_first) = wire(1024);
    let (second, far_second) = wire(1024);
    let token = CancellationToken::new();
    let mut client =
        Client::new(Script::of([Step::Give(first), Step::Give(second)])).shutdown_on(token.clone());
    let mut far = Connection::new(far_first);
    within(far.send("a")).await.unwrap();
    assert_eq!(within(client.next()).await.unwrap().unwrap(), b"a"[..]);
    drop(far);
    let mut far = Connection::new(far_second);
    within(far.send("b")).await.unwrap();
    assert_eq!(within(client.next()).await.unwrap().unwrap(), b"b"[..]);
    within(SinkExt::send(&mut client, "c".into())).await.unwrap();
    let close = SinkExt::close(&mut client);
    let (received, closed) = within(join(far.receive(), close)).await;
    assert_eq!(received.unwrap().unwrap(), b"c"[..]);
    closed.unwrap();
    assert_eq!(client.settled(), client.next_id());
    assert!(within(client.next()).await.is_none());
    assert!(matches!(within(client.send("d")).await, Err(Error::Closed)));
    drop(token);
}

#[tokio::test(start_paused = true)]
async fn close_waits_until_everything_was_read() {
    let (near, far) = wire(1024);
    let mut client = Client::new(Script::of([Step::Give(near)]));
    within(client.feed("a")).await.unwrap();
    within(client.connect()).await.unwrap();
    let mut far = Connection::new(far);
    let read = async {
        tokio::time::sleep(HOUR / 1200).await;
        far.receive().await
    };
    let start = Instant::now();
    let (settlement, received) = within(join(client.close(), read)).await;
    assert_eq!(start.elapsed(), HOUR / 1200);
    assert_eq!(settlement.closed.unwrap(), Closed::Drained);
    assert_eq!(settlement.returned, []);
    assert_eq!(received.unwrap().unwrap(), b"a"[..]);
}
