//! The client's side: opens a pipe, and waits when that is not possible yet.

mod connector;
mod opener;
#[cfg(windows)]
mod windows;

use std::time::Duration;

pub use self::connector::Connector;
use self::opener::Opener;
use super::{
    imp::{OpenSettings, ServerTrust},
    stream::PipeStream,
};
use crate::{
    connection::{Connection, ConnectionOptions},
    error::{Attempts, Error},
    name::PipeName,
    retry::{
        Backoff, Retry,
        attempts::{self, RetryPolicy},
    },
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
/// # Panics
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

/// Connects to the pipe `name` for a protocol of your own, with the default options:
/// [`ConnectOptions::connect_stream`].
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
///
/// # Examples
///
/// ```no_run
/// # async fn list_keys() -> Result<(), npipes::Error> {
/// use tokio::io::AsyncWriteExt;
///
/// let mut stream = npipes::connect_stream(r"\\.\pipe\openssh-ssh-agent").await?;
/// stream.write_all(&[0, 0, 0, 1, 11]).await?;
/// # Ok(())
/// # }
/// ```
pub async fn connect_stream<N>(name: N) -> Result<PipeStream, Error>
where
    N: TryInto<PipeName>,
    Error: From<N::Error>,
{
    ConnectOptions::new().connect_stream(name).await
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
/// let connection = ConnectOptions::new().timeout(Duration::from_secs(30)).connect("orders").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ConnectOptions {
    policy: RetryPolicy,
    /// The options that only this system has.
    pub(super) system: OpenSettings,
    server_trust: ServerTrust,
    connection: ConnectionOptions,
}

impl ConnectOptions {
    /// The default for [`timeout`](Self::timeout): 5 s.
    pub const DEFAULT_TIMEOUT: Duration = RetryPolicy::DEFAULT_TIMEOUT;

    /// The default for [`busy`](Self::busy): another attempt after at most 1 ms, then 2 ms, up to
    /// 32 ms, with full jitter.
    pub const DEFAULT_BUSY: Retry = RetryPolicy::DEFAULT_BUSY;

    /// For [`not_found`](Self::not_found): waits for the server to appear, with another attempt
    /// after at most 10 ms, then 20 ms, up to 250 ms, with full jitter.
    pub const WAIT_FOR_SERVER: Retry =
        Retry::with_backoff(Backoff::new(Duration::from_millis(10), Duration::from_millis(250)));

    /// How long a server that was busy may be absent, for every setting of
    /// [`not_found`](Self::not_found): 100 ms from the first attempt that did not find it. A server
    /// with one instance is absent between two clients if nothing holds its name.
    pub const ABSENCE_GRACE: Duration = RetryPolicy::ABSENCE_GRACE;

    /// For [`access_denied`](Self::access_denied): tries for one second. In this time a server with
    /// other access rules may take the place of one that ends.
    pub const RESTART_GRACE: Retry = Self::WAIT_FOR_SERVER.max_elapsed(Duration::from_secs(1));

    /// Returns the default options.
    pub const fn new() -> Self {
        Self {
            policy: RetryPolicy::new(),
            system: OpenSettings::new(),
            server_trust: ServerTrust::same_user_or_privileged(),
            connection: ConnectionOptions::new(),
        }
    }

    /// Gives up after this time, for any cause. The default is 5 s.
    ///
    /// The time is Tokio's. If Tokio's clock is paused, as in a test, the time is over as soon as
    /// the runtime waits only for the operating system.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.policy.timeout = timeout;
        self
    }

    /// Sets what to do while the server has no free instance (`ERROR_PIPE_BUSY`), or on Unix while
    /// its queue has no room (`EAGAIN`). The default is [`DEFAULT_BUSY`](Self::DEFAULT_BUSY).
    ///
    /// On Windows a delay is the longest wait: for a pipe of this machine the wait ends as soon as
    /// an instance becomes free. On Unix no event reports free room, so the wait takes the whole
    /// delay.
    pub const fn busy(mut self, retry: Retry) -> Self {
        self.policy.busy = retry;
        self
    }

    /// Sets what to do when there is no such pipe (`ERROR_FILE_NOT_FOUND`; on Unix `ENOENT`, or
    /// `ECONNREFUSED` from what a server has left behind, or `ECONNRESET` from one that has just
    /// ended): no server has started, or it is restarting. The default is to give up at once;
    /// [`WAIT_FOR_SERVER`](Self::WAIT_FOR_SERVER) waits for it.
    ///
    /// If an earlier attempt of the same call found the pipe busy, the call looks for it again for
    /// at least the [`ABSENCE_GRACE`](Self::ABSENCE_GRACE).
    pub const fn not_found(mut self, retry: Retry) -> Self {
        self.policy.not_found = retry;
        self
    }

    /// Sets what to do when the pipe does not let this user in (`ERROR_ACCESS_DENIED`, `EACCES`). The
    /// default is to give up at once.
    ///
    /// The pipe's access rules decide this, and they stay for as long as the pipe exists. A server
    /// that restarts does not cause this failure: its clients find it busy or do not find it. Use
    /// [`RESTART_GRACE`](Self::RESTART_GRACE) where another server, with other rules, takes the
    /// name over.
    pub const fn access_denied(mut self, retry: Retry) -> Self {
        self.policy.access_denied = retry;
        self
    }

    /// Sets who the server must be before anything is sent to it. The default is
    /// [`ServerTrust::same_user_or_privileged`]: this process's user, or an account that controls
    /// the machine (SYSTEM, an administrator, root).
    pub fn server_trust(mut self, identity: ServerTrust) -> Self {
        self.server_trust = identity;
        self
    }

    /// Sets how the connection behaves. The default is [`ConnectionOptions::new`].
    pub const fn connection(mut self, options: ConnectionOptions) -> Self {
        self.connection = options;
        self
    }

    /// Connects to the pipe `name`, as often and as long as these options say.
    ///
    /// No thread is blocked meanwhile. The server is judged by
    /// [`server_trust`](Self::server_trust) before this returns and before anything is sent.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if no pipe can have the name. [`Error::Connect`], which says what was
    /// tried, when the deadline passes, and at once for a cause for which these options do not
    /// wait. [`Error::UntrustedServer`] if the server is not who it must be. [`Error::Io`] if that
    /// cannot be found out.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped stops trying and leaves nothing behind. An attempt to open another
    /// machine's pipe that has begun ends by itself.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O and time enabled.
    pub async fn connect<N>(&self, name: N) -> Result<Connection<PipeStream>, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        self.connect_as(&name.try_into()?, || None).await
    }

    /// Connects to the pipe `name` as [`connect`](Self::connect) does, and returns the stream, for a
    /// protocol of your own.
    ///
    /// The stream has the [`close_timeout`](ConnectionOptions::close_timeout) and the
    /// [`linger`](ConnectionOptions::linger) time of [`connection`](Self::connection).
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_stream<N>(&self, name: N) -> Result<PipeStream, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        let name = name.try_into()?;
        let (stream, attempts) = self.open(&name).await?;
        attempts.log_success(&name);
        Ok(stream
            .with_close_timeout(self.connection.close_timeout)
            .with_linger(self.connection.linger))
    }

    /// Connects. Calls `id` for the connection's number once there is a connection.
    pub(super) async fn connect_as(
        &self,
        name: &PipeName,
        id: impl FnOnce() -> Option<u64>,
    ) -> Result<Connection<PipeStream>, Error> {
        let (stream, attempts) = self.open(name).await?;
        let options = stream.in_messages(&self.connection);
        let connection = stream.into_numbered_connection(&options, id(), attempts.total());
        connection.span().in_scope(|| attempts.log_success(name));
        Ok(connection)
    }

    /// Opens the pipe of a trusted server. Tries as often and as long as these options say. Also
    /// returns the attempts that failed before.
    async fn open(&self, name: &PipeName) -> Result<(PipeStream, Attempts), Error> {
        attempts::open(name, self.policy, Opener::new(self, name)).await
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}
