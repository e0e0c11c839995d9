//! The client's side: opening a pipe, and waiting as it should when that is not possible yet.

use std::{io, time::Duration};

use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::{
    identity::ServerIdentity,
    stream::PipeStream,
    sys::{self, Code, Direction, ImpersonationLevel, OpenWords, PipeType},
};
use crate::{
    backoff::Backoff,
    connection::{Connection, ConnectionOptions},
    error::{Attempts, ConnectError, Error},
    name::PipeName,
};

/// Connects to the pipe `name` with the default options: [`ConnectOptions::connect`].
///
/// # Errors
///
/// As [`ConnectOptions::connect`].
///
/// # Cancel safety
///
/// As [`ConnectOptions::connect`].
///
/// # Examples
///
/// ```no_run
/// # async fn order() -> Result<(), npipes::Error> {
/// let mut connection = npipes::connect("orders").await?;
/// connection.send("two coffees").await?;
/// # Ok(())
/// # }
/// ```
pub async fn connect<N>(name: N) -> Result<Connection<PipeStream>, Error>
where
    N: TryInto<PipeName>,
    Error: From<N::Error>,
{
    ConnectOptions::new().connect(name).await
}

/// How a client connects; each setter says its default.
///
/// # Examples
///
/// ```no_run
/// # async fn order() -> Result<(), npipes::Error> {
/// use std::time::Duration;
/// use npipes::ConnectOptions;
///
/// let connection = ConnectOptions::new().deadline(Duration::from_secs(30)).connect("orders").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ConnectOptions {
    deadline: Duration,
    busy: Backoff,
    direction: Direction,
    impersonation: ImpersonationLevel,
    server_identity: ServerIdentity,
    connection: ConnectionOptions,
}

impl ConnectOptions {
    /// The default for [`deadline`](Self::deadline): 5 s.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

    /// The default delays while the server is busy: full jitter from 1 ms up to 32 ms.
    pub const DEFAULT_BUSY: Backoff =
        Backoff::new(Duration::from_millis(1), Duration::from_millis(32));

    /// Returns the default options.
    pub const fn new() -> Self {
        Self {
            deadline: Self::DEFAULT_DEADLINE,
            busy: Self::DEFAULT_BUSY,
            direction: Direction::Duplex,
            impersonation: ImpersonationLevel::Identification,
            server_identity: ServerIdentity::usual(),
            connection: ConnectionOptions::new(),
        }
    }

    /// Gives up after this time. The default is 5 s.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the delays between attempts while the server has no free instance
    /// (`ERROR_PIPE_BUSY`).
    pub const fn busy(mut self, backoff: Backoff) -> Self {
        self.busy = backoff;
        self
    }

    /// Sets the directions that the server's pipe has. The default is both.
    pub const fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Sets how far the server may act as this client. The default is
    /// [`ImpersonationLevel::Identification`]: it learns who the client is, and no more.
    pub const fn impersonation(mut self, level: ImpersonationLevel) -> Self {
        self.impersonation = level;
        self
    }

    /// Sets whom the server must be for anything to be sent to it. The default is
    /// [`ServerIdentity::usual`]: this process's user, SYSTEM or an administrator.
    pub fn server_identity(mut self, identity: ServerIdentity) -> Self {
        self.server_identity = identity;
        self
    }

    /// Sets how the connection behaves. The default is [`ConnectionOptions::new`].
    pub const fn connection(mut self, options: ConnectionOptions) -> Self {
        self.connection = options;
        self
    }

    /// Connects to the pipe `name`. While the server is busy it waits and tries again.
    ///
    /// No thread is blocked meanwhile. The server is judged by
    /// [`server_identity`](Self::server_identity) before this returns and before anything is sent.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if no pipe can have the name, and [`Error::Connect`], which says what
    /// was tried: at once if there is no such pipe or access is denied, and when the deadline
    /// passes. [`Error::UntrustedServer`] if the server is not who it must be, and [`Error::Io`] if
    /// that cannot be found out.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped stops trying and leaves nothing behind. On another machine's pipe an
    /// attempt that is under way ends by itself.
    pub async fn connect<N>(&self, name: N) -> Result<Connection<PipeStream>, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        let name = name.try_into()?;
        let stream = self.open(&name).await.map_err(|e| Error::Connect(Box::new(e)))?;
        self.server_identity.judge(&stream, &name).await?;
        let mut options = self.connection;
        if stream.pipe_type().is_ok_and(|kind| kind == PipeType::Message) {
            options = options.frame_per_write();
        }
        let stream = stream.with_close_deadline(options.close_deadline);
        Ok(Connection::over_pipe(stream, &options, Some(name)))
    }

    async fn open(&self, name: &PipeName) -> Result<PipeStream, ConnectError> {
        let start = Instant::now();
        let deadline = start.checked_add(self.deadline);
        let mut delays = self.busy.delays();
        let mut attempts = Attempts::default();
        loop {
            let source = match self.try_open(name).await {
                Ok(stream) => {
                    debug!(pipe = %name, busy = attempts.busy, "connected");
                    return Ok(stream);
                }
                Err(e) => e,
            };
            let code = Code::of(&source);
            attempts.count(code);
            let out_of_time = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if code != Code::Busy || out_of_time {
                return Err(ConnectError {
                    pipe: name.clone(),
                    elapsed: start.elapsed(),
                    attempts,
                    deadline: out_of_time.then_some(self.deadline),
                    source,
                });
            }
            // The last attempt falls on the deadline itself.
            let next = Instant::now() + delays.next_delay();
            sleep_until(deadline.map_or(next, |deadline| next.min(deadline))).await;
        }
    }

    async fn try_open(&self, name: &PipeName) -> io::Result<PipeStream> {
        let words = OpenWords::new(self.direction).impersonation(self.impersonation);
        let handle = if name.is_local() {
            sys::open(name, words)?
        } else {
            // Through the network CreateFileW takes as long as the network does.
            let remote = name.clone();
            tokio::task::spawn_blocking(move || sys::open(&remote, words))
                .await
                .map_err(io::Error::other)??
        };
        Ok(PipeStream::client(sys::register_client(handle)?, name.clone()))
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl Attempts {
    fn count(&mut self, code: Code) {
        let counter = match code {
            Code::Busy => &mut self.busy,
            Code::NotFound => &mut self.not_found,
            Code::AccessDenied => &mut self.access_denied,
            Code::Disconnected | Code::NothingRead | Code::Other => &mut self.other,
        };
        *counter = counter.saturating_add(1);
    }
}
