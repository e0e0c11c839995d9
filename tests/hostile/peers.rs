//! Honest clients among hostile ones.

use std::{io::Write, time::Duration};

use npipes::{
    ConnectOptions, Connection, Error, Listener, PipeStream,
    frame::{FrameError, FrameFormat},
};
use tokio::task::JoinSet;

use crate::{
    plain::{self, Plain},
    process::measured,
    support::{pattern, unique_name},
    system,
};

const HOSTILE: usize = 500;
const HONEST: usize = 50;
const MESSAGES: usize = 10_000;

/// What the process may use for all of them together, in bytes: 20 KiB for each of 1,550
/// connections, which is what one costs that has announced a frame and waits, and nothing for the
/// 8 GB announced.
const BOUND: usize = 32 * 1024 * 1024;

/// How one connection ended for the server.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ends {
    at_a_boundary: usize,
    inside_a_frame: usize,
    not_a_frame: usize,
    other: Vec<String>,
}

/// Echoes until the peer is gone or at fault.
async fn serve(mut connection: Connection<PipeStream>) -> Result<(), Error> {
    while let Some(message) = connection.receive().await? {
        connection.send(message).await?;
    }
    Ok(())
}

/// Opens the client's end without buffers or a runtime, so that what is measured is the server's.
pub(crate) async fn open(name: &str) -> Plain {
    loop {
        match plain::open(name) {
            Ok(client) => return client,
            Err(e) if plain::is_busy(&e) => tokio::task::yield_now().await,
            Err(e) => panic!("{e}"),
        }
    }
}

/// A header that announces the most that the receiver allows, and one byte of what it announces.
pub(crate) fn announcement() -> [u8; 9] {
    let len = FrameFormat::DEFAULT_MAX_PAYLOAD;
    let [a, b, c, d] = (len + 12).to_le_bytes();
    let [e, f, g, h] = len.to_le_bytes();
    [a, b, c, d, e, f, g, h, b'!']
}

async fn honest(name: String, seed: usize) -> usize {
    // Hundreds of hostile clients try again without a pause, for longer than the default deadline. The
    // whole test has one.
    let patient = ConnectOptions::new().timeout(Duration::MAX);
    let mut connection = patient.connect(&name).await.unwrap();
    for number in 0..MESSAGES / HONEST {
        let message = pattern(64 + number * 13, (seed * MESSAGES + number) as u64);
        connection.send(message.clone()).await.unwrap();
        let echo = connection.receive().await.unwrap().unwrap();
        assert!(echo == message[..], "message {number} of client {seed}");
    }
    MESSAGES / HONEST
}

#[test]
fn honest_clients_do_not_notice_hostile_ones() {
    measured(async || {
        let name = unique_name();
        let mut listener = Listener::bind(&name).unwrap();
        let (before, _) = system::memory();

        let server = async {
            let mut connections = JoinSet::new();
            let mut ends = Ends::default();
            for _ in 0..3 * HOSTILE + HONEST {
                connections.spawn(serve(listener.accept().await.unwrap()));
            }
            while let Some(end) = connections.join_next().await {
                match end.expect("a connection's task panicked") {
                    Ok(()) => ends.at_a_boundary += 1,
                    Err(Error::Frame(FrameError::Truncated { .. })) => ends.inside_a_frame += 1,
                    Err(Error::Frame(
                        FrameError::LengthMismatch { .. } | FrameError::TooLarge { .. },
                    )) => ends.not_a_frame += 1,
                    Err(e) => ends.other.push(e.to_string()),
                }
            }
            ends
        };

        let clients = async {
            let mut hostile = JoinSet::new();
            let mut honest_ones = JoinSet::new();
            for number in 0..HOSTILE {
                let target = name.clone();
                hostile.spawn(async move {
                    let mut announcing = open(&target).await;
                    announcing.write_all(&announcement()).unwrap();
                    let mut talking_nonsense = open(&target).await;
                    // No pattern here begins with two lengths that fit each other.
                    talking_nonsense.write_all(&pattern(4096, number as u64 + 1)).unwrap();
                    drop(open(&target).await);
                    (announcing, talking_nonsense)
                });
                if number % (HOSTILE / HONEST) == 0 {
                    honest_ones.spawn(honest(name.clone(), number));
                }
            }
            let mut arrived = 0;
            while let Some(count) = honest_ones.join_next().await {
                arrived += count.unwrap();
            }
            // They stayed until now.
            let (in_use, peak) = system::memory();
            assert_eq!(hostile.join_all().await.len(), HOSTILE);
            (arrived, in_use, peak)
        };

        let deadline = Duration::from_secs(300);
        let both = async { tokio::join!(server, clients) };
        let (ends, (arrived, in_use, peak)) = tokio::time::timeout(deadline, both).await.unwrap();
        assert_eq!(arrived, MESSAGES);
        let expected = Ends {
            at_a_boundary: HONEST + HOSTILE,
            inside_a_frame: HOSTILE,
            not_a_frame: HOSTILE,
            other: Vec::new(),
        };
        assert_eq!(ends, expected);
        println!(
            "{arrived} honest messages among {} hostile connections: {} KiB more in use, {} KiB at the peak",
            3 * HOSTILE,
            in_use.saturating_sub(before) / 1024,
            peak.saturating_sub(before) / 1024
        );
        assert!(peak - before < BOUND, "{before} bytes before, {peak} at the peak");
    });
}
