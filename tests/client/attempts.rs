//! When a client connects, and when it stops trying.

use std::{
    error::Error as StdError,
    fmt,
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use npipes::{
    Client, Connection, ConnectionOptions, Error,
    client::{ClientOptions, ClientState, Connect, Fate, HookError},
    frame::FrameFormat,
    retry::Backoff,
};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc::UnboundedReceiver,
    time::{Instant, sleep},
};

use crate::{
    support::within,
    wire::{Script, Step, not_a_frame, wire},
};

const MS: Duration = Duration::from_millis(1);

fn since(start: Instant, times: &mut UnboundedReceiver<Instant>) -> Vec<u128> {
    std::iter::from_fn(|| times.try_recv().ok()).map(|at| (at - start).as_millis()).collect()
}

fn refusals(count: usize) -> impl Iterator<Item = Step> {
    (0..count).map(|_| Step::refuse())
}

async fn reach(client: &Client, state: ClientState) {
    let mut watch = client.watch();
    within(watch.wait_for(|now| *now == state)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_connects_without_being_used() {
    let (near, _far) = wire(64);
    let start = Instant::now();
    let (client, _inbox) = Client::spawn(Script::of([Step::Give(near)]));
    assert_eq!(client.state(), ClientState::Connecting { attempt: 1 });
    reach(&client, ClientState::Connected { session: 1 }).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn attempts_come_at_the_delays_of_the_backoff_and_no_others() {
    let (near, _far) = wire(64);
    let (script, mut times) = Script::new(refusals(7).chain([Step::Give(near)]));
    let backoff = Backoff::new(10 * MS, 100 * MS).without_jitter();
    let options = ClientOptions::new().backoff(backoff);
    let start = Instant::now();
    let (client, _inbox) = Client::builder(script).options(options).spawn();
    reach(&client, ClientState::Connected { session: 1 }).await;
    assert_eq!(since(start, &mut times), [0, 10, 30, 70, 150, 250, 350, 450]);
    assert_eq!(client.stats().failed_attempts, 7);
}

#[tokio::test(start_paused = true)]
async fn a_seed_fixes_the_times_of_the_attempts() {
    let (near, _far) = wire(64);
    let (script, mut times) = Script::new(refusals(5).chain([Step::Give(near)]));
    let backoff = Backoff::new(100 * MS, 2000 * MS).seed(42);
    let start = Instant::now();
    let options = ClientOptions::new().backoff(backoff);
    let (client, _inbox) = Client::builder(script).options(options).spawn();
    reach(&client, ClientState::Connected { session: 1 }).await;
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
async fn a_limit_on_attempts_ends_the_client_and_says_why() {
    let (script, mut times) = Script::new(refusals(9));
    let backoff = Backoff::new(10 * MS, 100 * MS).without_jitter();
    let options = ClientOptions::new().backoff(backoff).max_attempts(3);
    let start = Instant::now();
    let (client, mut inbox) = Client::builder(script).options(options).spawn();
    let receipt = within(client.send("Hello")).await.unwrap();
    let error = within(inbox.receive()).await.unwrap_err();
    assert!(matches!(error, Error::GaveUp { attempts: 3, timeout: None, .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "gave up connecting after 30ms, 3 attempts failed: \
         reading from or writing to the stream failed: connection refused"
    );
    assert!(error.is_retryable() && !error.is_timeout());
    assert_eq!(within(inbox.receive()).await.unwrap(), None);
    let returned = within(receipt).await.unwrap_err();
    assert_eq!((returned.fate, &returned.message[..]), (Fate::NotSent, &b"Hello"[..]));
    assert!(matches!(*returned.cause, Error::GaveUp { attempts: 3, .. }), "{returned:?}");
    let returned = within(client.send("more")).await.unwrap_err();
    assert!(matches!(*returned.cause, Error::GaveUp { .. }), "{returned:?}");
    assert_eq!(client.state(), ClientState::Ended);
    assert_eq!(since(start, &mut times), [0, 10, 30]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_time_ends_a_sleep_and_an_attempt() {
    let backoff = Backoff::new(40 * MS, 40 * MS).without_jitter();
    let options = ClientOptions::new().backoff(backoff).timeout(100 * MS);
    // When it has refused for the last time the script waits for ever.
    for (refused, attempts) in [(9, 3), (2, 2)] {
        let start = Instant::now();
        let script = Script::of(refusals(refused));
        let (_client, mut inbox) = Client::builder(script).options(options.clone()).spawn();
        let error = within(inbox.receive()).await.unwrap_err();
        assert_eq!(start.elapsed(), 100 * MS);
        assert!(
            matches!(error, Error::GaveUp { attempts: n, timeout: Some(_), .. } if n == attempts),
            "{error:?}"
        );
        assert!(error.is_timeout());
    }
}

#[tokio::test(start_paused = true)]
async fn time_with_a_connection_does_not_count_towards_the_limit() {
    let backoff = Backoff::new(40 * MS, 1000 * MS).without_jitter();
    let options = ClientOptions::new().backoff(backoff).timeout(100 * MS);
    let (near, far) = wire(64);
    let script = Script::of([Step::refuse(), Step::Give(near)].into_iter().chain(refusals(9)));
    let start = Instant::now();
    let (client, mut inbox) = Client::builder(script).options(options).spawn();
    reach(&client, ClientState::Connected { session: 1 }).await;
    sleep(900 * MS).await;
    drop(far);
    let error = within(inbox.receive()).await.unwrap_err();
    assert!(matches!(error, Error::GaveUp { timeout: Some(_), .. }), "{error:?}");
    assert_eq!(start.elapsed(), 1000 * MS);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_no_attempt_can_mend_ends_them() {
    for hopeless in [Error::from(io::Error::from(io::ErrorKind::PermissionDenied)), not_a_frame()] {
        let text = hopeless.to_string();
        let start = Instant::now();
        let (_client, mut inbox) = Client::spawn(Script::of([Step::Fail(hopeless)]));
        let error = within(inbox.receive()).await.unwrap_err();
        assert!(matches!(error, Error::GaveUp { attempts: 1, .. }), "{error:?}");
        assert!(error.to_string().ends_with(&format!("1 attempt failed: {text}")), "{error}");
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_says_that_the_peer_left_or_that_it_may_pass_is_followed_by_another_attempt()
{
    for passing in [Error::Closed, Error::OutboxFull] {
        let (near, _far) = wire(64);
        let (client, _inbox) = Client::spawn(Script::of([Step::Fail(passing), Step::Give(near)]));
        reach(&client, ClientState::Connected { session: 1 }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_lasts_as_long_as_the_longest_delay_is_replaced_at_once() {
    let backoff = Backoff::new(10 * MS, 1000 * MS).without_jitter();
    for (lasts, next) in [(999, 1009), (1000, 1000)] {
        let (near, far) = wire(64);
        let (second, _far) = wire(64);
        let (script, mut times) = Script::new([Step::Give(near), Step::Give(second)]);
        let start = Instant::now();
        let options = ClientOptions::new().backoff(backoff);
        let (client, _inbox) = Client::builder(script).options(options).spawn();
        reach(&client, ClientState::Connected { session: 1 }).await;
        sleep(lasts * MS).await;
        drop(far);
        reach(&client, ClientState::Connected { session: 2 }).await;
        assert_eq!(since(start, &mut times), [0, next]);
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_do_not_last_count_as_failed_attempts() {
    let hang_ups = (0..9).map(|_| Step::Give(wire(64).0));
    let (script, mut times) = Script::new(hang_ups);
    let backoff = Backoff::new(10 * MS, 1000 * MS).without_jitter();
    let options = ClientOptions::new().backoff(backoff).max_attempts(5);
    let start = Instant::now();
    let (client, mut inbox) = Client::builder(script).options(options).spawn();
    let error = within(inbox.receive()).await.unwrap_err();
    assert!(matches!(error, Error::GaveUp { attempts: 5, .. }), "{error:?}");
    assert_eq!(since(start, &mut times), [0, 10, 30, 70, 150]);
    assert_eq!(client.stats().connections, 5);
}

#[tokio::test(start_paused = true)]
async fn the_states_can_be_watched() {
    let (near, far) = wire(64);
    let backoff = Backoff::new(10 * MS, 10 * MS).without_jitter();
    let script = Script::of([Step::refuse(), Step::Give(near)]);
    let options = ClientOptions::new().backoff(backoff);
    let (client, _inbox) = Client::builder(script).options(options).spawn();
    let mut watch = client.watch();
    within(watch.changed()).await.unwrap();
    assert_eq!(*watch.borrow_and_update(), ClientState::Connecting { attempt: 2 });
    within(watch.changed()).await.unwrap();
    assert_eq!(*watch.borrow_and_update(), ClientState::Connected { session: 1 });
    let lost = Instant::now();
    drop(far);
    within(watch.changed()).await.unwrap();
    assert_eq!(lost.elapsed(), Duration::ZERO);
    // It has not lasted, so the series goes on.
    assert_eq!(*watch.borrow_and_update(), ClientState::Connecting { attempt: 3 });
    drop(within(client.close()).await);
    within(watch.changed()).await.unwrap();
    assert_eq!(*watch.borrow_and_update(), ClientState::Ended);
}

/// An error with another one behind it.
#[derive(Debug)]
struct Deep;

impl fmt::Display for Deep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deep")
    }
}

impl StdError for Deep {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&fmt::Error)
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_came_back_has_a_number_and_the_causes_of_its_cause() {
    let options = ClientOptions::new().max_attempts(1);
    let script = Script::of([Step::Fail(io::Error::other(Deep).into())]);
    let (client, _inbox) = Client::builder(script).options(options).spawn();
    let returned = within(client.try_send("a").unwrap()).await.unwrap_err();
    assert_eq!(returned.id.unwrap().to_string(), "0");
    let cause = returned.cause.to_string();
    assert_eq!(returned.to_string(), format!("a message of 1 bytes came back, not sent: {cause}"));
    assert_eq!(returned.source().unwrap().to_string(), fmt::Error.to_string());
}

#[test]
fn the_defaults_of_a_client_are_as_documented() {
    assert_eq!((ClientOptions::DEFAULT_OUTBOX, ClientOptions::DEFAULT_INBOX), (4 << 20, 4 << 20));
}

/// A server that does something with each connection, and counts them.
struct Caller<F>(Arc<AtomicU32>, F);

impl<F, G> Connect for Caller<F>
where
    F: Fn(Connection<DuplexStream>) -> G + Send + Sync + 'static,
    G: Future<Output = ()> + Send + 'static,
{
    type Io = DuplexStream;

    async fn connect(&self) -> Result<Connection<DuplexStream>, Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let (near, far) = duplex(4096);
        let small = ConnectionOptions::new().format(FrameFormat::new().max_payload(1000));
        tokio::spawn(self.1(Connection::with_options(far, &small)));
        Ok(Connection::new(near))
    }
}

/// Counts the connections that are made in 10 s by a client with the default options that always has
/// something to send.
async fn connections_in_10_s<F, G>(serve: F, message: usize) -> u32
where
    F: Fn(Connection<DuplexStream>) -> G + Send + Sync + 'static,
    G: Future<Output = ()> + Send + 'static,
{
    let count = Arc::new(AtomicU32::new(0));
    let (client, mut inbox) = Client::spawn(Caller(Arc::clone(&count), serve));
    let receiving = async { while let Ok(Some(_)) | Err(_) = inbox.receive().await {} };
    let sending = async {
        loop {
            drop(client.send(vec![0; message]).await);
        }
    };
    tokio::select! {
        () = sleep(Duration::from_secs(10)) => count.load(Ordering::Relaxed),
        () = receiving => unreachable!(),
        () = sending => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn no_server_is_called_more_than_14_times_in_10_s() {
    for _ in 0..4 {
        let refuses = |mut far: Connection<DuplexStream>| async move {
            let _ = far.send("refused: too many clients").await;
        };
        assert!(connections_in_10_s(refuses, 10).await < 15);
        let hangs_up = |far| async move { drop(far) };
        assert!(connections_in_10_s(hangs_up, 10).await < 15);
        let chokes = |mut far: Connection<DuplexStream>| async move {
            while let Ok(Some(_)) = far.receive().await {}
        };
        assert!(connections_in_10_s(chokes, 10_000).await < 15);
        let answers_once = |mut far: Connection<DuplexStream>| async move {
            let message = far.receive().await.unwrap().unwrap();
            far.send(message).await.unwrap();
        };
        let calls = connections_in_10_s(answers_once, 10).await;
        assert!((5..15).contains(&calls), "{calls}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_absent_server_is_called_as_seldom() {
    let (script, mut times) = Script::new(refusals(1000));
    let (_client, _inbox) = Client::spawn(script);
    sleep(Duration::from_secs(10)).await;
    let calls = std::iter::from_fn(|| times.try_recv().ok()).count();
    assert!((5..15).contains(&calls), "{calls}");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_given_up_for_the_next_one() {
    // The script gives nothing: the attempt waits for ever.
    let (script, mut times) = Script::new([]);
    let backoff = Backoff::new(10 * MS, 10 * MS).without_jitter();
    let options = ClientOptions::new().backoff(backoff).max_attempts(2);
    let start = Instant::now();
    let (_client, mut inbox) = Client::builder(script).options(options).spawn();
    let error = within(inbox.receive()).await.unwrap_err();
    let Error::GaveUp { attempts: 2, source: Some(source), .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(source.to_string(), "an attempt to connect was not done after 10s");
    assert!(source.is_timeout());
    assert_eq!(since(start, &mut times), [0, 10_010]);
}

#[tokio::test(start_paused = true)]
async fn the_errors_of_a_hook_are_errors() {
    let errors = [
        (HookError::from(Error::Closed), "the connection is closed"),
        (HookError::RetryAfter(30_000 * MS), "the server asks to be called again after 30s"),
        (HookError::GiveUp("banned".to_owned()), "the server refused: banned"),
    ];
    for (error, text) in errors {
        assert_eq!(error.to_string(), text);
    }
}
