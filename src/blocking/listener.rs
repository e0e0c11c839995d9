//! The server's side, blocking.

use std::time::Duration;

use super::{
    Connection,
    runtime::{Limit, block_on, inside},
};
use crate::{
    error::{Error, Operation},
    name::PipeName,
    pipe::listener::{self, ListenerOptions},
};

/// The server's side of a pipe name: [`npipes::Listener`](crate::Listener), blocking.
#[derive(Debug)]
pub struct Listener {
    /// `None` once the listener was closed.
    inner: Option<listener::Listener>,
    name: PipeName,
    timeout: Option<Duration>,
}

impl Listener {
    /// Listens on `name` with the default options: [`bind_with`](Self::bind_with).
    ///
    /// # Errors
    ///
    /// As [`bind_with`](Self::bind_with).
    pub fn bind<N>(name: N) -> Result<Self, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        Self::bind_with(name, &ListenerOptions::new())
    }

    /// Listens on `name`.
    ///
    /// # Errors
    ///
    /// As [`ListenerOptions::bind`], and [`Error::BlockingInRuntime`] inside a runtime.
    pub fn bind_with<N>(name: N, options: &ListenerOptions) -> Result<Self, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        let name = name.try_into()?;
        let limit = Limit::new(Operation::Listen, Some(&name), None);
        let inner = inside(&limit, || options.bind::<&PipeName>(&name))?;
        Ok(Self { inner: Some(inner), name, timeout: None })
    }

    /// Returns the name that the listener listens on.
    #[must_use]
    pub fn name(&self) -> &PipeName {
        &self.name
    }

    /// Sets how long [`accept`](Self::accept) waits for a client. The default is `None`: for ever.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Waits for a client and returns the connection to it.
    ///
    /// # Errors
    ///
    /// As [`Listener::accept`](crate::Listener::accept). [`Error::Io`] with `TimedOut` if no client
    /// has come; no client is lost by this. [`Error::BlockingInRuntime`] inside a runtime.
    pub fn accept(&mut self) -> Result<Connection, Error> {
        let Some(inner) = &mut self.inner else { return Err(Error::Closed) };
        let limit = Limit::new(Operation::Accept, Some(&self.name), self.timeout);
        block_on(limit, inner.accept()).map(Connection::new)
    }

    /// Stops listening: [`Listener::close`](crate::Listener::close).
    ///
    /// # Errors
    ///
    /// [`Error::BlockingInRuntime`] inside a runtime. The listener is dropped also then.
    pub fn close(mut self) -> Result<(), Error> {
        let Some(inner) = self.inner.take() else { return Ok(()) };
        let limit = Limit::new(Operation::Close, Some(&self.name), None);
        block_on(limit, async {
            inner.close().await;
            Ok(())
        })
    }
}
