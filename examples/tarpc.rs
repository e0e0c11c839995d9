//! Remote procedure calls with tarpc: calls that overlap, one that is late, and one that is
//! cancelled.
//!
//! `cargo run --example tarpc`
//!
//! A tarpc transport is a stream and a sink of values. tokio-serde makes one of a `Connection`.

#[tarpc::service]
trait Kitchen {
    /// Returns when the dish is ready.
    async fn cook(dish: String) -> String;
    /// Never returns.
    async fn roast_for_ever();
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    use futures::{StreamExt, future::try_join_all};
    use npipes::{Error, Listener, connect};
    use tarpc::{
        client,
        context::{self, Context},
        server::{BaseChannel, Channel},
    };
    use tokio::sync::{Barrier, Notify};
    use tokio_serde::{Framed, formats::MessagePack};
    use tokio_util::sync::CancellationToken;

    #[derive(Clone)]
    struct Cook {
        /// Three cooks, each waiting for the others: none is done unless all are at work at once.
        at_work: Arc<Barrier>,
        oven_on: Arc<Notify>,
        oven_off: CancellationToken,
    }

    impl Kitchen for Cook {
        async fn cook(self, _: Context, dish: String) -> String {
            self.at_work.wait().await;
            format!("{dish}: ready")
        }

        async fn roast_for_ever(self, _: Context) {
            // Dropped with this future, which is dropped when the caller gives up.
            let _off = self.oven_off.drop_guard();
            self.oven_on.notify_one();
            std::future::pending::<()>().await;
        }
    }

    let name = format!("npipes-tarpc-{}", std::process::id());
    let mut listener = Listener::bind(&name)?;
    let (oven_on, oven_off) = (Arc::new(Notify::new()), CancellationToken::new());
    let at_work = Arc::new(Barrier::new(3));
    let cook = Cook { at_work, oven_on: oven_on.clone(), oven_off: oven_off.clone() };
    let server = tokio::spawn(async move {
        let transport = Framed::new(listener.accept().await?, MessagePack::default());
        let requests = BaseChannel::with_defaults(transport).execute(cook.serve());
        // All requests at once: none waits for another.
        requests.for_each_concurrent(None, |request| request).await;
        Ok::<_, Error>(())
    });

    let transport = Framed::new(connect(&name).await?, MessagePack::default());
    let kitchen = KitchenClient::new(client::Config::default(), transport).spawn();

    let dishes = ["soup", "pie", "tart"].map(|dish| kitchen.cook(context::current(), dish.into()));
    for answer in try_join_all(dishes).await? {
        println!("{answer}");
    }

    let mut soon = context::current();
    soon.deadline = Instant::now() + Duration::from_millis(100);
    println!("alone: {:?}", kitchen.cook(soon, "cake".into()).await);

    tokio::select! {
        roast = kitchen.roast_for_ever(context::current()) => roast?,
        () = oven_on.notified() => {}
    }
    oven_off.cancelled().await;
    println!("the roast is called off, and the oven is off");

    drop(kitchen);
    server.await??;
    Ok(())
}
