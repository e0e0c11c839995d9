//! gRPC over a pipe by tonic: a server on a [`Listener`], and a channel to it.
//!
//! A method finds a [`PeerHandle`] of its client among the extensions of the request. It can ask
//! the handle who the client is while it handles the request.
//!
//! # Examples
//!
//! A server; `service` is what `tonic-prost-build` generates:
//!
//! ```no_run
//! # async fn serve(service: tonic::service::Routes) -> Result<(), Box<dyn std::error::Error>> {
//! use npipes::{Listener, adapters::tonic_0_14::PipeIncoming, pipe::PeerHandle};
//! use tonic::{Request, Status, transport::Server};
//!
//! fn user<T>(request: &Request<T>) -> Result<String, Status> {
//!     let client = request.extensions().get::<PeerHandle>();
//!     let client = client.ok_or_else(|| Status::internal("not over a pipe"))?;
//!     let peer = client.peer().map_err(|e| Status::unauthenticated(e.to_string()))?;
//!     Ok(peer.user_id())
//! }
//!
//! let incoming = PipeIncoming::new(Listener::bind("orders")?);
//! Server::builder().add_routes(service).serve_with_incoming(incoming).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A client:
//!
//! ```no_run
//! # async fn order() -> Result<(), Box<dyn std::error::Error>> {
//! use npipes::pipe::Connector;
//! use tonic::transport::Endpoint;
//!
//! let connector = Connector::new("orders")?;
//! let channel = Endpoint::from_static("http://orders").connect_with_connector(connector).await?;
//! # Ok(())
//! # }
//! ```

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use tonic::transport::server::Connected;

use super::accepting::Accepting;
pub use super::connector::Connecting;
use crate::pipe::{listener::Listener, peer_handle::PeerHandle, stream::PipeStream};

/// The clients of a [`Listener`], for `serve_with_incoming`.
///
/// A failed accept does not end it. The failure is recorded as the event `accepting failed`, and
/// accepting continues after a delay. The delay grows up to a second while accepts fail.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct PipeIncoming {
    listener: Listener,
    accepting: Accepting,
}

impl PipeIncoming {
    /// Returns the clients of `listener`.
    pub fn new(listener: Listener) -> Self {
        Self { listener, accepting: Accepting::new() }
    }

    /// Returns the listener.
    #[must_use]
    pub fn into_listener(self) -> Listener {
        self.listener
    }
}

impl Stream for PipeIncoming {
    type Item = Result<PipeStream, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { listener, accepting } = &mut *self;
        accepting.poll(listener, cx).map(|stream| Some(Ok(stream)))
    }
}

impl Connected for PipeStream {
    type ConnectInfo = PeerHandle;

    fn connect_info(&self) -> PeerHandle {
        self.peer_handle()
    }
}
