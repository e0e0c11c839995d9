//! This crate's peer of the interop tests: echoes messages, or sends them and compares what comes
//! back. The other peers, in `tests/interop/peers`, have the same command line.
//!
//! `interop_peer server byte|message <pipe name> [connections]`
//! `interop_peer client byte|message <pipe name>`
//!
//! The server accepts every dialect and answers in the client's. "message" makes a message-type
//! pipe, which only Windows has. Exit codes: 0, 1 after a failure, 64 for a wrong command line, 69
//! for "message" on another system.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["server" | "client", "message", ..] if cfg!(unix) => {
            eprintln!("only Windows has message-type pipes, here every pipe is a stream of bytes");
            std::process::exit(69);
        }
        ["server", kind @ ("byte" | "message"), name] => {
            peer::serve(name, peer::pipe_of(kind), 1).await
        }
        ["server", kind @ ("byte" | "message"), name, count] => match count.parse() {
            Ok(count) => peer::serve(name, peer::pipe_of(kind), count).await,
            Err(e) => Err(format!("{count}: {e}").into()),
        },
        ["client", "byte" | "message", name] => peer::call(name).await,
        _ => {
            eprintln!("usage: interop_peer server|client byte|message <pipe name> [connections]");
            std::process::exit(64);
        }
    };
    if let Err(error) = outcome {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

mod peer {
    use std::time::{Duration, Instant};

    #[cfg(windows)]
    use npipes::pipe::PipeType;
    use npipes::{
        Connection, ConnectionOptions, DrainOutcome, Error, ListenerOptions, PipeStream, connect,
        connection::ReceiveHalf, frame::FrameFormat,
    };

    /// None, few, and around 4 KiB and 64 KiB, which a payload or a whole frame (12 more) can meet.
    const SIZES: [u32; 16] = [
        0,
        1,
        63,
        64,
        4083,
        4084,
        4085,
        4096,
        4097,
        65523,
        65524,
        65525,
        65536,
        65537,
        65548,
        1 << 20,
    ];

    type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

    #[cfg(windows)]
    pub(crate) fn pipe_of(kind: &str) -> ListenerOptions {
        let pipe_type = if kind == "message" { PipeType::Message } else { PipeType::Byte };
        ListenerOptions::new().pipe_type(pipe_type)
    }

    #[cfg(unix)]
    pub(crate) fn pipe_of(_: &str) -> ListenerOptions {
        ListenerOptions::new()
    }

    pub(crate) async fn serve(
        name: &str,
        options: ListenerOptions,
        connections: usize,
    ) -> Outcome<()> {
        let detecting = ConnectionOptions::new().format(FrameFormat::new().detect_dialect(true));
        let mut listener = options.connection(detecting).bind(name)?;
        println!("listening");
        let mut sessions = Vec::new();
        for _ in 0..connections {
            sessions.push(tokio::spawn(echo(listener.accept().await?)));
        }
        let mut messages = 0;
        for session in sessions {
            messages += session.await??;
        }
        println!("served {connections} connections, {messages} messages");
        Ok(())
    }

    async fn echo(mut connection: Connection<PipeStream>) -> Result<usize, Error> {
        let mut messages = 0;
        while let Some(message) = connection.receive().await? {
            connection.send(message).await?;
            messages += 1;
        }
        Ok(messages)
    }

    pub(crate) async fn call(name: &str) -> Outcome<()> {
        let mut connection = connect_within(Duration::from_secs(20), name).await?;
        let mut messages = 0;
        for size in SIZES {
            connection.send(message(size)).await?;
            compare(size, connection.receive().await?)?;
            messages += 1;
        }
        let (mut send, mut receive) = connection.split();
        let sending = async {
            for size in SIZES {
                send.feed(message(size)).await?;
            }
            Ok(send.flush().await?)
        };
        let (_, echoes): ((), usize) = tokio::try_join!(sending, hear(&mut receive))?;
        messages += echoes;
        match send.reunite(receive).close().await? {
            // On some systems a close cannot tell; but all echoes have come.
            DrainOutcome::Drained | DrainOutcome::Flushed => println!("ok {messages} messages"),
            other => return Err(format!("the server has not read everything: {other:?}").into()),
        }
        Ok(())
    }

    async fn hear(receive: &mut ReceiveHalf<PipeStream>) -> Outcome<usize> {
        for size in SIZES {
            compare(size, receive.receive().await?)?;
        }
        Ok(SIZES.len())
    }

    /// Waits for the pipe to appear, and to have a free instance.
    async fn connect_within(
        patience: Duration,
        name: &str,
    ) -> Result<Connection<PipeStream>, Error> {
        let start = Instant::now();
        loop {
            match connect(name).await {
                Err(Error::Connect(e))
                    if e.attempts.not_found > 0 && start.elapsed() < patience => {}
                outcome => return outcome,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Byte i of the message of n bytes is the top byte of (i + n) * 2654435761 modulo 2^32.
    fn message(n: u32) -> Vec<u8> {
        (0..n).map(|i| (i + n).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
    }

    fn compare(size: u32, received: Option<impl AsRef<[u8]>>) -> Outcome<()> {
        match received {
            Some(echo) if echo.as_ref() == message(size) => Ok(()),
            Some(echo) => {
                let len = echo.as_ref().len();
                Err(format!("{size} bytes came back different, as {len}").into())
            }
            None => Err(format!("no echo of {size} bytes").into()),
        }
    }
}
