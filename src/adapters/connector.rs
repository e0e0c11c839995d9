//! A [`Connector`] as what hyper-util's client and tonic's channel connect with: a tower service
//! from a URI to a stream.

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
    pipe::{connect::Connector, stream::PipeStream},
};

/// Connects an HTTP client, or a gRPC channel, to the connector's pipe, whatever the URI of a request
/// says.
///
/// The scheme of the URI must be `http`. Its authority is a header of the request for the server,
/// and no address. A client that is to outlive a restart of its server waits for it with
/// [`ConnectOptions::not_found`](crate::ConnectOptions::not_found).
impl Service<Uri> for Connector {
    type Response = TokioIo<PipeStream>;
    type Error = Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Connecting {
        let connector = self.clone();
        Connecting(Box::pin(async move {
            let stream = connector.connect_stream().await?;
            Ok(TokioIo::new(stream.with_write_grace(WRITE_GRACE)))
        }))
    }
}

/// A connection that is being made: the future of a [`Connector`] as a tower service.
///
/// # Errors
///
/// As [`ConnectOptions::connect`](crate::ConnectOptions::connect).
///
/// # Cancel safety
///
/// As [`ConnectOptions::connect`](crate::ConnectOptions::connect).
///
/// # Panics
///
/// As [`ConnectOptions::connect`](crate::ConnectOptions::connect).
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
