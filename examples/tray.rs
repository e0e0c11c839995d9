//! What sits behind a tray icon: it shows whether the service is there and what it says, sends what
//! is clicked, and outlives any restart of the service.
//!
//! `cargo run --example tray -- orders`, with `cargo run --example service -- orders` started
//! before, after, or again. Each line of standard input is a click.

#[cfg(not(windows))]
fn main() {
    eprintln!("named pipes exist on Windows only: try scripts/on-wine cargo run --example tray");
    std::process::exit(1);
}

#[cfg(windows)]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), npipes::Error> {
    use std::time::Duration;

    use npipes::{Backoff, Client, ClientOptions, ClientState, Connector, Error};
    use tokio::sync::mpsc;

    fn show_lost(client: &mut Client<Connector>) {
        for click in client.take_returned() {
            println!("click {} may not have been heard: {:?}", click.id, click.fate);
        }
    }

    let name = std::env::args().nth(1).unwrap_or_else(|| "npipes-service".to_owned());
    // Nobody looks at an icon more often than every few seconds.
    let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    let options = ClientOptions::new().backoff(backoff);
    let mut client = Client::with_options(Connector::new(name)?, &options)
        // A new connection knows nothing of what the last one had subscribed to.
        .on_connect(|connection| Box::pin(async { connection.send("status, please").await }));

    let mut states = client.watch();
    tokio::spawn(async move {
        let mut offline = false;
        while states.changed().await.is_ok() {
            match *states.borrow_and_update() {
                ClientState::Connected { session } => {
                    offline = false;
                    println!("icon: green, session {session}");
                }
                ClientState::Connecting { .. } if !offline => {
                    offline = true;
                    println!("icon: grey, connecting");
                }
                _ => {}
            }
        }
    });

    // A thread of its own: a runtime waits at its end for a read of standard input.
    let (clicked, mut clicks) = mpsc::channel(1);
    std::thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).try_for_each(|c| clicked.blocking_send(c))
    });

    loop {
        // Waiting for a message also keeps the connection alive, and sends what was fed.
        let outcome = tokio::select! {
            message = client.receive() => message.map(|message| {
                println!("says: {}", String::from_utf8_lossy(&message.unwrap_or_default()));
            }),
            click = clicks.recv() => match click {
                Some(click) => loop {
                    match client.feed(click.clone()).await {
                        // That is about others. This one was not accepted.
                        Err(Error::Returned { .. }) => show_lost(&mut client),
                        outcome => break outcome.map(|id| println!("click {id} accepted")),
                    }
                },
                None => break,
            },
        };
        match outcome {
            Ok(()) => {}
            Err(Error::Returned { .. }) => show_lost(&mut client),
            // One bad message. The client goes on, or has connected anew.
            Err(e @ Error::Frame(_)) => println!("icon: yellow, {e}"),
            Err(e) => return Err(e),
        }
    }
    let settlement = client.close().await;
    println!("closed: {:?}, {} clicks lost", settlement.closed, settlement.returned.len());
    Ok(())
}
