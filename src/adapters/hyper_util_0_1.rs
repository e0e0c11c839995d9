//! HTTP over a pipe with hyper-util's legacy client, which keeps connections and makes new ones.
//!
//! A server does not need this module. hyper serves a `TokioIo` around a [`PipeStream`] from
//! [`Listener::accept_stream`](crate::Listener::accept_stream). For HTTP/2, give the stream [a
//! write grace](PipeStream::with_write_grace). [`PipeStream::peer_handle`] tells the handlers who
//! the client is.
//!
//! # Examples
//!
//! ```no_run
//! # async fn order() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use npipes::pipe::Connector;
//!
//! let connector = Connector::new("orders")?;
//! let client = Client::builder(TokioExecutor::new()).build::<_, String>(connector);
//! let answer = client.get("http://orders/menu".parse()?).await?;
//! println!("{}", answer.status());
//! # Ok(())
//! # }
//! ```

use hyper_util::client::legacy::connect::{Connected, Connection};

pub use super::connector::Connecting;
use crate::pipe::stream::PipeStream;

impl Connection for PipeStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
