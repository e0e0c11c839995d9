//! Sends back what it receives, for any number of clients at once, until it is interrupted.
//!
//! `cargo run --example echo_server -- orders`, then `echo_client` in another window

#[tokio::main]
async fn main() -> Result<(), npipes::Error> {
    use npipes::Listener;

    let name = std::env::args().nth(1).unwrap_or_else(|| "npipes-echo".to_owned());
    let mut listener = Listener::bind(name)?;
    println!("listening on {}", listener.name());
    loop {
        let mut connection = match listener.accept().await {
            Ok(connection) => connection,
            // No client is lost, and the next call goes on when the cause is gone.
            Err(e) => {
                eprintln!("{e}");
                continue;
            }
        };
        tokio::spawn(async move {
            let mut count = 0;
            let ended = loop {
                match connection.receive().await {
                    Ok(Some(message)) => {
                        count += 1;
                        if let Err(e) = connection.send(message).await {
                            break Err(e);
                        }
                    }
                    Ok(None) => break Ok(()),
                    Err(e) => break Err(e),
                }
            };
            println!("a client left after {count} messages: {ended:?}");
        });
    }
}
