//! What a connection records: counters, and events in its span. They contain lengths, places and
//! causes, but nothing from inside a message. They contain no checksum either, since it reveals a
//! short message.

use tracing::{
    Span, debug, debug_span, field,
    level_filters::{LevelFilter, STATIC_MAX_LEVEL},
    trace,
};

use super::{ConnectionStats, DrainOutcome};
use crate::{
    error::{Error, Operation},
    frame::FrameError,
    name::PipeName,
};

/// Where a connection comes from.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    pub(crate) pipe: Option<PipeName>,
    pub(crate) role: Option<Role>,
    /// The connection's number among those of the same listener or connector.
    pub(crate) id: Option<u64>,
    /// Attempts to connect that failed before.
    pub(crate) retries: u32,
}

/// The end of a pipe.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(any(unix, windows, feature = "simulated")),
    expect(dead_code, reason = "only what makes connections by itself knows it")
)]
pub(crate) enum Role {
    Server,
    Client,
}

impl Origin {
    fn span(&self) -> Span {
        debug_span!(
            "connection",
            id = self.id,
            role = self.role.map(|role| match role {
                Role::Server => "server",
                Role::Client => "client",
            }),
            pipe = self.pipe.as_ref().map(field::display),
            peer = field::Empty,
        )
    }
}

/// Returns whether the level of the per-frame events may be enabled. This check costs six
/// instructions where an event would be recorded, and nothing in a program that leaves the level
/// out.
#[inline]
fn tells_of_frames() -> bool {
    LevelFilter::TRACE <= STATIC_MAX_LEVEL && LevelFilter::TRACE <= LevelFilter::current()
}

/// What one direction of a connection records.
#[derive(Debug)]
pub(super) struct Telemetry {
    span: Span,
    counters: ConnectionStats,
}

impl Telemetry {
    /// Returns the telemetry of the receiving and of the sending direction.
    pub(super) fn pair(origin: &Origin) -> (Self, Self) {
        let span = origin.span();
        let counters =
            ConnectionStats { retries: origin.retries.into(), ..ConnectionStats::default() };
        let receiving = Self { span: span.clone(), counters: ConnectionStats::default() };
        (receiving, Self { span, counters })
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    pub(super) fn stats(&self) -> ConnectionStats {
        self.counters
    }

    #[inline]
    pub(super) fn sent(&mut self, len: usize) {
        if tells_of_frames() {
            self.trace_sent(len);
        }
        self.counters.messages_sent += 1;
        self.counters.bytes_sent += len as u64;
    }

    #[inline]
    pub(super) fn received(&mut self, len: usize) {
        if tells_of_frames() {
            self.trace_received(len);
        }
        self.counters.messages_received += 1;
        self.counters.bytes_received += len as u64;
    }

    #[cold]
    fn trace_sent(&self, len: usize) {
        let frame = self.counters.messages_sent + 1;
        self.span.in_scope(|| trace!(frame, len, "sending"));
    }

    #[cold]
    fn trace_received(&self, len: usize) {
        self.span.in_scope(|| trace!(frame = self.frame(), len, "received"));
    }

    /// Returns the number of the frame that is arriving, counted from 1.
    fn frame(&self) -> u64 {
        self.counters.messages_received + self.counters.corrupt_frames + 1
    }

    /// Records that a frame with a payload of `len` bytes was skipped.
    #[cold]
    pub(super) fn corrupt(&mut self, error: FrameError, len: usize) {
        let frame = self.frame();
        let cause = match error {
            FrameError::ChecksumMissing { .. } => "no checksum",
            _ => "wrong checksum",
        };
        self.span.in_scope(|| debug!(frame, len, cause, "corrupt frame"));
        self.counters.corrupt_frames += 1;
    }

    /// Records that the peer has closed its end, after a whole frame.
    #[cold]
    pub(super) fn peer_closed(&self) {
        let ConnectionStats { messages_received, bytes_received, .. } = self.counters;
        self.span.in_scope(|| debug!(messages_received, bytes_received, "the peer has closed"));
    }

    /// Records that nothing more can be received.
    #[cold]
    pub(super) fn receiving_failed(&self, error: &Error) {
        let frame = self.frame();
        let _in_span = self.span.enter();
        match error {
            Error::Frame(FrameError::LengthMismatch { expected, fits, .. }) => {
                let fits = fits.map(field::display);
                debug!(frame, %expected, fits, "lengths do not fit");
            }
            Error::Frame(FrameError::NoDialect { .. }) => {
                debug!(frame, "the first header fits no dialect");
            }
            Error::Frame(FrameError::TooLarge { len, max }) => {
                debug!(frame, len, max, "frame too large");
            }
            Error::Frame(FrameError::Truncated { have, need }) => {
                debug!(frame, have, need, "ended inside a frame");
            }
            Error::FrameTimedOut { timeout, have, need } => {
                debug!(frame, have, need, ?timeout, "frame timed out");
            }
            Error::IdleTimedOut { timeout } => debug!(frame, ?timeout, "idle for too long"),
            Error::Io { source, .. } => debug!(frame, error = %source, "reading failed"),
            _ => debug!(frame, "receiving failed"),
        }
    }

    /// Records that nothing more can be sent.
    #[cold]
    pub(super) fn sending_failed(&self, error: &std::io::Error) {
        self.span.in_scope(|| debug!(%error, "writing failed"));
    }

    /// Records that a close or a drain is over.
    #[cold]
    pub(super) fn drained(&self, operation: Operation, outcome: &Result<DrainOutcome, Error>) {
        let (outcome, unread) = match outcome {
            Ok(DrainOutcome::Drained) => ("drained", None),
            Ok(DrainOutcome::Flushed) => ("flushed", None),
            Ok(DrainOutcome::TimedOut { unread }) => ("timed out", *unread),
            Ok(DrainOutcome::PeerGone) => ("peer gone", None),
            Err(error) if error.is_closed() => ("peer gone", None),
            Err(_) => ("failed", None),
        };
        let ConnectionStats { messages_sent, bytes_sent, .. } = self.counters;
        self.span.in_scope(|| match operation {
            Operation::Drain => {
                debug!(outcome, unread, messages_sent, bytes_sent, "drain");
            }
            _ => debug!(outcome, unread, messages_sent, bytes_sent, "close"),
        });
    }
}
