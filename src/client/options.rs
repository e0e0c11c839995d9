//! How a client behaves.

use std::time::Duration;

use crate::retry::Backoff;

/// When a message that was handed over counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum DeliveredWhen {
    /// When the peer's end of the transport has read it. What becomes of it then is not known: a
    /// process that is killed takes with it what it has read and not dealt with.
    ///
    /// Of a stream over a pipe that is known as it goes, without waiting, but for what the pipe and the
    /// last write can hold: 132 KiB and 256 KiB if nothing else is set. Of those, only
    /// [`drained`](crate::Client::drained) or `close` tells.
    #[default]
    Read,
    /// When [`Client::acknowledge`](crate::Client::acknowledge) says so, because the peer has
    /// answered: the one way to know that it has dealt with the message.
    Acknowledged,
}

/// How a [`Client`](crate::Client) behaves; each setter says its default.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use npipes::{Backoff, ClientOptions};
///
/// const OPTIONS: ClientOptions = ClientOptions::new()
///     .backoff(Backoff::new(Duration::from_millis(50), Duration::from_secs(10)))
///     .deadline(Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct ClientOptions {
    pub(super) backoff: Backoff,
    pub(super) max_attempts: Option<u32>,
    pub(super) deadline: Option<Duration>,
    pub(super) buffer: usize,
    pub(super) delivered_when: DeliveredWhen,
}

impl ClientOptions {
    /// The default delays between attempts: full jitter from 10 ms up to 2 s. A restarted service is
    /// found soon, and one that is gone costs less than an attempt per second.
    pub const DEFAULT_BACKOFF: Backoff =
        Backoff::new(Duration::from_millis(10), Duration::from_secs(2));

    /// The default for [`buffer`](Self::buffer), in bytes: 1 MiB.
    pub const DEFAULT_BUFFER: usize = 1024 * 1024;

    /// Returns the default options.
    pub const fn new() -> Self {
        Self {
            backoff: Self::DEFAULT_BACKOFF,
            max_attempts: None,
            deadline: None,
            buffer: Self::DEFAULT_BUFFER,
            delivered_when: DeliveredWhen::Read,
        }
    }

    /// Sets the delays between attempts to connect. The default is
    /// [`DEFAULT_BACKOFF`](Self::DEFAULT_BACKOFF).
    ///
    /// The first attempt comes at once, unless it is to replace a connection that has not proved
    /// itself: nothing was received on it, nothing known to be delivered, and it did not last as
    /// long as the longest delay. So a server that hangs up on its clients is not called in a loop.
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Gives up when this many attempts in a row have failed; 0 counts as 1. The default is no limit.
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(if attempts == 0 { 1 } else { attempts });
        self
    }

    /// Gives up when there has been no connection for this time. The default is no limit.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Holds messages whose fate is not known yet, or that came back and were not fetched, until
    /// they come to this many bytes, each counted with 64 bytes more. The default is 1 MiB. It holds
    /// at most this and one message more.
    ///
    /// When it is full the next message waits until the peer has read enough of them, or all of them if
    /// that is the only way to know. For long messages make it a few times as large as they are: then
    /// one can be on its way while the peer reads the one before.
    pub const fn buffer(mut self, bytes: usize) -> Self {
        self.buffer = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Sets when a message counts as delivered. The default is [`DeliveredWhen::Read`].
    pub const fn delivered_when(mut self, when: DeliveredWhen) -> Self {
        self.delivered_when = when;
        self
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self::new()
    }
}
