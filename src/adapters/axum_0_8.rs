//! Serves an axum application on a pipe: a [`Listener`] is one of axum's listeners.
//!
//! A handler that takes `ConnectInfo<PeerHandle>` can ask who its client is while it handles the
//! request. By then something was read from every client. So clients that can be identified only by
//! what they write are known too.
//!
//! A failed accept does not end the serving. It is recorded as the event `accepting failed`, and
//! accepting continues after a delay. The delay grows up to a second while accepts fail.
//!
//! The address of a connection, and that of the listener, is the name of the pipe.
//!
//! # Examples
//!
//! ```no_run
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Router, extract::ConnectInfo, http::StatusCode, routing::get};
//! use npipes::{Listener, pipe::PeerHandle};
//!
//! async fn whoami(ConnectInfo(client): ConnectInfo<PeerHandle>) -> Result<String, StatusCode> {
//!     let peer = client.peer().map_err(|_| StatusCode::FORBIDDEN)?;
//!     Ok(peer.user_id())
//! }
//!
//! let app = Router::new().route("/whoami", get(whoami));
//! let listener = Listener::bind("orders")?;
//! axum::serve(listener, app.into_make_service_with_connect_info::<PeerHandle>()).await?;
//! # Ok(())
//! # }
//! ```

use std::{future::poll_fn, io};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, TapIo},
};

use super::accepting::Accepting;
use crate::{
    name::PipeName,
    pipe::{listener::Listener, peer_handle::PeerHandle, stream::PipeStream},
};

impl axum::serve::Listener for Listener {
    type Io = PipeStream;
    type Addr = PipeName;

    async fn accept(&mut self) -> (PipeStream, PipeName) {
        let mut accepting = Accepting::new();
        let stream = poll_fn(|cx| accepting.poll(self, cx)).await;
        (stream, self.name().clone())
    }

    fn local_addr(&self) -> io::Result<PipeName> {
        Ok(self.name().clone())
    }
}

impl Connected<IncomingStream<'_, Listener>> for PeerHandle {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        stream.io().peer_handle()
    }
}

impl<F> Connected<IncomingStream<'_, TapIo<Listener, F>>> for PeerHandle
where
    F: FnMut(&mut PipeStream) + Send + 'static,
{
    fn connect_info(stream: IncomingStream<'_, TapIo<Listener, F>>) -> Self {
        stream.io().peer_handle()
    }
}
