//! The builder of a client.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{
    Client, Connect,
    connect::{Hook, HookError},
    dialer::Dialer,
    drive::Shutdown,
    driver::Driver,
    inbox::Inbox,
    options::ClientOptions,
    shared::Shared,
};
use crate::connection::Connection;

/// A builder of a [`Client`], from [`Client::builder`].
#[must_use = "it becomes a client with `spawn` or `build`"]
pub struct ClientBuilder<C: Connect> {
    connector: C,
    options: ClientOptions,
    hook: Option<Arc<Hook<C::Io>>>,
    shutdown: Shutdown,
}

impl<C: Connect> ClientBuilder<C> {
    pub(super) fn new(connector: C) -> Self {
        Self { connector, options: ClientOptions::new(), hook: None, shutdown: None }
    }

    /// Sets how the client behaves. The default is [`ClientOptions::new`].
    pub fn options(mut self, options: ClientOptions) -> Self {
        self.options = options;
        self
    }

    /// Runs `hook` on each new connection before anything else is sent on it, for example to
    /// authenticate or to subscribe again.
    ///
    /// If the hook fails, the attempt to connect has failed. With [`HookError`] the hook says when
    /// the next attempt comes, or that there is none. The hook and the connect together may take
    /// the [attempt timeout](ClientOptions::attempt_timeout). The messages that the hook sends have
    /// no receipts and are not counted.
    ///
    /// # Examples
    ///
    /// ```
    /// # use npipes::client::{ClientBuilder, Connect};
    /// use std::time::Duration;
    ///
    /// use npipes::{Error, client::HookError};
    ///
    /// # fn subscribed<C: Connect>(client: ClientBuilder<C>) -> ClientBuilder<C> {
    /// client.on_connect(|connection| {
    ///     Box::pin(async move {
    ///         connection.send("subscribe orders").await?;
    ///         match connection.receive().await?.as_deref() {
    ///             Some(b"welcome") => Ok(()),
    ///             Some(b"come back later") => Err(HookError::RetryAfter(Duration::from_secs(30))),
    ///             Some(_) => Err(HookError::GiveUp("not a customer".to_owned())),
    ///             None => Err(Error::Closed.into()),
    ///         }
    ///     })
    /// })
    /// # }
    /// ```
    pub fn on_connect<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(
                &'a mut Connection<C::Io>,
            )
                -> Pin<Box<dyn Future<Output = Result<(), HookError>> + Send + 'a>>
            + Send
            + Sync
            + 'static,
    {
        self.hook = Some(Arc::new(hook));
        self
    }

    /// Closes the client, as [`Client::close`] does, when `token` is cancelled.
    pub fn shutdown_on(mut self, token: CancellationToken) -> Self {
        self.shutdown = Some(Box::pin(token.cancelled_owned()));
        self
    }

    /// Returns the client and its receiving end, and spawns its driver on the current runtime. The
    /// driver connects at once.
    ///
    /// # Panics
    ///
    /// Panics outside a Tokio runtime. The driver panics on a runtime without time enabled.
    pub fn spawn(self) -> (Client, Inbox) {
        let (client, inbox, driver) = self.build();
        tokio::spawn(driver);
        (client, inbox)
    }

    /// Returns the client, its receiving end, and its driver, so that you can choose where the
    /// driver runs. Nothing happens until the driver runs.
    ///
    /// # Examples
    ///
    /// ```
    /// # use npipes::{Connection, Error, client::Connect};
    /// # use tokio::io::DuplexStream;
    /// # struct Server;
    /// # impl Connect for Server {
    /// #     type Io = DuplexStream;
    /// #     async fn connect(&self) -> Result<Connection<DuplexStream>, Error> {
    /// #         let (near, mut far) = Connection::pair();
    /// #         tokio::spawn(async move { while let Ok(Some(_)) = far.receive().await {} });
    /// #         Ok(near)
    /// #     }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), npipes::Error> {
    /// use npipes::Client;
    ///
    /// let (client, _inbox, driver) = Client::builder(Server).build();
    /// let work = async {
    ///     client.send("two coffees").await?.await?;
    ///     Ok::<_, Error>(client.close().await)
    /// };
    /// let (done, ()) = tokio::join!(work, driver);
    /// # done?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn build(self) -> (Client, Inbox, Driver) {
        let shared = Shared::new(self.options);
        let dialer = Dialer::new(self.connector, self.hook, Arc::clone(&shared));
        let driver = Driver::new(dialer, Arc::clone(&shared), self.shutdown);
        (Client::new(Arc::clone(&shared)), Inbox::new(shared), driver)
    }
}

impl<C: Connect> fmt::Debug for ClientBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}
