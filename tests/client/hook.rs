//! What runs on each new connection before anything else.

use std::{future::Future, pin::Pin, time::Duration};

use futures::future::join;
use npipes::{
    Client, Connection, Error,
    client::{ClientBuilder, ClientOptions, ClientState, Fate, HookError},
    retry::Backoff,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    support::within,
    wire::{Far, Near, Script, Step, wire},
};

const MS: Duration = Duration::from_millis(1);

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), HookError>> + Send + 'a>>;

/// Asks the server, and does as it says.
fn ask(connection: &mut Connection<Near>) -> Running<'_> {
    Box::pin(async move {
        connection.send("who?").await?;
        match connection.receive().await?.as_deref() {
            Some(b"welcome") => Ok(()),
            Some(b"later") => Err(HookError::RetryAfter(Duration::from_secs(30))),
            Some(_) => Err(HookError::GiveUp("banned".to_owned())),
            None => Err(Error::Closed.into()),
        }
    })
}

/// Returns a client that asks servers of which each says what it is told to.
fn asking<const N: usize>(
    answers: [&'static str; N],
) -> (ClientBuilder<Script>, Vec<Connection<Far>>, tokio::sync::mpsc::UnboundedReceiver<Instant>) {
    let mut servers = Vec::new();
    let steps: Vec<_> = answers
        .iter()
        .map(|_| {
            let (near, far) = wire(1024);
            servers.push(Connection::new(far));
            Step::Give(near)
        })
        .collect();
    let (script, times) = Script::new(steps);
    let backoff = Backoff::new(10 * MS, 10 * MS).without_jitter();
    let options = ClientOptions::new().backoff(backoff);
    (Client::builder(script).options(options).on_connect(ask), servers, times)
}

async fn answer(server: &mut Connection<Far>, answer: &'static str) {
    assert_eq!(within(server.receive()).await.unwrap().unwrap(), b"who?"[..]);
    within(server.send(answer)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_hook_runs_first_on_every_connection() {
    let (builder, servers, _times) = asking(["welcome", "welcome"]);
    let (client, _inbox) = builder.spawn();
    for (mut server, number) in servers.into_iter().zip(["one", "two"]) {
        let receipt = within(client.send(number)).await.unwrap();
        answer(&mut server, "welcome").await;
        assert_eq!(within(server.receive()).await.unwrap().unwrap(), number);
        within(receipt).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_loses_its_connection_is_a_failed_attempt() {
    let (builder, mut servers, mut times) = asking(["gone", "welcome"]);
    drop(servers.remove(0));
    let start = Instant::now();
    let (client, _inbox) = builder.spawn();
    let receipt = within(client.send("Hello")).await.unwrap();
    answer(&mut servers[0], "welcome").await;
    let (fate, received) = within(join(receipt, servers[0].receive())).await;
    fate.unwrap();
    assert_eq!(received.unwrap().unwrap(), b"Hello"[..]);
    assert_eq!(times.recv().await.unwrap() - start, Duration::ZERO);
    assert_eq!(times.recv().await.unwrap() - start, 10 * MS);
    assert_eq!(client.stats().failed_attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_can_say_when_it_wants_to_be_called_again() {
    let (builder, mut servers, mut times) = asking(["later", "welcome"]);
    let start = Instant::now();
    let (client, _inbox) = builder.spawn();
    answer(&mut servers[0], "later").await;
    answer(&mut servers[1], "welcome").await;
    let mut watch = client.watch();
    let connected = ClientState::Connected { session: 1 };
    within(watch.wait_for(|state| *state == connected)).await.unwrap();
    assert_eq!(times.recv().await.unwrap() - start, Duration::ZERO);
    assert_eq!(times.recv().await.unwrap() - start, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_server_can_say_that_it_does_not_want_the_client() {
    let (builder, mut servers, _times) = asking(["never"]);
    let (client, mut inbox) = builder.spawn();
    let receipt = within(client.send("Hello")).await.unwrap();
    answer(&mut servers[0], "never").await;
    let error = within(inbox.receive()).await.unwrap_err();
    let Error::GaveUp { attempts: 1, source: Some(source), .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(source.to_string(), "the server refused: banned");
    assert!(!source.is_retryable());
    assert_eq!(within(receipt).await.unwrap_err().fate, Fate::NotSent);
    assert_eq!(client.state(), ClientState::Ended);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_the_hook_is_left_at_the_deadline() {
    let (builder, mut servers, mut times) = asking(["silent", "welcome"]);
    let start = Instant::now();
    let (client, _inbox) = builder.spawn();
    within(servers[0].receive()).await.unwrap().unwrap();
    answer(&mut servers[1], "welcome").await;
    // The connection was dropped, not left open.
    assert_eq!(within(servers[0].receive()).await.unwrap(), None);
    within(client.send("Hello")).await.unwrap();
    assert_eq!(within(servers[1].receive()).await.unwrap().unwrap(), b"Hello"[..]);
    times.recv().await.unwrap();
    assert_eq!(times.recv().await.unwrap() - start, Duration::from_millis(10_010));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_hangs_does_not_keep_the_client_from_ending() {
    let token = CancellationToken::new();
    let (builder, mut servers, _times) = asking(["silent"]);
    let (client, mut inbox) = builder.shutdown_on(token.clone()).spawn();
    within(servers[0].receive()).await.unwrap().unwrap();
    let start = Instant::now();
    token.cancel();
    assert_eq!(within(inbox.receive()).await.unwrap(), None);
    drop(within(client.close()).await);
    assert_eq!(start.elapsed(), Duration::ZERO);
}
