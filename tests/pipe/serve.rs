//! Serving on a real pipe.

use npipes::{Connection, Error, Listener, PipeStream, connect};
use tokio_util::sync::CancellationToken;

use crate::support::{unique_name, within};

#[tokio::test]
async fn after_shutdown_the_name_is_free_again() {
    let name = unique_name();
    let shutdown = CancellationToken::new();
    for _ in 0..3 {
        let shutdown = shutdown.child_token();
        let listener = Listener::bind(&name).unwrap();
        let handler = |mut connection: Connection<PipeStream>, _| async move {
            let message = connection.receive().await?.ok_or(Error::Closed)?;
            connection.send(message).await?;
            Ok(connection)
        };
        let served = npipes::serve(listener, shutdown.clone(), handler);
        let client = async {
            let mut client = within(connect(&name)).await.unwrap();
            within(client.send("a")).await.unwrap();
            assert_eq!(within(client.receive()).await.unwrap().unwrap(), b"a"[..]);
            shutdown.cancel();
        };
        let (served, ()) = within(futures::future::join(served, client)).await;
        assert_eq!(served.accepted, 1);
        within(connect(&name)).await.unwrap_err();
    }
}
