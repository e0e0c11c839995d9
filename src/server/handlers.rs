//! The tasks of the handlers, one for each connection.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, debug, warn};

use super::{
    IntoConnection,
    report::{Ending, ServeReport},
};
use crate::{
    connection::{Connection, DrainOutcome},
    error::{Error, WithoutContent},
};

/// The tasks of the handlers.
pub(super) struct Handlers<H> {
    handler: Arc<H>,
    pub(super) tasks: TaskTracker,
    /// Cancelled to tell the handlers that serving ends.
    pub(super) shutdown: CancellationToken,
    /// Cancelled to drop the futures of the handlers where they are.
    pub(super) cut: CancellationToken,
    pub(super) running: usize,
    report: mpsc::UnboundedSender<Ending>,
    pub(super) endings: mpsc::UnboundedReceiver<Ending>,
    pub(super) served: ServeReport,
}

impl<H> Handlers<H> {
    pub(super) fn new(shutdown: &CancellationToken, handler: Arc<H>) -> Self {
        let (report, endings) = mpsc::unbounded_channel();
        Self {
            handler,
            tasks: TaskTracker::new(),
            shutdown: shutdown.child_token(),
            cut: CancellationToken::new(),
            running: 0,
            report,
            endings,
            served: ServeReport::default(),
        }
    }

    /// Runs the handler on one connection, in a task.
    pub(super) fn take_in<T, F, R>(&mut self, connection: Connection<T>)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        H: Fn(Connection<T>, CancellationToken) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, Error>> + Send + 'static,
        R: IntoConnection<T>,
    {
        self.running += 1;
        self.served.accepted += 1;
        let (handler, shutdown) = (Arc::clone(&self.handler), self.shutdown.clone());
        let (cut, report) = (self.cut.clone(), self.report.clone());
        let span = connection.span().clone();
        let abort = connection.abort_handle();
        let task = async move {
            let work = async move {
                let outcome =
                    handler(connection, shutdown).await.map(IntoConnection::into_connection);
                match outcome {
                    Ok(Some(connection)) => end(connection).await,
                    Ok(None) => Ending::Well,
                    Err(error) => {
                        debug!(error = %WithoutContent(&error), "a handler failed");
                        Ending::Failed
                    }
                }
            };
            let mut work = pin!(unless_it_panics(work));
            let ending = match cut.run_until_cancelled(work.as_mut()).await {
                Some(ending) => ending,
                None => {
                    // Abort before the handler drops its connection. A dropped connection would let
                    // its last write go on, and the peer could read what was written.
                    if let Some(abort) = abort {
                        abort.abort();
                    }
                    Ending::Cut
                }
            };
            // The receiver is gone if the future of `serve` was dropped.
            let _ = report.send(ending);
        };
        self.tasks.spawn(task.instrument(span));
    }
}

async fn end<T: AsyncRead + AsyncWrite + Unpin>(connection: Connection<T>) -> Ending {
    match connection.close().await {
        Ok(DrainOutcome::TimedOut { .. }) => Ending::Undrained,
        // Nothing can tell how much a peer had read before it left, and most peers leave when they
        // have read everything.
        Ok(DrainOutcome::Drained | DrainOutcome::Flushed | DrainOutcome::PeerGone) => Ending::Well,
        Err(error) => {
            debug!(error = %WithoutContent(&error), "a connection failed to close");
            Ending::Failed
        }
    }
}

/// Contains and logs a panic. Tokio contains it too, but reports it only to the owner of the task.
async fn unless_it_panics(work: impl Future<Output = Ending>) -> Ending {
    let mut work = pin!(work);
    poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))).unwrap_or_else(|_| {
            warn!("a handler panicked");
            Poll::Ready(Ending::Panicked)
        })
    })
    .await
}
