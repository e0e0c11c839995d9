//! The same rounds again and again: what every round leaves behind adds up to nothing.
//!
//! A few seconds by default. `NPIPES_SOAK_SECONDS=3600 cargo test --test soak -- --nocapture` for an hour,
//! with a line about every tenth of the time.
#![cfg(any(windows, target_os = "linux"))]
#![allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a test that meets an impossible value is to panic"
)]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/counting.rs"]
mod counting;
mod support;
#[cfg(target_os = "linux")]
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/linux.rs"]
mod system;
#[cfg(windows)]
#[expect(dead_code, reason = "other tests use the rest")]
#[allow(unsafe_code)]
#[path = "hostile/windows.rs"]
mod system;

use std::{
    env,
    pin::pin,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use futures::poll;
use npipes::{
    Connection, ConnectionOptions, DrainOutcome, Error, Listener, ListenerOptions, PipeStream,
    connect,
};
use tokio::runtime;

use crate::support::{pattern, unique_name, within};

/// How long the rounds before the first count go on: until then buffers, threads and handles are made
/// that stay.
const WARM_UP: u32 = 30;

/// What may be held beyond the first count, whatever the number of rounds: a connection whose end the
/// runtime has not seen yet, and the thread pools of the system.
const HANDLES: usize = 40;
const BYTES: usize = 512 * 1024;
const MEMORY: usize = 32 * 1024 * 1024;

#[derive(Debug, Clone, Copy)]
struct Kept {
    handles: usize,
    bytes: usize,
    memory: usize,
}

fn kept() -> Kept {
    let (memory, _) = system::memory();
    Kept { handles: system::handles(), bytes: counting::held(), memory }
}

fn seconds() -> u64 {
    env::var("NPIPES_SOAK_SECONDS").map_or(3, |seconds| seconds.parse().unwrap())
}

/// Sends small messages until one waits for room. Returns how many were sent before it.
async fn fill(connection: &mut Connection<PipeStream>) -> u64 {
    for index in 0.. {
        let mut send = pin!(connection.send(pattern(2_000, index)));
        let mut is_sent = false;
        // A task that has used up its budget has to wait too, and not for room.
        for _ in 0..3 {
            is_sent = is_sent || poll!(&mut send).is_ready();
            tokio::task::yield_now().await;
        }
        if !is_sent {
            return index;
        }
    }
    unreachable!("no pipe has so much room")
}

/// How a round ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Close,
    ReadAndClose,
    Drop,
    Abort,
    PeerLeaves,
    PeerAborts,
}

const ENDS: [End; 6] =
    [End::Close, End::ReadAndClose, End::Drop, End::Abort, End::PeerLeaves, End::PeerAborts];

/// Exchanges messages, and ends with a write that waits, unless the connection is closed.
async fn round(listener: &mut Listener, end: End, server_first: bool) {
    let client = within(connect(listener.name())).await.unwrap();
    let server = within(listener.accept()).await.unwrap();
    let (mut near, mut far) = if server_first { (server, client) } else { (client, server) };
    for (index, len) in [0, 1, 4_084, 16_372, 16_373, 70_000].into_iter().enumerate() {
        let message = Bytes::from(pattern(len, index as u64));
        let (sent, received) =
            tokio::join!(within(near.send(message.clone())), within(far.receive()));
        sent.unwrap();
        assert!(received.unwrap().unwrap() == message, "{len}");
        let (sent, received) =
            tokio::join!(within(far.send(message.clone())), within(near.receive()));
        sent.unwrap();
        assert!(received.unwrap().unwrap() == message, "{len}");
    }
    match end {
        End::Close => {
            let (near, far) = tokio::join!(within(near.close()), within(far.receive()));
            assert_eq!(near.unwrap(), DrainOutcome::Drained);
            assert!(far.unwrap().is_none());
        }
        End::ReadAndClose => {
            let sent = fill(&mut near).await;
            for index in 0..sent {
                let message = within(far.receive()).await.unwrap().unwrap();
                assert!(message == pattern(2_000, index), "{index}");
            }
            let (closed, end) = tokio::join!(within(near.close()), end_of(&mut far));
            assert_eq!(closed.unwrap(), DrainOutcome::Drained);
            assert!(end.unwrap().is_none());
        }
        End::Drop => {
            fill(&mut near).await;
            drop(near);
            drop(far);
        }
        End::Abort => {
            fill(&mut near).await;
            near.abort();
            assert!(!matches!(end_of(&mut far).await, Ok(Some(_))));
        }
        End::PeerLeaves => {
            fill(&mut near).await;
            drop(far);
            while within(near.send("more")).await.is_ok() {}
        }
        End::PeerAborts => {
            fill(&mut near).await;
            far.abort();
            while within(near.send("more")).await.is_ok() {}
        }
    }
}

/// Reads what is left, and returns what comes after it.
async fn end_of(connection: &mut Connection<PipeStream>) -> Result<Option<BytesMut>, Error> {
    loop {
        match within(connection.receive()).await {
            Ok(Some(_)) => {}
            end => return end,
        }
    }
}

#[test]
fn rounds_that_end_in_every_way_leave_nothing_behind() {
    let until = Instant::now() + Duration::from_secs(seconds());
    let each = Duration::from_secs(seconds()) / 10;
    let mut next_line = Instant::now();
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = ConnectionOptions::new().linger(Duration::from_millis(10));
        let mut listener = ListenerOptions::new().connection(options).bind(unique_name()).unwrap();
        let mut first = None;
        let mut rounds = 0_u32;
        while rounds < 2 * WARM_UP || Instant::now() < until {
            for end in ENDS {
                for server_first in [true, false] {
                    round(&mut listener, end, server_first).await;
                }
            }
            rounds += 1;
            if rounds < WARM_UP {
                continue;
            }
            let first = *first.get_or_insert_with(kept);
            let mut now = kept();
            // A dropped write has its linger time, and the runtime sees ends a little later.
            let patience = Instant::now() + Duration::from_secs(20);
            while now.handles > first.handles + HANDLES && Instant::now() < patience {
                tokio::task::yield_now().await;
                now = kept();
            }
            assert!(now.handles <= first.handles + HANDLES, "{rounds} rounds: {first:?} {now:?}");
            assert!(now.bytes <= first.bytes + BYTES, "{rounds} rounds: {first:?} {now:?}");
            assert!(now.memory <= first.memory + MEMORY, "{rounds} rounds: {first:?} {now:?}");
            if Instant::now() >= next_line {
                next_line = Instant::now() + each;
                println!("{rounds} rounds of {}: {now:?}", 2 * ENDS.len());
            }
        }
    });
}
