//! Values instead of bytes: JSON with tokio-serde, over a `Connection`.
//!
//! `cargo run --example typed_json`
//!
//! Both libraries' errors convert into `io::Error`. For a message that is not a `Request`, the
//! client gets an answer, and the connection stays open.

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    use std::io;

    use bytes::Bytes;
    use futures::{SinkExt, TryStreamExt};
    use npipes::{Connection, Listener, PipeStream, connect};
    use serde::{Deserialize, Serialize};
    use tokio_serde::{Framed, formats::Json};

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(tag = "do", rename_all = "lowercase")]
    enum Request {
        Order { item: String, count: u32 },
        Total,
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Reply {
        Accepted { number: usize },
        Total { count: u32 },
        Refused { because: String },
    }

    async fn serve(connection: Connection<PipeStream>) -> io::Result<()> {
        let transport = connection.sink_err_into::<io::Error>().err_into::<io::Error>();
        let mut requests = Framed::new(transport, Json::<Request, Reply>::default());
        let mut orders = Vec::new();
        loop {
            let reply = match requests.try_next().await {
                Ok(None) => return Ok(()),
                Ok(Some(Request::Order { item, count })) => {
                    orders.push((item, count));
                    Reply::Accepted { number: orders.len() }
                }
                Ok(Some(Request::Total)) => {
                    Reply::Total { count: orders.iter().map(|(_, count)| count).sum() }
                }
                // If the connection itself is broken, sending says so.
                Err(e) => Reply::Refused { because: e.to_string() },
            };
            requests.send(reply).await?;
        }
    }

    let name = format!("npipes-typed-json-{}", std::process::id());
    let mut listener = Listener::bind(&name)?;
    let server = tokio::spawn(async move { serve(listener.accept().await?).await });

    let transport = connect(&name).await?.sink_err_into::<io::Error>().err_into::<io::Error>();
    let mut replies = Framed::new(transport, Json::<Reply, Request>::default());
    for request in [
        Request::Order { item: "coffee".to_owned(), count: 2 },
        Request::Order { item: "tea".to_owned(), count: 1 },
        Request::Total,
    ] {
        println!("request: {request:?}");
        replies.send(request).await?;
        println!("reply:   {:?}", replies.try_next().await?);
    }
    println!("request: not JSON");
    replies.get_mut().send(Bytes::from("two coffees")).await?;
    println!("reply:   {:?}", replies.try_next().await?);

    replies.close().await?;
    drop(replies);
    server.await?
}
