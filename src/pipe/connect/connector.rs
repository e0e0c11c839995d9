//! The connector of a reconnecting client, for pipes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::ConnectOptions;
use crate::{
    client::Connect, connection::Connection, error::Error, name::PipeName, pipe::stream::PipeStream,
};

/// Connects a [`Client`](crate::Client) to a pipe.
///
/// # Panics
///
/// Connecting panics outside a Tokio runtime with I/O and time enabled. Making a connector does
/// not.
///
/// # Examples
///
/// ```no_run
/// # async fn order() -> Result<(), npipes::Error> {
/// use npipes::{Client, pipe::Connector};
///
/// let (client, mut inbox) = Client::spawn(Connector::new("orders")?);
/// client.send("two coffees").await?;
/// println!("{:?}", inbox.receive().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Connector {
    name: PipeName,
    options: ConnectOptions,
    /// How many connections were made; it gives each its number.
    connections: Arc<AtomicU64>,
}

impl Connector {
    /// Returns a connector to the pipe `name` with the default options.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if no pipe can have the name.
    pub fn new<N>(name: N) -> Result<Self, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        Self::with_options(name, &ConnectOptions::new())
    }

    /// Returns a connector to the pipe `name`. The options' deadline is that of one attempt.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_options<N>(name: N, options: &ConnectOptions) -> Result<Self, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        Ok(Self { name: name.try_into()?, options: options.clone(), connections: Arc::default() })
    }

    /// Connects, for a protocol of your own: [`ConnectOptions::connect_stream`].
    ///
    /// # Errors
    ///
    /// As [`ConnectOptions::connect`].
    ///
    /// # Cancel safety
    ///
    /// As [`ConnectOptions::connect`].
    ///
    /// # Panics
    ///
    /// As [`ConnectOptions::connect`].
    pub async fn connect_stream(&self) -> Result<PipeStream, Error> {
        self.options.connect_stream::<&PipeName>(&self.name).await
    }

    /// Returns the name of the pipe.
    #[must_use]
    pub fn name(&self) -> &PipeName {
        &self.name
    }
}

impl Connect for Connector {
    type Io = PipeStream;

    async fn connect(&self) -> Result<Connection<PipeStream>, Error> {
        let next = || Some(1 + self.connections.fetch_add(1, Ordering::Relaxed));
        self.options.connect_as(&self.name, next).await
    }
}
