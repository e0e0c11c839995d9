//! The figures of the page "What a hostile peer can cost you", with the bounds that it states.
//!
//! `cargo test --test hostile figures -- --nocapture` prints them.

use std::{io::Write, time::Duration};

use npipes::{Connection, Listener, ListenerOptions, PipeStream};
use tokio::task::JoinSet;

use crate::{
    peers::{announcement, open},
    plain::Plain,
    process::measured,
    support::{unique_name, within},
    system,
};

const CONNECTIONS: usize = 1_000;

/// Connects clients that each do what `attack` does, to a server that receives from each, and
/// returns what the server's end costs, in bytes.
async fn cost<F>(count: usize, attack: F) -> usize
where
    F: AsyncFn(&mut Plain),
{
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    // So that what the first connection costs once is not counted.
    let mut clients = vec![open(&name).await];
    let mut servers = JoinSet::new();
    servers.spawn(receive(within(listener.accept()).await.unwrap()));
    let (before, _) = system::memory();
    for _ in 0..count {
        let mut client = open(&name).await;
        servers.spawn(receive(within(listener.accept()).await.unwrap()));
        attack(&mut client).await;
        clients.push(client);
    }
    // Turns of the driver, in which what was sent is read.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let (after, _) = system::memory();
    assert!(servers.try_join_next().is_none(), "a connection has ended");
    after.saturating_sub(before) / count
}

async fn receive(mut connection: Connection<PipeStream>) {
    while let Ok(Some(_)) = connection.receive().await {}
}

fn say(what: &str, bytes: usize) {
    println!("{what}: {:.1} KiB for each connection", bytes as f64 / 1024.0);
}

#[test]
fn a_silent_client_costs_a_read_buffer_and_a_task() {
    measured(async || {
        let bytes = cost(CONNECTIONS, async |_| {}).await;
        say("connects and is silent", bytes);
        assert!(bytes < 16 * 1024, "{bytes}");
    });
}

#[test]
fn an_announcement_costs_a_read_window_whatever_it_announces() {
    measured(async || {
        let bytes =
            cost(CONNECTIONS, async |client| client.write_all(&announcement()).unwrap()).await;
        say("announces 16 MiB and sends one byte", bytes);
        assert!(bytes < 16 * 1024, "{bytes}");
    });
}

#[test]
fn a_stalled_frame_costs_at_most_twice_what_was_sent_of_it() {
    measured(async || {
        const SENT: usize = 1024 * 1024;
        let part = vec![1; 32 * 1024];
        let bytes = cost(50, async |client| {
            client.write_all(&announcement()).unwrap();
            for _ in 0..SENT / part.len() {
                client.write_all(&part).unwrap();
                // The server reads on the same thread: the pipe holds 64 KiB.
                for _ in 0..8 {
                    tokio::task::yield_now().await;
                }
            }
        })
        .await;
        say("sends 1 MiB of 16 and stalls", bytes);
        assert!(bytes < 2 * SENT + 256 * 1024, "{bytes}");
    });
}

#[test]
fn clients_that_never_speak_cost_no_more_than_the_candidates_kept() {
    measured(async || {
        let name = unique_name();
        let options = ListenerOptions::new().handshake_timeout(Duration::from_secs(3600));
        let mut listener = options.bind(&name).unwrap();
        let handles = system::handles();
        let (before, _) = system::memory();
        let attack = async {
            let mut clients = Vec::new();
            for _ in 0..2 * CONNECTIONS {
                clients.push(open(&name).await);
            }
            // The last of them are taken up.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            clients
        };
        let clients = tokio::select! {
            biased;
            accepted = listener.accept() => panic!("{accepted:?}"),
            clients = within(attack) => clients,
        };
        let (after, _) = system::memory();
        let theirs = clients.len();
        let kept = system::handles() - handles - theirs;
        println!(
            "{theirs} clients that never speak, with a handshake timeout: {} KiB, {kept} handles",
            after.saturating_sub(before) / 1024
        );
        assert!(kept < 256 + 50, "{kept}");
    });
}
