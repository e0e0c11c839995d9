//! How a connection behaves.

use std::time::Duration;

use super::limits::Limits;
use crate::{frame::FrameFormat, text::TextEncoding};

/// How a [`Connection`](crate::Connection) behaves. Each setter names its default.
///
/// # Examples
///
/// ```
/// use npipes::{Connection, ConnectionOptions, frame::FrameFormat};
///
/// let (near, _far) = tokio::io::duplex(4096);
/// let options = ConnectionOptions::new().format(FrameFormat::new().max_payload(1 << 20));
/// let connection = Connection::with_options(near, &options);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct ConnectionOptions {
    pub(super) format: FrameFormat,
    pub(super) frame_per_write: bool,
    pub(super) high_water: usize,
    pub(crate) close_timeout: Duration,
    pub(crate) linger: Duration,
    pub(super) limits: Limits,
    pub(super) text: TextEncoding,
}

impl ConnectionOptions {
    /// The default for [`send_buffer`](Self::send_buffer), in bytes: 120 KiB.
    pub const DEFAULT_SEND_BUFFER: usize = 120 * 1024;

    /// The default for [`close_timeout`](Self::close_timeout): 5 s.
    pub const DEFAULT_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

    /// The default for [`linger`](Self::linger): 10 s.
    pub const DEFAULT_LINGER: Duration = Duration::from_secs(10);

    /// The options for a peer that is the Python module: [`FrameFormat::NPIPES_1_0_1`], one frame
    /// per write, and text in ASCII.
    pub const NPIPES_1_0_1: Self = Self::new()
        .format(FrameFormat::NPIPES_1_0_1)
        .frame_per_write(true)
        .text_encoding(TextEncoding::Ascii);

    /// Returns the default options.
    pub const fn new() -> Self {
        Self {
            format: FrameFormat::new(),
            frame_per_write: false,
            high_water: Self::DEFAULT_SEND_BUFFER,
            close_timeout: Self::DEFAULT_CLOSE_TIMEOUT,
            linger: Self::DEFAULT_LINGER,
            limits: Limits::NONE,
            text: TextEncoding::Utf8,
        }
    }

    /// Sets what a frame looks like and how large it may be. The default is [`FrameFormat::new`].
    pub const fn format(mut self, format: FrameFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets whether each frame goes out in one write of its own, even if several are fed before a
    /// flush. The default is `false`: frames share writes.
    ///
    /// On a message-type pipe one write is one message, and a peer that reads one message at a time
    /// expects one frame in it. The connections of a `Listener`, of `connect` and of
    /// `PipeStream::into_connection` do this over such pipes whatever is set here.
    ///
    /// With `true` no payload is longer than 4 MiB ([`FrameFormat::DEFAULT_MAX_PER_WRITE`] says
    /// why) unless [`FrameFormat::max_send`] is set: a longer one is refused before anything is
    /// written.
    pub const fn frame_per_write(mut self, alone: bool) -> Self {
        self.frame_per_write = alone;
        self
    }

    /// Sets the number of queued bytes at which [`feed`](crate::Connection::feed) writes before it
    /// takes another message. The default is 120 KiB. The queue holds at most this many bytes and
    /// one frame more.
    ///
    /// A write takes at most a frame with 64 KiB of payload, and at most twice the send buffer. The
    /// limit grows after 64 writes of that length, which are 4 MiB, if the send buffer is at least
    /// 64 KiB: a write then takes a frame with 256 KiB. On Windows mio keeps a buffer as long as the
    /// longest write that goes through it, for as long as the pipe is open. Writes of up to 16 KiB
    /// seldom do. So this buffer is the cost of a connection that was busy and is idle. It is as
    /// large as that of a pipe that is written to in 64-KiB pieces. With the default send buffer it
    /// is 64 to 192 KiB larger after 4 MiB.
    pub const fn send_buffer(mut self, bytes: usize) -> Self {
        self.high_water = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Sets how long [`close`](crate::Connection::close) waits: for the transport to take what is
    /// queued, and for the peer to read everything. The default is 5 s.
    ///
    /// A pipe on another machine that hangs in the operating system may add a second. The clock is
    /// Tokio's. If it is paused, the time is over at once and the close says so, while a peer in
    /// another thread or process still reads.
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// Sets how long a write that waits for room in the pipe goes on after the connection is
    /// dropped. Then the write is cancelled, and nothing of the connection is left. The default is
    /// 10 s. With [`Duration::ZERO`] the write is cancelled at once. [`Duration::MAX`] means for
    /// ever.
    ///
    /// This does not affect what the operating system has already taken: the peer can read that for
    /// as long as it wants. On a transport that is not a pipe this does nothing.
    pub const fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// Ends the connection with [`Error::FrameTimedOut`](crate::Error::FrameTimedOut) if a frame
    /// that has begun to arrive is not complete after this time. By default there is no limit.
    ///
    /// The time begins when a receive finds the first bytes of the frame. It does not begin again,
    /// and it goes on while nobody receives. If nobody receives, a peer cannot send the rest of a
    /// frame that is larger than the operating system's buffer. So choose a time that is longer
    /// than the longest pause in which you do not receive.
    pub const fn frame_timeout(mut self, timeout: Duration) -> Self {
        self.limits.frame = Some(timeout);
        self
    }

    /// Ends the connection with [`Error::IdleTimedOut`](crate::Error::IdleTimedOut) if nothing has
    /// arrived for this time. By default there is no limit.
    ///
    /// The time begins with the first receive, and begins again with each piece that arrives. It
    /// goes on while nobody receives, but what has arrived meanwhile is received first.
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle = Some(timeout);
        self
    }

    /// Sets how [`send_text`](crate::Connection::send_text) and
    /// [`receive_text`](crate::Connection::receive_text) turn text into payloads and
    /// back. The default is [`TextEncoding::Utf8`].
    pub const fn text_encoding(mut self, encoding: TextEncoding) -> Self {
        self.text = encoding;
        self
    }
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self::new()
    }
}
