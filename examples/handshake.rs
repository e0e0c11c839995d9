//! A protocol of one's own that can change: both ends begin with a greeting, the versions and the
//! features that they speak. They use the highest version and the features that both have. Without a
//! common version both ends say so, and a peer that does not greet in time is given up.
//!
//! `cargo run --example handshake`
//!
//! ```text
//! client                                       server
//! "orders 1-3 notes"               ────▶
//!                                  ◀────       "orders 2-4 notes tables"
//! an order, as in version 3        ────▶
//!                                  ◀────       an answer
//! ```
//!
//! Both send their greeting at once and neither waits for the other's, so it costs one round trip. The
//! greeting itself never changes, except that features are added to it.

use std::{collections::BTreeSet, fmt, ops::RangeInclusive, str::FromStr, time::Duration};

use npipes::{Connection, DrainOutcome, Error, Listener, PipeStream, connect};
use tokio::time::timeout;

/// What one end speaks.
struct Greeting {
    versions: RangeInclusive<u32>,
    features: BTreeSet<String>,
}

/// What both ends speak.
#[derive(Debug)]
struct Agreed {
    version: u32,
    features: BTreeSet<String>,
}

impl Greeting {
    /// No greeting is longer, in bytes: a peer cannot make this end look through more.
    const LONGEST: usize = 1024;

    fn new(versions: RangeInclusive<u32>, features: &[&str]) -> Self {
        Self { versions, features: features.iter().map(|&feature| feature.to_owned()).collect() }
    }

    /// Both ends come to the same result, whichever of them asks.
    fn agree(&self, peer: &Self) -> Option<Agreed> {
        let version = *self.versions.end().min(peer.versions.end());
        let spoken = self.versions.contains(&version) && peer.versions.contains(&version);
        let features = self.features.intersection(&peer.features).cloned().collect();
        spoken.then_some(Agreed { version, features })
    }
}

impl fmt::Display for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "orders {}-{}", self.versions.start(), self.versions.end())?;
        self.features.iter().try_for_each(|feature| write!(f, " {feature}"))
    }
}

impl FromStr for Greeting {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.split(' ').filter(|_| text.len() <= Self::LONGEST);
        // The first word keeps away peers of other protocols.
        let (Some("orders"), Some(versions)) = (words.next(), words.next()) else { return Err(()) };
        let (lowest, highest) = versions.split_once('-').ok_or(())?;
        let number = |digits: &str| digits.parse().map_err(|_| ());
        let versions = number(lowest)?..=number(highest)?;
        Ok(Self { versions, features: words.map(str::to_owned).collect() })
    }
}

/// Why there is no conversation.
enum Refusal {
    NoCommonVersion { own: Greeting, peer: Greeting },
    NotAGreeting(String),
    NoGreeting,
    TooLate(Duration),
    Failed(Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommonVersion { own, peer } => {
                let older =
                    if own.versions.end() < peer.versions.end() { "this end" } else { "the peer" };
                let (own, peer) = (&own.versions, &peer.versions);
                write!(f, "this end speaks versions {own:?}, the peer {peer:?}: update {older}")
            }
            Self::NotAGreeting(text) => write!(f, "{text:?} is no greeting of this protocol"),
            Self::NoGreeting => f.write_str("the peer has left without a greeting"),
            Self::TooLate(limit) => write!(f, "the peer has not greeted within {limit:?}"),
            Self::Failed(e) => write!(f, "{e}"),
        }
    }
}

/// The same for both ends. The limit is for sending, too: a peer that does not read is given up.
async fn greet(
    connection: &mut Connection<PipeStream>,
    own: Greeting,
    limit: Duration,
) -> Result<Agreed, Refusal> {
    let exchange = async {
        connection.send_text(&own.to_string()).await?;
        connection.receive().await
    };
    let greeting = timeout(limit, exchange).await.map_err(|_| Refusal::TooLate(limit))?;
    let greeting = greeting.map_err(Refusal::Failed)?.ok_or(Refusal::NoGreeting)?;
    let text = String::from_utf8_lossy(&greeting);
    match text.parse() {
        Ok(peer) => own.agree(&peer).ok_or(Refusal::NoCommonVersion { own, peer }),
        Err(()) => Err(Refusal::NotAGreeting(text.chars().take(40).collect())),
    }
}

/// An order, as a client of this version writes it.
fn order(agreed: &Agreed) -> String {
    match (agreed.version, agreed.features.contains("notes")) {
        // Version 2 had no counts.
        (..=2, _) => "coffee".to_owned(),
        (_, false) => "2 coffee".to_owned(),
        (_, true) => "2 coffee, black".to_owned(),
    }
}

async fn serve(mut connection: Connection<PipeStream>, limit: Duration) -> Result<(), Error> {
    let own = Greeting::new(2..=4, &["notes", "tables"]);
    match greet(&mut connection, own, limit).await {
        Ok(Agreed { version, .. }) => {
            while let Some(order) = connection.receive_text().await? {
                let (count, what) = match version {
                    ..=2 => ("1", &*order),
                    _ => order.split_once(' ').unwrap_or(("1", &order)),
                };
                connection.send_text(&format!("accepted: {count} of {what:?}")).await?;
            }
        }
        Err(refusal) => {
            println!("  server: {refusal}");
            // Waits until the client has read the greeting, which tells it why.
            if let DrainOutcome::TimedOut { .. } = connection.close().await? {
                println!("  server: and the client does not read");
            }
        }
    }
    Ok(())
}

async fn talk(mut connection: Connection<PipeStream>, own: Greeting) -> Result<(), Error> {
    match greet(&mut connection, own, Duration::from_secs(10)).await {
        Ok(agreed) => {
            println!("  client: version {}, {:?}", agreed.version, agreed.features);
            connection.send_text(&order(&agreed)).await?;
            println!("  client: {}", connection.receive_text().await?.unwrap_or_default());
        }
        Err(refusal) => println!("  client: {refusal}"),
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let name = format!("npipes-handshake-{}", std::process::id());
    let mut listener = Listener::bind(&name)?;

    for own in [
        Greeting::new(1..=3, &["notes", "colours"]),
        Greeting::new(1..=2, &["notes"]),
        Greeting::new(1..=1, &[]),
        Greeting::new(5..=6, &["notes"]),
    ] {
        println!("a client with {:?}", own.to_string());
        let client = async { talk(connect(&name).await?, own).await };
        let server = async { serve(listener.accept().await?, Duration::from_secs(10)).await };
        tokio::try_join!(client, server)?;
    }

    for (what, first, limit) in [
        ("of another protocol", Some("GET / HTTP/1.1"), Duration::from_secs(10)),
        ("that says nothing", None, Duration::from_millis(100)),
    ] {
        println!("a client {what}");
        let client = async {
            let mut connection = connect(&name).await?;
            if let Some(first) = first {
                connection.send(first).await?;
            }
            while connection.receive().await?.is_some() {}
            Ok(())
        };
        let server = async { serve(listener.accept().await?, limit).await };
        tokio::try_join!(client, server)?;
    }
    Ok(())
}
