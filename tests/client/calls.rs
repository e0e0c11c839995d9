//! Remote procedure calls by tarpc over a client that reconnects.

use std::time::{Duration, Instant};

use futures::StreamExt;
use npipes::{Client, Connection, client::ClientOptions, retry::Backoff};
use tarpc::{
    client, context,
    server::{BaseChannel, Channel},
};
use tokio_serde::{Framed, formats::MessagePack};

use crate::{
    kitchen::{Cook, Kitchen, KitchenClient},
    support::within,
    wire::{Far, Script, Step, wire},
};

/// Serves calls on one connection, until the task is aborted: a server that dies.
fn serve(far: Far) -> tokio::task::JoinHandle<()> {
    let transport = Framed::new(Connection::new(far), MessagePack::default());
    let requests = BaseChannel::with_defaults(transport).execute(Cook.serve());
    tokio::spawn(requests.for_each_concurrent(None, |request| request))
}

#[tokio::test]
async fn a_call_is_lost_with_its_server_and_the_next_one_answered_by_another() {
    let (first, far) = wire(4096);
    let (second, far_second) = wire(4096);
    let script = Script::of([Step::Give(first), Step::Give(second)]);
    let millis = Duration::from_millis(1);
    let options = ClientOptions::new().backoff(Backoff::new(millis, millis));
    let (client, inbox) = Client::builder(script).options(options).spawn();
    // Calls have deadlines of their own, and a transport that fails would end them all.
    let duplex = client.duplex(inbox).without_reports();
    let transport = Framed::new(duplex, MessagePack::default());
    let kitchen = KitchenClient::new(client::Config::default(), transport).spawn();

    let server = serve(far);
    let answer = within(kitchen.cook(context::current(), "soup".to_owned())).await;
    assert_eq!(answer.unwrap(), "soup: ready");
    server.abort();
    assert!(within(server).await.unwrap_err().is_cancelled());
    let _server = serve(far_second);
    // One that was on its way is lost, and nobody waits for it longer than its deadline.
    loop {
        let mut soon = context::current();
        soon.deadline = Instant::now() + Duration::from_secs(5);
        match within(kitchen.cook(soon, "pie".to_owned())).await {
            Ok(answer) => break assert_eq!(answer, "pie: ready"),
            Err(client::RpcError::DeadlineExceeded) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}
