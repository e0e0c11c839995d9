//! A gateway between the pipes of a machine and the subjects of NATS: programs talk to programs of other
//! machines by the pipe of their own gateway.
//!
//! ```text
//! machine a                                                           machine b
//! client ── pipe `gate` ── gateway ── subject `pipes.b.orders` ── gateway ── pipe `orders` ── service
//! ```
//!
//! With a NATS server at 10.0.0.1, on each of the two machines, as the user that the service runs as:
//!
//! ```text
//! cargo run --manifest-path examples/nats/Cargo.toml -- 10.0.0.1:4222 a gate
//! cargo run --manifest-path examples/nats/Cargo.toml -- 10.0.0.1:4222 b gate orders=orders
//! ```
//!
//! A client on machine a connects to `gate`, sends `b.orders two coffees`, and receives `ok` and what the
//! service says, or `error` and the reason. The guide's chapter "Beyond one machine" says what of this
//! crate's promises holds on the way, and what does not.
//!
//! Here NATS knows nobody and encrypts nothing. Between real machines use `tls://` in the address, and
//! credentials: `ConnectOptions` has both.

mod inward;
mod outward;

use std::{error::Error, time::Duration};

use async_nats::{ConnectOptions, header::HeaderName};
use npipes::{Listener, PipeName};
use tokio::{signal, task::JoinSet};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn Error + Send + Sync>;

/// The time from a client's request to its answer. A service has less: `inward::PATIENCE`.
const PATIENCE: Duration = Duration::from_secs(5);

/// Requests that wait here for a service. Further ones are dropped, and their clients get no answer.
const BACKLOG: usize = 1024;

/// What headers may add to a message, in bytes: they count towards the longest one that NATS takes.
const HEADERS: usize = 1024;

/// In a request: the user who asks, as the gateway of his machine saw him.
const USER: HeaderName = HeaderName::from_static("npipes-user");

/// In an answer: why there is none.
const WHY_NOT: HeaderName = HeaderName::from_static("npipes-error");

fn subject(host: &str, service: &str) -> String {
    format!("pipes.{host}.{service}")
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, host, gate, services @ ..] = &arguments[..] else {
        return Err("usage: npipes-nats NATS-ADDRESS HOST PIPE [SERVICE=PIPE]...".into());
    };
    let nats = ConnectOptions::new()
        .name(host)
        .request_timeout(Some(PATIENCE))
        .subscription_capacity(BACKLOG)
        // It connects again by itself, for ever. Nothing else tells that it does, or that it drops requests.
        .event_callback(|event| async move { println!("nats: {event}") })
        .connect(address)
        .await?;

    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    for service in services {
        let (service, pipe) = service.split_once('=').ok_or("a service is SERVICE=PIPE")?;
        let requests = inward::subscribe(&nats, subject(host, service)).await?;
        tasks.spawn(inward::answer(nats.clone(), requests, PipeName::new(pipe)?, stop.clone()));
    }
    // NATS knows the subjects before the first client can be here.
    nats.flush().await?;
    let listener = Listener::bind(gate)?;
    println!("gateway of {host} at {}", listener.name());
    tasks.spawn(outward::serve(nats.clone(), listener, stop.clone()));

    tokio::select! {
        ended = signal::ctrl_c() => ended?,
        // Each of them goes on until it is stopped, unless it fails.
        ended = tasks.join_next() => ended.ok_or("nothing to do")???,
    }
    stop.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    // The last answers are written.
    nats.drain().await?;
    println!("closed");
    Ok(())
}
