//! The client's side of a simulated pipe.

use std::{pin::pin, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{
    faults::Refusal,
    pipe::{Pipe, Refused},
    stream::Stream,
};
use crate::{
    client::Connect,
    connection::{Connection, ConnectionOptions, Origin, Role},
    error::Error,
    retry::{
        Retry,
        attempts::{Course, Patience},
    },
};

/// Connects to a simulated pipe, and keeps trying, as a `Connector` and `ConnectOptions` do on
/// Windows; each setter says its default, which is theirs.
#[derive(Debug, Clone)]
#[must_use]
pub struct Connector {
    pipe: Pipe,
    patience: Patience,
    connection: ConnectionOptions,
}

impl Connector {
    pub(super) fn new(pipe: Pipe) -> Self {
        Self { pipe, patience: Patience::new(), connection: ConnectionOptions::new() }
    }

    /// Gives up after this time, whatever the causes were. The default is 5 s.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.patience.deadline = deadline;
        self
    }

    /// Sets what to do while the server has no free instance. The default is another attempt after
    /// at most 1 ms, then 2 ms, up to 32 ms, with full jitter.
    pub const fn busy(mut self, retry: Retry) -> Self {
        self.patience.busy = retry;
        self
    }

    /// Sets what to do when there is no such pipe. The default is to give up at once. One that was
    /// busy before in the same call is looked for again for 100 ms at least.
    pub const fn not_found(mut self, retry: Retry) -> Self {
        self.patience.not_found = retry;
        self
    }

    /// Sets what to do when the pipe does not let this user in. The default is to give up at once.
    pub const fn access_denied(mut self, retry: Retry) -> Self {
        self.patience.access_denied = retry;
        self
    }

    /// Sets how the connection behaves. The default is [`ConnectionOptions::new`].
    pub const fn connection(mut self, options: ConnectionOptions) -> Self {
        self.connection = options;
        self
    }

    /// Connects, as often and as long as these options say.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`], which says what was tried: when the deadline passes, and at once for a
    /// cause that these options do not wait out.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped stops trying and leaves nothing behind.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with time enabled.
    pub async fn connect(&self) -> Result<Connection<Stream>, Error> {
        let mut course = Course::new(self.pipe.name(), self.patience);
        loop {
            // Before the attempt, so that an instance that becomes free just after it is noticed.
            let mut freed = pin!(self.pipe.freed().notified());
            freed.as_mut().enable();
            let Refused { refusal, until } = match course.attempt(self.try_open()).await? {
                Ok((stream, id)) => {
                    let attempts = course.finish();
                    let name = self.pipe.name();
                    let origin = Origin {
                        pipe: Some(name.clone()),
                        role: Some(Role::Client),
                        id: Some(id),
                        retries: attempts.total(),
                    };
                    let connection = Connection::over_transport(stream, &self.connection, origin);
                    connection.span().in_scope(|| attempts.log_success(name));
                    return Ok(connection);
                }
                Err(refused) => refused,
            };
            let delay = course.meet(refusal.obstacle(), refusal.error())?;
            match refusal {
                Refusal::Busy => {
                    let left = until.map_or(delay, |until| until.duration_since(Instant::now()));
                    let _ = timeout(delay.min(left), freed).await;
                }
                Refusal::NotFound | Refusal::AccessDenied => sleep(delay).await,
            }
        }
    }

    async fn try_open(&self) -> Result<(Stream, u64), Refused> {
        let delay = self.pipe.connect_delay();
        if !delay.is_zero() {
            sleep(delay).await;
        }
        self.pipe.open(self.connection.close_deadline)
    }
}

impl Connect for Connector {
    type Io = Stream;

    async fn connect(&self) -> Result<Connection<Stream>, Error> {
        Self::connect(self).await
    }
}
