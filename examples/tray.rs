//! The client behind a tray icon. It shows whether the service is there and what the service says,
//! sends what is clicked, and keeps working through any restart of the service.
//!
//! `cargo run --example tray -- orders`, with `cargo run --example service -- orders` started
//! before, after, or again. Each line of standard input is a click.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), npipes::Error> {
    use npipes::{Client, client::ClientState, pipe::Connector};

    let name = std::env::args().nth(1).unwrap_or_else(|| "npipes-service".to_owned());
    let (client, mut inbox) = Client::builder(Connector::new(name)?)
        // A new connection knows nothing of what the last one had subscribed to.
        .on_connect(|connection| Box::pin(async { Ok(connection.send("status, please").await?) }))
        .spawn();

    // A thread of its own: a runtime waits at its end for a read of standard input.
    let (clicked, mut clicks) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).try_for_each(|c| clicked.blocking_send(c))
    });

    let mut state = client.watch();
    let mut online = true;
    loop {
        tokio::select! {
            message = inbox.receive() => match message {
                Ok(Some(message)) => println!("says: {}", String::from_utf8_lossy(&message)),
                Ok(None) => break,
                Err(e) => println!("icon: yellow, {e}"),
            },
            Some(()) = async { state.changed().await.ok() } => match *state.borrow_and_update() {
                ClientState::Connected { session } => {
                    online = true;
                    println!("icon: green, session {session}");
                }
                _ if std::mem::take(&mut online) => println!("icon: grey"),
                _ => {}
            },
            click = clicks.recv() => match click {
                Some(click) => println!("click {} accepted", client.send(click).await?.id()),
                None => break,
            },
        }
    }
    let settlement = client.close().await;
    println!("closed: {:?}, {} clicks lost", settlement.closed, settlement.returned.len());
    Ok(())
}
