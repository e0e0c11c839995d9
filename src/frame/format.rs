//! The format of a frame for a codec, and its largest size.

use super::{
    checksum::{ReceiveChecksum, SendChecksum},
    dialect::Dialect,
    error::TooLarge,
    wire::{Header, MAX_PAYLOAD_LIMIT},
};

/// The format of a frame and its largest size: the dialect, the largest payload, and what is done
/// with the checksum in each direction.
///
/// The default is the documented dialect and 16 MiB. Every sent frame has a CRC-32. The CRC-32 of a
/// received frame is checked unless it is 0.
///
/// # Examples
///
/// ```
/// use npipes::frame::{Dialect, FrameFormat, SendChecksum};
///
/// const FORMAT: FrameFormat = FrameFormat::new()
///     .dialect(Dialect::NPIPES_1_0_1)
///     .max_payload(65_524)
///     .send_checksum(SendChecksum::Zero);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub struct FrameFormat {
    pub(crate) dialect: Dialect,
    pub(crate) detect: bool,
    pub(crate) max_payload: u32,
    /// `None` until it is set.
    max_send: Option<u32>,
    pub(crate) send_checksum: SendChecksum,
    pub(crate) receive_checksum: ReceiveChecksum,
}

impl FrameFormat {
    /// The default for the largest payload, in bytes: 16 MiB. It bounds what one peer can make the
    /// receiver hold, and is twice what `LengthDelimitedCodec` allows.
    pub const DEFAULT_MAX_PAYLOAD: u32 = 16 * 1024 * 1024;

    /// The default for the largest payload that is sent in its own write, in bytes: 4 MiB.
    ///
    /// The kernel takes a write whole, whatever the pipe's quota is. It keeps it in memory that is
    /// never paged out until the peer has read it. For a longer write there may be no such memory
    /// (`ERROR_NO_SYSTEM_RESOURCES`, 1450), which ends the connection. Or the write may take this
    /// memory from others.
    pub const DEFAULT_MAX_PER_WRITE: u32 = 4 * 1024 * 1024;

    /// What PyPI `npipes` 1.0.1 speaks and can read without options: [`Dialect::NPIPES_1_0_1`], and
    /// no payload longer than 65,524 bytes sent to it, since it reads a frame with one `ReadFile`
    /// of 65,536 bytes. What the module itself sends has no such limit.
    ///
    /// The module reads a frame as one message of a message-type pipe: see `Ipc` and
    /// `ListenerOptions::for_npipes_1_0_1`. The CRC-32 is sent, since both `receive_message()` and
    /// `receive_message(crc=True)` then accept the frame. The module sends no CRC-32 by default, so
    /// 0 is accepted.
    pub const NPIPES_1_0_1: Self = Self::new().dialect(Dialect::NPIPES_1_0_1).max_send(65_524);

    /// Returns the default format.
    pub const fn new() -> Self {
        Self {
            dialect: Dialect::DOCUMENTED,
            detect: false,
            max_payload: Self::DEFAULT_MAX_PAYLOAD,
            max_send: None,
            send_checksum: SendChecksum::Compute,
            receive_checksum: ReceiveChecksum::CheckUnlessZero,
        }
    }

    /// Sets the only dialect. The default is [`Dialect::DOCUMENTED`].
    pub const fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self.detect = false;
        self
    }

    /// Sets whether the dialect is taken from the first header that the peer sends, and answered in.
    /// What is sent before that is in the dialect set so far. The default is `false`.
    ///
    /// If the first header fits no dialect, the stream ends with
    /// [`FrameError::NoDialect`](super::FrameError::NoDialect).
    ///
    /// It is for a server that does not know who will call. A fixed dialect finds out sooner that a
    /// peer is not what it should be.
    pub const fn detect_dialect(mut self, detect: bool) -> Self {
        self.detect = detect;
        self
    }

    /// Sets the largest payload in bytes, in both directions. A longer payload of the peer ends the
    /// connection. A longer payload of the caller is refused before anything is written. The default
    /// is 16 MiB. The format cannot express more than 2^32 - 13: a larger value counts as that.
    pub const fn max_payload(mut self, len: u32) -> Self {
        self.max_payload = if len > MAX_PAYLOAD_LIMIT { MAX_PAYLOAD_LIMIT } else { len };
        self
    }

    /// Sets the largest payload to send in bytes, for a peer that can read less than it may send.
    /// The default is the value of [`max_payload`](Self::max_payload), which also applies if this
    /// is set. If each frame is sent in its own write, as on a message-type pipe, the default is at
    /// most [`DEFAULT_MAX_PER_WRITE`](Self::DEFAULT_MAX_PER_WRITE).
    pub const fn max_send(mut self, len: u32) -> Self {
        self.max_send = Some(len);
        self
    }

    /// Returns the format for frames that are each sent in one write.
    pub(crate) fn one_write(mut self) -> Self {
        self.max_send.get_or_insert(Self::DEFAULT_MAX_PER_WRITE);
        self
    }

    /// Sets what is written as a frame's CRC-32. The default is [`SendChecksum::Compute`].
    pub const fn send_checksum(mut self, policy: SendChecksum) -> Self {
        self.send_checksum = policy;
        self
    }

    /// Sets what is done with the CRC-32 of a received frame. The default is
    /// [`ReceiveChecksum::CheckUnlessZero`].
    pub const fn receive_checksum(mut self, policy: ReceiveChecksum) -> Self {
        self.receive_checksum = policy;
        self
    }

    /// Returns the header of a frame for a payload of `len` bytes.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] for exactly the payloads that a receiver with the same format refuses, and for
    /// those that [`max_send`](Self::max_send) forbids.
    #[inline]
    pub(crate) fn header(&self, len: usize) -> Result<Header, TooLarge> {
        let max = self.max_send.map_or(self.max_payload, |max| max.min(self.max_payload));
        match u32::try_from(len) {
            Ok(payload_len) if payload_len <= max => Ok(Header { payload_len }),
            _ => Err(TooLarge { len, max }),
        }
    }

    /// Returns the CRC-32 for the trailer of a frame with this payload.
    #[inline]
    pub(crate) fn checksum(&self, payload: &[u8]) -> u32 {
        match self.send_checksum {
            SendChecksum::Compute => crc32fast::hash(payload),
            SendChecksum::Zero => 0,
        }
    }
}

impl Default for FrameFormat {
    fn default() -> Self {
        Self::new()
    }
}
