//! A program that runs once for each user. The first start serves. Every further start hands its
//! arguments to the first one and ends.
//!
//! `cargo run --example single_instance -- orders open report.txt`, twice, and then `... orders stop`

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), npipes::Error> {
    instance::run().await
}

mod instance {
    use npipes::{
        ConnectOptions, Connection, DrainOutcome, Error, Listener, PipeName, PipeStream,
        security::ServerTrust,
    };

    pub(crate) async fn run() -> Result<(), Error> {
        let mut arguments = std::env::args().skip(1);
        let program = arguments.next().unwrap_or_else(|| "npipes-single-instance".to_owned());
        let request = arguments.collect::<Vec<_>>().join(" ");
        let name = PipeName::per_user(&program)?;

        // The instance that binds the name is the first. Any other instance connects to the first. If
        // the first has ended meanwhile, the loop binds again.
        loop {
            match Listener::bind(&name) {
                Ok(listener) => return serve(listener, &request).await,
                Err(Error::NameTaken { .. }) => {}
                Err(e) => return Err(e),
            }
            match ask_the_first(&name, &request).await {
                Ok(answer) => {
                    println!("the first instance says: {answer}");
                    return Ok(());
                }
                Err(e) if e.is_closed() => {}
                Err(Error::Connect(e)) if e.attempts.not_found > 0 => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Trusts a server of the same user only. On Windows the server must also be the same program:
    /// another program of the user could have taken the name by mistake.
    async fn ask_the_first(name: &PipeName, request: &str) -> Result<String, Error> {
        let trust = ServerTrust::same_user();
        #[cfg(windows)]
        let trust = trust.and_same_image();
        let mut first = ConnectOptions::new().server_trust(trust).connect(name).await?;
        first.send_text(request).await?;
        first.receive_text().await?.ok_or(Error::Closed)
    }

    async fn serve(mut listener: Listener, request: &str) -> Result<(), Error> {
        println!("the first instance, of process {}", std::process::id());
        println!("does: {request}");
        let mut goes_on = request != "stop";
        while goes_on {
            // What fails here fails for one further instance. The next one can still ask.
            match async { answer(listener.accept().await?).await }.await {
                Ok(stop) => goes_on = !stop,
                Err(e) => eprintln!("a further instance has failed: {e}"),
            }
        }
        listener.close().await;
        println!("ends");
        Ok(())
    }

    /// Returns whether to stop.
    async fn answer(mut further: Connection<PipeStream>) -> Result<bool, Error> {
        let request = further.receive_text().await?.unwrap_or_default();
        println!("does: {request}");
        further.send_text(&format!("{request} is done")).await?;
        if let DrainOutcome::TimedOut { .. } = further.close().await? {
            eprintln!("a further instance does not read its answer");
        }
        Ok(request == "stop")
    }
}
