//! The client's side of a simulated pipe.

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::{
    sync::futures::Notified,
    time::{Instant, sleep, timeout},
};

use super::{
    state::{Refused, Shared},
    stream::Stream,
    wire::End,
};
use crate::{
    client::Connect,
    connection::{Connection, ConnectionOptions, Origin, Role},
    error::Error,
    retry::{
        Retry,
        attempts::{self, Failed, Open, RetryPolicy},
    },
};

/// Connects to a simulated pipe and retries, as a `Connector` and `ConnectOptions` do on Windows.
/// Each setter names its default, which is the same as on Windows.
#[derive(Debug, Clone)]
#[must_use]
pub struct Connector {
    pipe: Arc<Shared>,
    policy: RetryPolicy,
    connection: ConnectionOptions,
}

impl Connector {
    pub(super) fn new(pipe: Arc<Shared>) -> Self {
        Self { pipe, policy: RetryPolicy::new(), connection: ConnectionOptions::new() }
    }

    /// Gives up after this time, whatever the causes are. The default is 5 s.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.policy.timeout = timeout;
        self
    }

    /// Sets what to do while the server has no free instance. The default is another attempt after
    /// at most 1 ms, then 2 ms, up to 32 ms, with full jitter.
    pub const fn busy(mut self, retry: Retry) -> Self {
        self.policy.busy = retry;
        self
    }

    /// Sets what to do if there is no such pipe. The default is to give up at once. If the pipe was
    /// busy before in the same call, it is tried again for at least 100 ms.
    pub const fn not_found(mut self, retry: Retry) -> Self {
        self.policy.not_found = retry;
        self
    }

    /// Sets what to do if the pipe does not let this user in. The default is to give up at once.
    pub const fn access_denied(mut self, retry: Retry) -> Self {
        self.policy.access_denied = retry;
        self
    }

    /// Sets how the connection behaves. The default is [`ConnectionOptions::new`].
    pub const fn connection(mut self, options: ConnectionOptions) -> Self {
        self.connection = options;
        self
    }

    /// Connects, with as many attempts and for as long as these options say.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`], which counts the attempts. It is returned when the deadline passes, and
    /// at once for a cause that these options do not wait for.
    ///
    /// # Cancel safety
    ///
    /// A dropped future stops trying and leaves nothing behind.
    ///
    /// # Panics
    ///
    /// Panics outside a Tokio runtime with time enabled.
    pub async fn connect(&self) -> Result<Connection<Stream>, Error> {
        let name = self.pipe.name();
        let opener = Opener { connector: self, freed: None, until: None };
        let ((stream, id), attempts) = attempts::open(name, self.policy, opener).await?;
        let origin = Origin {
            pipe: Some(name.clone()),
            role: Some(Role::Client),
            id: Some(id),
            retries: attempts.total(),
        };
        let connection = Connection::over_transport(stream, &self.connection, origin);
        connection.span().in_scope(|| attempts.log_success(name));
        Ok(connection)
    }
}

struct Opener<'a> {
    connector: &'a Connector,
    /// Registered before each attempt, so that an instance that becomes free just after the attempt
    /// is noticed.
    freed: Option<Pin<Box<Notified<'a>>>>,
    /// The moment at which the refusal of the last attempt ends, if it is known.
    until: Option<Instant>,
}

impl Open for Opener<'_> {
    type Stream = (Stream, u64);

    async fn open(&mut self) -> Result<Result<(Stream, u64), Failed>, Error> {
        let Connector { pipe, connection, .. } = self.connector;
        let mut freed = Box::pin(pipe.freed().notified());
        freed.as_mut().enable();
        self.freed = Some(freed);
        let delay = pipe.state().connect_delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let (wire, id) = match pipe.open() {
            Ok(opened) => opened,
            Err(Refused { refusal, until }) => {
                self.until = until;
                return Ok(Err(Failed { failure: refusal.failure(), source: refusal.error() }));
            }
        };
        let name = pipe.name().clone();
        Ok(Ok((Stream::new(wire, End::Client, name, connection.close_timeout, None), id)))
    }

    async fn wait_for_free(&mut self, at_most: Duration) {
        let left = self.until.map_or(at_most, |until| until.duration_since(Instant::now()));
        if let Some(freed) = self.freed.take() {
            let _ = timeout(at_most.min(left), freed).await;
        }
    }
}

impl Connect for Connector {
    type Io = Stream;

    async fn connect(&self) -> Result<Connection<Stream>, Error> {
        Self::connect(self).await
    }
}
