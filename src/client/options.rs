//! How a client behaves.

use std::time::Duration;

use crate::{retry::Backoff, text::TextEncoding};

/// When a message that was handed over counts as [delivered](crate::client::Delivered).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum DeliveredWhen {
    /// When the peer's end of the transport has read it. Over a transport that cannot tell, when
    /// the transport has taken it. [`Delivered`](crate::client::Delivered) says which. It is not
    /// known what becomes of the message then: if a process is killed, the messages that it has
    /// read and not processed are lost.
    ///
    /// Over a pipe, the client knows without waiting what was read of a stream, except for what the
    /// pipe and the last write can hold: 132 KiB and 256 KiB by default. For these bytes the client
    /// asks the pipe when a receipt is awaited, when the outbox is full, and when the client is
    /// closed.
    #[default]
    Read,
    /// When [`Client::acknowledge`](crate::Client::acknowledge) is called, because the peer has
    /// answered. Only an answer says that the peer has processed the message.
    ///
    /// After a loss, the handed-over messages may still be acknowledged by what the lost connection
    /// had brought. So their fate is decided when all of that was received and the next message is
    /// asked for. If nobody asks for the next message, it is decided one second later.
    Acknowledged,
}

/// How a [`Client`](crate::Client) behaves. Each setter names its default.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use npipes::{client::ClientOptions, retry::Backoff};
///
/// const OPTIONS: ClientOptions = ClientOptions::new()
///     .backoff(Backoff::new(Duration::from_millis(50), Duration::from_secs(10)))
///     .timeout(Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientOptions {
    pub(super) backoff: Backoff,
    pub(super) max_attempts: Option<u32>,
    pub(super) timeout: Option<Duration>,
    pub(super) attempt_timeout: Duration,
    pub(super) close_timeout: Duration,
    pub(super) outbox: usize,
    pub(super) inbox: usize,
    pub(super) max_tries: u32,
    pub(super) delivered_when: DeliveredWhen,
    pub(super) text: TextEncoding,
}

impl ClientOptions {
    /// The default delays between attempts: from 10 ms up to 3 s, each drawn from the upper half.
    /// The client soon finds a restarted service. It calls a service that refuses its clients fewer
    /// than 15 times in 10 s.
    pub const DEFAULT_BACKOFF: Backoff =
        Backoff::new(Duration::from_millis(10), Duration::from_secs(3)).upper_half();

    /// The default for [`attempt_timeout`](Self::attempt_timeout): 10 s. This is twice the default
    /// timeout of a `Connector`, so that half of it is left for the hook.
    pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

    /// The default for [`close_timeout`](Self::close_timeout): 5 s, the same as that of a
    /// connection.
    pub const DEFAULT_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

    /// The default for [`outbox`](Self::outbox), in bytes: 4 MiB, so that messages of 1 MiB overlap.
    pub const DEFAULT_OUTBOX: usize = 4 * 1024 * 1024;

    /// The default for [`inbox`](Self::inbox), in bytes: 4 MiB.
    pub const DEFAULT_INBOX: usize = 4 * 1024 * 1024;

    /// The default for [`max_tries`](Self::max_tries): 3. One loss may be chance. Three losses in
    /// the middle of one message are not.
    pub const DEFAULT_MAX_TRIES: u32 = 3;

    /// Returns the default options.
    pub const fn new() -> Self {
        Self {
            backoff: Self::DEFAULT_BACKOFF,
            max_attempts: None,
            timeout: None,
            attempt_timeout: Self::DEFAULT_ATTEMPT_TIMEOUT,
            close_timeout: Self::DEFAULT_CLOSE_TIMEOUT,
            outbox: Self::DEFAULT_OUTBOX,
            inbox: Self::DEFAULT_INBOX,
            max_tries: Self::DEFAULT_MAX_TRIES,
            delivered_when: DeliveredWhen::Read,
            text: TextEncoding::Utf8,
        }
    }

    /// Sets the delays between attempts to connect. The default is
    /// [`DEFAULT_BACKOFF`](Self::DEFAULT_BACKOFF).
    ///
    /// The first attempt comes at once. So does the first attempt after a connection that has
    /// lasted as long as the longest delay. A connection that has not lasted so long counts as one
    /// more failed attempt, whatever was received on it: the delays continue. So a server that
    /// refuses its clients, hangs up on them or fails on a message is not called in a loop.
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Gives up when this many attempts in a row have led to no connection that lasts. 0 counts as
    /// 1. The default is no limit.
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(if attempts == 0 { 1 } else { attempts });
        self
    }

    /// Gives up when the client was without a connection for this time in all since the last
    /// connection that lasted. The default is no limit.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Ends one attempt to connect after this time, including its
    /// [hook](crate::client::ClientBuilder::on_connect). The attempt then counts as failed. The
    /// default is 10 s.
    pub const fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Sets how long the client may take to close: to send the kept messages, and to wait until the
    /// peer has read them. The default is 5 s.
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// Sets how many bytes of messages with an unknown fate the client holds. Each message counts
    /// with 64 bytes more. The default is 4 MiB. The client holds at most this and one message more
    /// for each [permit](crate::client::Permit) that is not used. A `send` waits until there is
    /// room for its whole message.
    ///
    /// When the outbox is full, the next message waits until the peer has read enough messages. For
    /// long messages, make the outbox a few times as large as one message. Then one message can be
    /// on its way while the peer reads the one before.
    pub const fn outbox(mut self, bytes: usize) -> Self {
        self.outbox = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Sets how many bytes of received messages the client holds. Each message counts with 64 bytes
    /// more. The default is 4 MiB. The client holds at most this and one message more.
    ///
    /// When the inbox is full, the client stops reading, which holds the peer back. While senders
    /// wait for room, the inbox may hold more: as much as the [outbox](Self::outbox) in addition.
    /// The reason is that a task that awaits a send does not receive, and a peer that answers may
    /// not read before its answers were read. A task that sends and receives in turn may need even
    /// more. It awaits [`reserve`](crate::Client::reserve) beside `receive` instead.
    pub const fn inbox(mut self, bytes: usize) -> Self {
        self.inbox = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Gives a message back as [not sent](crate::client::Fate::NotSent) after this many connections
    /// were lost while it was being written. 0 counts as 1. The default is 3.
    ///
    /// A server that refuses a message, for example because it is too long, hangs up at the
    /// beginning of the message. It would do so for ever.
    pub const fn max_tries(mut self, tries: u32) -> Self {
        self.max_tries = if tries == 0 { 1 } else { tries };
        self
    }

    /// Sets when a message counts as delivered. The default is [`DeliveredWhen::Read`].
    pub const fn delivered_when(mut self, when: DeliveredWhen) -> Self {
        self.delivered_when = when;
        self
    }

    /// Sets how [`send_text`](crate::Client::send_text) and
    /// [`receive_text`](crate::client::Inbox::receive_text) turn text into payloads and back. The
    /// default is [`TextEncoding::Utf8`].
    pub const fn text_encoding(mut self, encoding: TextEncoding) -> Self {
        self.text = encoding;
        self
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self::new()
    }
}
