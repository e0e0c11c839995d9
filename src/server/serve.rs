//! Serving with the default options.

use std::future::Future;

use tokio_util::sync::CancellationToken;

use super::{Accept, IntoConnection, ServeOptions, ServeReport};
use crate::{connection::Connection, error::Error};

/// Serves with the default options until `shutdown` is cancelled: [`ServeOptions::serve`].
///
/// # Cancel safety
///
/// The same as [`ServeOptions::serve`].
///
/// # Examples
///
/// ```
/// # async fn run(listener: impl npipes::server::Accept + Send) {
/// use tokio_util::sync::CancellationToken;
///
/// let shutdown = CancellationToken::new();
/// let served = npipes::serve(listener, shutdown, async |mut connection, shutdown| {
///     while let Some(received) = shutdown.run_until_cancelled(connection.receive()).await {
///         let Some(order) = received? else { break };
///         connection.send(order).await?;
///     }
///     Ok(connection)
/// });
/// # }
/// ```
pub async fn serve<A, H, F, R>(listener: A, shutdown: CancellationToken, handler: H) -> ServeReport
where
    A: Accept + Send,
    H: Fn(Connection<A::Io>, CancellationToken) -> F + Send + Sync + 'static,
    F: Future<Output = Result<R, Error>> + Send + 'static,
    R: IntoConnection<A::Io>,
{
    ServeOptions::new().serve(listener, shutdown, handler).await
}
