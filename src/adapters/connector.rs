//! The connector for hyper-util's client and tonic's channel: a tower service from a URI to a
//! stream.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::WRITE_GRACE;
use crate::{
    error::Error,
    name::PipeName,
    pipe::{connect::ConnectOptions, stream::PipeStream},
};

/// Connects an HTTP client, or a gRPC channel, to one pipe, whatever the URI of a request is.
///
/// The scheme of the URI must be `http`. Its authority is a header of the request for the server.
/// It is not an address.
///
/// # Examples
///
/// See [`hyper_util_0_1`](crate::adapters::hyper_util_0_1) and
/// [`tonic_0_14`](crate::adapters::tonic_0_14).
#[derive(Debug, Clone)]
#[must_use]
pub struct PipeConnector {
    name: PipeName,
    options: ConnectOptions,
}

impl PipeConnector {
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

    /// Returns a connector to the pipe `name`. The deadline of the options is that of one
    /// connection.
    ///
    /// To make a client wait for a server that restarts, set [`ConnectOptions::not_found`].
    /// [`ConnectOptions::not_found`].
    ///
    /// # Errors
    ///
    /// The same as [`new`](Self::new).
    pub fn with_options<N>(name: N, options: &ConnectOptions) -> Result<Self, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        Ok(Self { name: name.try_into()?, options: options.clone() })
    }

    /// Returns the name of the pipe.
    #[must_use]
    pub fn name(&self) -> &PipeName {
        &self.name
    }
}

impl Service<Uri> for PipeConnector {
    type Response = TokioIo<PipeStream>;
    type Error = Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Connecting {
        let Self { name, options } = self.clone();
        Connecting(Box::pin(async move {
            let stream = options.connect_stream(name).await?;
            Ok(TokioIo::new(stream.with_write_grace(WRITE_GRACE)))
        }))
    }
}

/// A connection that is being made: the future of a [`PipeConnector`].
///
/// # Errors
///
/// The same as [`ConnectOptions::connect`].
///
/// # Cancel safety
///
/// The same as [`ConnectOptions::connect`].
///
/// # Panics
///
/// The same as [`ConnectOptions::connect`].
#[must_use = "futures do nothing unless polled"]
pub struct Connecting(Pin<Box<dyn Future<Output = Result<TokioIo<PipeStream>, Error>> + Send>>);

impl Future for Connecting {
    type Output = Result<TokioIo<PipeStream>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").finish_non_exhaustive()
    }
}
