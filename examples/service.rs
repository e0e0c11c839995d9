//! A service that stops in an orderly way. On Ctrl-C it accepts no more clients, answers the
//! requests that it has received, waits until the answers have been read, and prints how its
//! connections ended.
//!
//! `cargo run --example service -- orders`, then `echo_client orders` in other windows

#[tokio::main]
async fn main() -> Result<(), npipes::Error> {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    use npipes::{
        Connection, Error, Listener, PipeStream,
        server::{ServeOptions, ServeReport},
    };
    use tokio_util::sync::CancellationToken;

    static ORDERS: AtomicU64 = AtomicU64::new(0);

    async fn serve(
        mut connection: Connection<PipeStream>,
        shutdown: CancellationToken,
    ) -> Result<Option<Connection<PipeStream>>, Error> {
        // Shutdown interrupts the wait for a request and nothing else.
        while let Some(request) = shutdown.run_until_cancelled(connection.receive()).await {
            // Whoever has left waits for nothing.
            let Some(order) = request? else { return Ok(None) };
            let number = ORDERS.fetch_add(1, Ordering::Relaxed) + 1;
            let order = String::from_utf8_lossy(&order);
            connection.send(format!("order {number}: {order}")).await?;
        }
        Ok(Some(connection))
    }

    let name = std::env::args().nth(1).unwrap_or_else(|| "npipes-service".to_owned());
    let listener = Listener::bind(name)?;

    // Asked for before the first client, so that Ctrl-C never just kills the process from now on.
    #[cfg(windows)]
    let mut ctrl_c = tokio::signal::windows::ctrl_c()?;
    #[cfg(unix)]
    let mut ctrl_c = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::interrupt())?
    };
    let shutdown = CancellationToken::new();
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            ctrl_c.recv().await;
            println!("shutting down");
            shutdown.cancel();
        }
    });

    println!("serving {}", listener.name());
    let options = ServeOptions::new().shutdown_timeout(Duration::from_secs(10));
    let served = options.serve(listener, shutdown, serve).await;
    let ServeReport { accepted, failed, panicked, undrained, cut, accept_error, .. } = served;
    println!("{} orders on {accepted} connections", ORDERS.load(Ordering::Relaxed));
    println!("{failed} failed, {panicked} panicked, {undrained} not read to the end, {cut} cut");
    accept_error.map_or(Ok(()), Err)
}
