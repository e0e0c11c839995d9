//! A hub: everybody hears what one says. A client that does not keep up is dropped, and delays
//! nobody.
//!
//! `cargo run --example chat -- hub parlour`; `chat -- join parlour Ada` in other windows

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use npipes::{
        ConnectOptions, Connection, ConnectionOptions, Error, ListenerOptions, PipeStream,
        frame::FrameFormat, text::TextEncoding,
    };
    use tokio::sync::{broadcast, mpsc};

    type Hub = broadcast::Sender<String>;
    const OPTIONS: ConnectionOptions = ConnectionOptions::new()
        .text_encoding(TextEncoding::Utf8)
        .format(FrameFormat::new().max_payload(16 * 1024));
    /// The longest name, and the longest text, in bytes: both fit into one message.
    const LONGEST: usize = 4 * 1024;
    /// Messages that the hub holds for its slowest client, for all of them together.
    const BACKLOG: usize = 1024;
    /// The time in which a client must make room for one message.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

    /// Serves one client. The first thing that it says is its name.
    async fn attend(connection: Connection<PipeStream>, hub: Hub) {
        let mut heard = hub.subscribe();
        let (mut to_client, mut from_client) = connection.split();
        let name = from_client.receive_text().await.ok().flatten();
        let Some(name) = name.filter(|name| name.len() <= LONGEST) else { return };
        let say = |text: String| _ = hub.send(text);
        println!("{name} is here");
        say(format!("{name} is here"));
        let talk = async {
            while let Some(text) = from_client.receive_text().await? {
                if text.len() > LONGEST {
                    return Ok("says too much at once");
                }
                say(format!("{name}: {text}"));
            }
            Ok("has left")
        };
        let listen = async {
            while let Ok(text) = heard.recv().await {
                match tokio::time::timeout(PATIENCE, to_client.send(text)).await {
                    Ok(sent) => sent?,
                    Err(_) => return Ok("is too slow and was dropped"),
                }
            }
            Ok("has missed something and was dropped")
        };
        let ended = tokio::select! { ended = talk => ended, ended = listen => ended };
        let why = ended.map_or_else(|e: Error| format!("was lost: {e}"), str::to_owned);
        println!("{name} {why}");
        say(format!("{name} {why}"));
    }

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(|argument| &**argument).collect::<Vec<_>>()[..] {
        ["hub", pipe] => {
            let mut listener = ListenerOptions::new().connection(OPTIONS).bind(pipe)?;
            println!("the hub is open");
            let hub = Hub::new(BACKLOG);
            loop {
                match listener.accept().await {
                    Ok(connection) => drop(tokio::spawn(attend(connection, hub.clone()))),
                    // The hub stays open: the next call goes on when the cause is gone.
                    Err(e) => eprintln!("{e}"),
                }
            }
        }
        ["join", pipe, name] => {
            let mut connection = ConnectOptions::new().connection(OPTIONS).connect(pipe).await?;
            connection.send_text(name).await?;
            // A thread of its own: a runtime waits at its end for a read of standard input.
            let (typed, mut lines) = mpsc::channel(1);
            std::thread::spawn(move || {
                let mut lines = std::io::stdin().lines().map_while(Result::ok);
                lines.try_for_each(|line| typed.blocking_send(line))
            });
            loop {
                tokio::select! {
                    line = lines.recv() => match line {
                        Some(line) => connection.send_text(&line).await?,
                        None => break println!("{:?}", connection.close().await?),
                    },
                    heard = connection.receive_text() => match heard? {
                        Some(text) => println!("{text}"),
                        None => return Err("the hub has dropped this client".into()),
                    },
                }
            }
        }
        _ => return Err("usage: chat hub <pipe>, or chat join <pipe> <your name>".into()),
    }
    Ok(())
}
