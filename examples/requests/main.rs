//! Requests and answers over one connection: each request has an id and a deadline, several are under
//! way at once, and each is answered as soon as its answer is there.
//!
//! `cargo run --example requests`
//!
//! If both ends are in Rust, use tarpc: the example `tarpc` does all of this with less code. This one is
//! for a peer in another language, or for a protocol that is given: `client.rs` and `server.rs` are to
//! be copied, and `message.rs` is what the other language has to speak.

mod client;
mod message;
mod server;

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use npipes::{Listener, connect};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::client::{AskError, Requests};

const SOON: Duration = Duration::from_millis(100);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Kitchen {
    bread_is_out: Notify,
    oven_is_open: Notify,
    roast_is_on: Notify,
}

impl Kitchen {
    async fn cook(self: Arc<Self>, dish: BytesMut, cancelled: CancellationToken) -> Option<Bytes> {
        match &dish[..] {
            b"bread" => self.bread_is_out.notify_one(),
            // Served with bread only, so the answers are in another order than the requests.
            b"soup" => self.bread_is_out.notified().await,
            // Nobody can stop a cake that is in the oven.
            b"cake" => self.oven_is_open.notified().await,
            b"open the oven" => self.oven_is_open.notify_one(),
            b"roast" => {
                self.roast_is_on.notify_one();
                cancelled.cancelled().await;
                println!("kitchen: the roast is called off");
                return None;
            }
            _ => return Some(Bytes::from("there is no such dish")),
        }
        Some(dish.freeze())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = format!("npipes-requests-{}", std::process::id());
    let mut listener = Listener::bind(&name)?;
    let kitchen = Arc::new(Kitchen::default());
    let cook = Arc::clone(&kitchen);
    let server = tokio::spawn(async move {
        let connection = listener.accept().await?;
        server::serve(connection, |dish, cancelled| Arc::clone(&cook).cook(dish, cancelled)).await
    });
    let requests = Requests::over(connect(&name).await?);

    let together = ["soup", "bread"].map(|dish| {
        let requests = requests.clone();
        tokio::spawn(async move {
            let answer = requests.ask(dish, MINUTE).await?;
            println!("served:  {}", String::from_utf8_lossy(&answer));
            Ok::<_, AskError>(())
        })
    });
    for task in together {
        task.await??;
    }

    println!("cake:    {:?}", requests.ask("cake", SOON).await);
    println!("oven:    {:?}", requests.ask("open the oven", MINUTE).await);
    requests.settled().await;
    println!("the cake came late: {} answer was dropped", requests.dropped());

    tokio::select! {
        roast = requests.ask("roast", MINUTE) => println!("roast: {roast:?}"),
        () = kitchen.roast_is_on.notified() => println!("nobody waits for the roast"),
    }
    requests.settled().await;

    let alone = requests.clone();
    let waiting = tokio::spawn(async move { alone.ask("soup", MINUTE).await });
    println!("unknown: {:?}", requests.ask("pizza", MINUTE).await);
    server.abort();
    println!("the kitchen has burnt down: {:?}", waiting.await?);
    println!("and later: {:?}", requests.ask("bread", MINUTE).await);
    Ok(())
}
