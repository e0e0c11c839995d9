//! The service itself: the same in a console and under the service manager.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use npipes::{
    Connection, ConnectionOptions, Error, ListenerOptions, PipeStream,
    security::Access,
    server::{ServeOptions, ServeReport},
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// The time that the connections have to end when the service stops. Windows waits 10 s for a service
/// when it shuts down itself (`SERVICE_PRESHUTDOWN_INFO`), and then ends it, whatever it is doing.
const SETTLEMENT: Duration = Duration::from_secs(5);

/// The time that a client has to read its last answers, of that.
const READING: Duration = Duration::from_secs(3);

/// How often a service that stops says that it is not stuck.
const CHECKPOINT: Duration = Duration::from_secs(1);

/// What the service tells whoever runs it.
#[derive(Debug)]
pub(crate) enum Event {
    /// Clients can connect.
    Running,
    /// An order has arrived.
    Order { who: String, what: String },
    /// It is about to stop. The next report, or the end, comes within the time that is named.
    Stopping { checkpoint: u32, within: Duration },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Order { who, what } => write!(f, "order of {who}: {what:.40}"),
            Self::Stopping { checkpoint, within } => {
                write!(f, "stopping, checkpoint {checkpoint}, the next within {within:?}")
            }
        }
    }
}

/// How it went, for a log.
pub(crate) fn summary(report: &ServeReport) -> String {
    let ServeReport { accepted, undrained, cut, .. } = report;
    format!("stopped: {accepted} connections, {undrained} not read to the end, {cut} cut")
}

pub(crate) type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// Serves until `stop` is cancelled, answers what it has received by then, and returns when the clients have
/// read their answers, or after [`SETTLEMENT`].
pub(crate) async fn run(
    pipe: &str,
    stop: CancellationToken,
    tell: Tell,
) -> Result<ServeReport, Error> {
    // Everybody who has logged on may order. By default only the service's own account and SYSTEM, or
    // root, can connect.
    let options = ListenerOptions::new()
        .access(Access::authenticated_users())
        .connection(ConnectionOptions::new().close_timeout(READING));
    // But nobody from a sandbox, such as a browser's.
    #[cfg(windows)]
    let options =
        options.filter(|client| client.integrity >= npipes::security::IntegrityLevel::MEDIUM);
    let listener = options.bind(pipe)?;
    tell(Event::Running);

    let options = ServeOptions::new().shutdown_timeout(SETTLEMENT);
    let of_clients = Arc::clone(&tell);
    let handler = move |client, stop| take_orders(client, stop, Arc::clone(&of_clients));
    let mut serving = pin!(options.serve(listener, stop.clone(), handler));
    let mut ticks = interval(CHECKPOINT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut checkpoint = 0;
    let report = loop {
        // The first tick is at once.
        let stopping = async {
            stop.cancelled().await;
            ticks.tick().await
        };
        tokio::select! {
            report = &mut serving => break report,
            _ = stopping => {
                checkpoint += 1;
                tell(Event::Stopping { checkpoint, within: 3 * CHECKPOINT });
            }
        }
    };
    match report.accept_error {
        Some(e) => Err(e),
        None => Ok(report),
    }
}

async fn take_orders(
    mut client: Connection<PipeStream>,
    stop: CancellationToken,
    tell: Tell,
) -> Result<Connection<PipeStream>, Error> {
    // A stop interrupts the wait for an order and nothing else.
    while let Some(order) = stop.run_until_cancelled(client.receive_text()).await {
        let Some(what) = order? else { break };
        // The system says who the client is, whatever it writes.
        let who = client.peer().map(|peer| peer.user_id().to_string());
        let who = who.unwrap_or_else(|_| "nobody known".to_owned());
        let answer = format!("accepted for {who}: {what}");
        tell(Event::Order { who, what });
        client.send_text(&answer).await?;
    }
    // `serve` closes it, which waits until the client has read its answers.
    Ok(client)
}
