//! A service and its clients over a simulated pipe: what a user's own test looks like.

use std::time::Duration;

use futures::future::join_all;
use npipes::{
    Client, Connection, DrainOutcome, Error,
    client::{ClientOptions, Delivered, DeliveredWhen},
    retry::Backoff,
    server::{ServeOptions, ServeReport},
    simulated::{Cut, Faults, Pipe, Refusal, Stream},
};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::support::within;

/// A service that answers every message with itself.
fn echo(pipe: &Pipe) -> (CancellationToken, JoinHandle<ServeReport>) {
    let listener = pipe.listener().unwrap();
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    let handler = |mut connection: Connection<Stream>, told: CancellationToken| async move {
        while let Some(received) = told.run_until_cancelled(connection.receive()).await {
            let Some(message) = received? else { break };
            connection.send(message).await?;
        }
        Ok::<_, Error>(connection)
    };
    let options = ServeOptions::new().shutdown_timeout(Duration::from_secs(30));
    (shutdown, tokio::spawn(async move { options.serve(listener, told, handler).await }))
}

const SEEDED: ClientOptions = ClientOptions::new()
    .backoff(Backoff::new(Duration::from_millis(10), Duration::from_secs(1)).seed(7));

/// Sends every message until it is answered, and returns when that was.
async fn orders(pipe: &Pipe, count: u32) -> (Vec<Duration>, npipes::client::ClientStats) {
    let start = Instant::now();
    let options = SEEDED.delivered_when(DeliveredWhen::Acknowledged);
    let (client, mut inbox) = Client::builder(pipe.connector()).options(options).spawn();
    let mut times = Vec::new();
    for order in 0..count {
        let mut message = order.to_string();
        let mut receipt = within(client.send(message.clone())).await.unwrap();
        loop {
            tokio::select! {
                biased;
                answer = within(inbox.receive()) => {
                    assert_eq!(answer.unwrap().unwrap(), message.as_bytes());
                    client.acknowledge(receipt.id());
                    assert_eq!(within(receipt).await.unwrap(), Delivered::Acknowledged);
                    break;
                }
                fate = &mut receipt => {
                    message = String::from_utf8(fate.unwrap_err().message.to_vec()).unwrap();
                    receipt = within(client.send(message.clone())).await.unwrap();
                }
            }
        }
        times.push(start.elapsed());
    }
    (times, client.close().await.stats)
}

async fn a_bad_day() -> (Vec<Duration>, npipes::client::ClientStats, ServeReport) {
    let pipe = Pipe::new("orders").unwrap();
    let (shutdown, service) = echo(&pipe);
    pipe.refuse_for(Refusal::Busy, Duration::from_millis(700));
    pipe.fault_next(Faults::new().cut_to_client(30, Cut::End));
    pipe.fault_next(Faults::new().cut_to_server(20, Cut::Reset));
    pipe.fault_next(Faults::new().split(1).cut_to_client(100, Cut::Reset));
    let (times, counters) = orders(&pipe, 20).await;
    shutdown.cancel();
    (times, counters, within(service).await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_client_gets_everything_done_on_a_bad_day() {
    let (times, counters, served) = a_bad_day().await;
    assert_eq!(times.len(), 20);
    assert_eq!(counters.connections, 4);
    assert_eq!(counters.traffic.messages_received, 20);
    assert_eq!(counters.returned, 3);
    assert_eq!(served.accepted, 4);
}

#[tokio::test(start_paused = true)]
async fn the_same_day_goes_the_same_way_again() {
    let (times, counters, _) = a_bad_day().await;
    let (again, counters_again, _) = a_bad_day().await;
    // The waits for the busy server are drawn at random, and it wakes those who wait.
    assert_eq!((times, counters.returned), (again, counters_again.returned));
}

#[tokio::test(start_paused = true)]
async fn many_clients_share_a_service() {
    let pipe = Pipe::new("orders").unwrap();
    let (shutdown, service) = echo(&pipe);
    pipe.fault_all(Faults::new().split(3));
    let clients = (0..20).map(|_| orders(&pipe, 10));
    let done = join_all(clients).await;
    assert!(done.iter().all(|(times, counters)| times.len() == 10 && counters.connections == 1));
    shutdown.cancel();
    let served = within(service).await.unwrap();
    assert_eq!((served.accepted, served.failed, served.cut), (20, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn serving_counts_a_peer_that_does_not_read_as_undrained() {
    let pipe = Pipe::new("orders").unwrap();
    let (shutdown, service) = echo(&pipe);
    let mut client = within(pipe.connector().connect()).await.unwrap();
    within(client.send("Hello")).await.unwrap();
    assert_eq!(within(client.drained()).await.unwrap(), DrainOutcome::Drained);
    shutdown.cancel();
    let served = within(service).await.unwrap();
    assert_eq!((served.accepted, served.undrained, served.cut), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_learns_when_its_message_is_read() {
    let pipe = Pipe::new("orders").unwrap();
    let mut listener = pipe.listener().unwrap();
    let (client, _inbox) = Client::spawn(pipe.connector());
    let receipt = within(client.send("Hello")).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    let start = Instant::now();
    let read = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        server.receive().await.unwrap().unwrap()
    };
    let (fate, message) = within(async { tokio::join!(receipt, read) }).await;
    assert_eq!(fate.unwrap(), Delivered::Read);
    assert_eq!(message, b"Hello"[..]);
    assert_eq!(start.elapsed(), Duration::from_secs(30));
}
