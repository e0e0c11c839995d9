//! What a client connects with, and what may run on a new connection before it is used.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{connection::Connection, error::Error};

/// What a [`Client`](crate::Client) connects with. Over a pipe, use a `Connector`. For another
/// transport, or to choose among several servers, implement this trait.
///
/// # Examples
///
/// ```
/// use npipes::{Connection, Error, client::Connect};
/// use tokio::net::TcpStream;
///
/// struct Tcp(&'static str);
///
/// impl Connect for Tcp {
///     type Io = TcpStream;
///
///     async fn connect(&self) -> Result<Connection<TcpStream>, Error> {
///         Ok(Connection::new(TcpStream::connect(self.0).await?))
///     }
/// }
/// ```
pub trait Connect: Send + Sync + 'static {
    /// The transport.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Makes one attempt to connect. The client drops the future when it gives up or ends.
    ///
    /// The client tries again after [`Error::Io`] and [`Error::Connect`], and after an error that
    /// [is closed](Error::is_closed), [a timeout](Error::is_timeout) or
    /// [retryable](Error::is_retryable). Any other error, and an [`Error::Io`] of the kind
    /// `PermissionDenied`, ends the attempts.
    fn connect(&self) -> impl Future<Output = Result<Connection<Self::Io>, Error>> + Send;
}

/// How a hook that [runs on a new connection](crate::client::ClientBuilder::on_connect) failed, and
/// when the next attempt comes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// The attempt failed. The next attempt comes after the usual delay. There is none if the error
    /// is one that [ends the attempts](Connect::connect).
    #[error(transparent)]
    Failed(#[from] Error),

    /// The server has said when to try again: the next attempt comes after this time and not
    /// earlier.
    #[error("the server asks to be called again after {0:?}")]
    RetryAfter(Duration),

    /// The server does not want this client, for this reason. The client ends.
    #[error("the server refused: {0}")]
    GiveUp(String),
}

/// The state of a [`Client`](crate::Client).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientState {
    /// There is no connection yet, or the connection was lost.
    Connecting {
        /// The attempt that is in progress or comes next, counted from 1.
        attempt: u32,
    },
    /// There is a connection, as far as is known.
    Connected {
        /// The number of the connection, counted from 1.
        session: u64,
    },
    /// The client was closed, or has given up. There will be no further connection.
    Ended,
}

/// What runs on a new connection.
pub(super) type Hook<T> = dyn for<'a> Fn(&'a mut Connection<T>) -> HookFuture<'a> + Send + Sync;

pub(super) type HookFuture<'a> = Pin<Box<dyn Future<Output = Result<(), HookError>> + Send + 'a>>;
