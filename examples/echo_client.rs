//! Sends its arguments, or the lines of its standard input, and prints what comes back.
//!
//! `cargo run --example echo_client -- orders "two coffees" "one tea"`

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_else(|| "npipes-echo".to_owned());
    let mut messages = args.collect::<Vec<_>>();
    if messages.is_empty() {
        messages = std::io::stdin().lines().collect::<Result<_, _>>()?;
    }

    let mut connection = npipes::connect(name).await?;
    for message in messages {
        connection.send(message).await?;
        let echo = connection.receive().await?.ok_or("the server closed the connection")?;
        println!("{}", String::from_utf8_lossy(&echo));
    }
    Ok(())
}
