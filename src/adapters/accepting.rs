//! Accepting for a server to which no failure can be returned.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::{Sleep, sleep};
use tracing::warn;

use super::WRITE_GRACE;
use crate::{
    error::{Error, WithoutContent},
    pipe::{listener::Listener, stream::PipeStream},
    retry::Delays,
    server::ServeOptions,
};

/// Waits for clients. After a failure it waits until the next attempt.
pub(super) struct Accepting {
    delays: Delays,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Accepting {
    pub(super) fn new() -> Self {
        Self { delays: ServeOptions::ACCEPT_RETRY.delays(), pause: None }
    }

    /// Polls for a client of `listener`.
    pub(super) fn poll(
        &mut self,
        listener: &mut Listener,
        cx: &mut Context<'_>,
    ) -> Poll<PipeStream> {
        self.poll_with(cx, |cx| listener.poll_accept_stream(cx))
            .map(|stream| stream.with_write_grace(WRITE_GRACE))
    }

    fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut accept: impl FnMut(&mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Poll<T> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match ready!(accept(cx)) {
                Ok(client) => {
                    self.delays.reset();
                    return Poll::Ready(client);
                }
                Err(error) => {
                    let delay = self.delays.next_delay();
                    warn!(error = %WithoutContent(&error), ?delay, "accepting failed");
                    self.pause = Some(Box::pin(sleep(delay)));
                }
            }
        }
    }
}

impl fmt::Debug for Accepting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepting").field("pauses", &self.pause.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io, time::Duration};

    use tokio::time::Instant;

    use super::*;
    use crate::error::Operation;

    #[tokio::test(start_paused = true)]
    async fn failures_end_nothing_and_each_is_waited_out() {
        let mut accepting = Accepting::new();
        let (mut asked, begun) = (0, Instant::now());
        for failures in [0, 3, 1] {
            asked = 0;
            poll_fn(|cx| {
                accepting.poll_with(cx, |_| {
                    asked += 1;
                    let lack = io::ErrorKind::OutOfMemory.into();
                    Poll::Ready(match asked <= failures {
                        true => Err(Error::io(Operation::Accept, None, lack)),
                        false => Ok(()),
                    })
                })
            })
            .await;
            assert_eq!(asked, failures + 1);
        }
        let waited = [5, 10, 20, 5].map(Duration::from_millis).iter().sum();
        assert_eq!((asked, begun.elapsed()), (2, waited));
    }
}
