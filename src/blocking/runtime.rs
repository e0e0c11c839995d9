//! The runtime that drives the pipes of all blocking calls.

use std::{future::Future, io, sync::OnceLock, time::Duration};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::timeout,
};

use crate::{
    error::{Error, Operation},
    name::PipeName,
};

/// How long a call may take, and the name of the call for an error.
pub(super) struct Limit<'a> {
    operation: Operation,
    pipe: Option<&'a PipeName>,
    timeout: Option<Duration>,
}

impl<'a> Limit<'a> {
    pub(super) const fn new(
        operation: Operation,
        pipe: Option<&'a PipeName>,
        timeout: Option<Duration>,
    ) -> Self {
        Self { operation, pipe, timeout }
    }

    fn error(&self, source: io::Error) -> Error {
        Error::io(self.operation, self.pipe, source)
    }
}

/// What the calls on one connection have in common: their pipe, for an error, and how long each may
/// take.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    pub(super) pipe: Option<PipeName>,
    pub(super) timeout: Option<Duration>,
}

impl Calls {
    /// Returns the limit of a call that has a deadline of its own.
    pub(super) fn without_timeout(&self, operation: Operation) -> Limit<'_> {
        Limit::new(operation, self.pipe.as_ref(), None)
    }

    /// Blocks this thread until the future is done, or for the timeout.
    pub(super) fn block_on<T>(
        &self,
        operation: Operation,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        block_on(Limit::new(operation, self.pipe.as_ref(), self.timeout), future)
    }
}

/// Blocks this thread until the future is done, or for the timeout.
pub(super) fn block_on<T>(
    limit: Limit<'_>,
    future: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let runtime = enter(&limit)?;
    let Some(at_most) = limit.timeout else { return runtime.block_on(future) };
    runtime
        .block_on(async { timeout(at_most, future).await })
        .unwrap_or_else(|_| Err(limit.error(io::ErrorKind::TimedOut.into())))
}

/// Calls a function that must be called inside a runtime and does not wait.
pub(super) fn inside<T>(
    limit: &Limit<'_>,
    call: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let _context = enter(limit)?.enter();
    call()
}

fn enter(limit: &Limit<'_>) -> Result<&'static Runtime, Error> {
    // The threads of a runtime, also its threads for blocking calls, look the same as its tasks.
    if Handle::try_current().is_ok() {
        return Err(Error::BlockingInRuntime);
    }
    shared().map_err(|e| limit.error(e))
}

/// One worker drives the I/O and the timers. Each future runs on the thread that waits for it.
fn shared() -> io::Result<&'static Runtime> {
    static SHARED: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = SHARED.get() {
        return Ok(runtime);
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("npipes-blocking")
        .enable_all()
        .build()?;
    Ok(SHARED.get_or_init(|| runtime))
}
