//! The process that sends, closes, and ends.

use std::{
    io::{Read, stdin},
    time::{Duration, Instant},
};

use npipes::{ConnectOptions, Connection, ConnectionOptions, DrainOutcome, ListenerOptions};
use tokio::{io::AsyncWriteExt, runtime::Builder};

use crate::support::{pattern, within};

/// Does what `Scenario::words` says, and prints what a reader has to know.
#[expect(clippy::exit, reason = "this is what is tested")]
pub(crate) fn send(words: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    let &[pipe, role, flavor, payload, manner, ending, deadline] = &words[..] else {
        panic!("not a scenario: {words:?}");
    };
    let deadline = Duration::from_millis(deadline.parse().unwrap());
    let options = ConnectionOptions::new().close_timeout(deadline);
    let payload = pattern(payload.parse().unwrap(), 1);
    let runtime = match flavor {
        "CurrentThread" => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
    };
    let runtime = runtime.unwrap();
    runtime.block_on(async {
        let mut connection = match role {
            "Server" => {
                let mut listener =
                    ListenerOptions::new().connection(options.clone()).bind(pipe).unwrap();
                println!("ready");
                within(listener.accept()).await.unwrap()
            }
            _ => {
                let options = ConnectOptions::new().connection(options.clone());
                let connection = within(options.connect(pipe)).await.unwrap();
                println!("ready");
                connection
            }
        };
        if manner == "Write" {
            let mut stream = connection.into_inner();
            within(stream.write_all(&frame(&payload))).await.unwrap();
            connection = Connection::with_transport(stream, &options);
        } else {
            within(connection.feed(payload)).await.unwrap();
        }
        let start = Instant::now();
        let closed = within(connection.close()).await.unwrap();
        let outcome = match closed {
            DrainOutcome::Drained => "drained",
            DrainOutcome::TimedOut { .. } => "timed out",
            DrainOutcome::PeerGone => "peer gone",
            _ => "flushed",
        };
        println!("{outcome} after {}", start.elapsed().as_millis());
        if ending == "Exits" {
            std::process::exit(0);
        }
    });
    if ending == "DropsTheRuntime" {
        drop(runtime);
        // Until the reader has seen the end.
        let _ = stdin().read(&mut [0]);
    }
}

/// A header, `payload`, and no checksum.
fn frame(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap();
    [&(len + 12).to_le_bytes(), &len.to_le_bytes(), payload, &[0; 4]].concat()
}
