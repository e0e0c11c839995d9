//! The bytes of a frame: everything that defines what stands on the wire is in this file, as pure
//! functions on fixed-size arrays. It knows no buffer and no I/O.
//!
//! | field | size | meaning |
//! |---|---|---|
//! | message length | 4 | size of the packet: see [`LengthRule`] |
//! | data length | 4 | size of the payload in bytes |
//! | payload | n | the data |
//! | CRC-32 | 4 | CRC-32/ISO-HDLC of the payload alone; 0 when the sender computes none |

use std::fmt;

use crate::error::{Error, FrameError};

/// The order of the bytes in a frame's three integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ByteOrder {
    /// Least significant byte first, the documented order.
    #[default]
    Little,
    /// Most significant byte first, as the Python module writes.
    Big,
    /// The order of the machine that this code was compiled for.
    Native,
}

impl ByteOrder {
    #[inline]
    const fn is_big(self) -> bool {
        match self {
            Self::Little => false,
            Self::Big => true,
            Self::Native => cfg!(target_endian = "big"),
        }
    }

    #[inline]
    const fn read(self, bytes: [u8; 4]) -> u32 {
        if self.is_big() { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    #[inline]
    const fn write(self, value: u32) -> [u8; 4] {
        if self.is_big() { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

/// What a frame's first field counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LengthRule {
    /// The whole packet: the payload and 12 bytes. The format's documentation says so.
    #[default]
    WholePacket,
    /// What follows the field itself: the payload and 8 bytes. The Python module does so.
    AfterItself,
}

impl LengthRule {
    #[inline]
    const fn surplus(self) -> u32 {
        match self {
            Self::WholePacket => 12,
            Self::AfterItself => 8,
        }
    }
}

/// A byte order and a length rule: one of the ways in which the frame is spoken.
///
/// Two [`ByteOrder::Native`] and a fixed order that mean the same bytes are equal only in what they
/// do, not by `==`; [`FrameCodec::dialect`](crate::FrameCodec::dialect) reports fixed orders when it
/// has detected them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Dialect {
    /// The order of the bytes in the three integers.
    pub byte_order: ByteOrder,
    /// What the first field counts.
    pub length_rule: LengthRule,
}

impl Dialect {
    /// Little-endian, length of the whole packet: what the format's documentation says, and this
    /// crate's default.
    pub const DOCUMENTED: Self =
        Self { byte_order: ByteOrder::Little, length_rule: LengthRule::WholePacket };

    /// Big-endian, length after itself: what PyPI `npipes` 1.0.1 speaks unless told otherwise.
    pub const NPIPES_1_0_1: Self =
        Self { byte_order: ByteOrder::Big, length_rule: LengthRule::AfterItself };

    /// Every reading of a header. At most one of them fits any eight bytes: in one byte order the
    /// two lengths differ by 8 or 12 in their least significant byte, which is the other order's
    /// most significant one, where lengths so close to each other differ by 1 at most.
    const ALL: [Self; 4] = [
        Self::DOCUMENTED,
        Self::NPIPES_1_0_1,
        Self { byte_order: ByteOrder::Little, length_rule: LengthRule::AfterItself },
        Self { byte_order: ByteOrder::Big, length_rule: LengthRule::WholePacket },
    ];
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = if self.byte_order.is_big() { "big-endian" } else { "little-endian" };
        match (self.length_rule, self.byte_order.is_big()) {
            (LengthRule::WholePacket, false) => {
                write!(f, "the documented dialect: {order}, length of the whole packet")
            }
            (LengthRule::AfterItself, true) => {
                write!(f, "the npipes 1.0.1 dialect: {order}, length after itself")
            }
            (LengthRule::WholePacket, true) => {
                write!(f, "a dialect of {order}, length of the whole packet")
            }
            (LengthRule::AfterItself, false) => {
                write!(f, "npipes 1.0.1's little-endian dialect: {order}, length after itself")
            }
        }
    }
}

/// A frame's first eight bytes as a value: how long its payload is.
///
/// The message length is not kept: in a header that decoded it follows from the payload's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) payload_len: u32,
}

impl Header {
    pub(crate) const LEN: usize = 8;

    /// Returns the length of the payload in bytes.
    #[inline]
    pub(crate) const fn len(self) -> usize {
        self.payload_len as usize
    }

    /// Returns the header's bytes. The caller has kept the length within [`MAX_PAYLOAD_LIMIT`].
    #[inline]
    pub(crate) fn encode(self, dialect: Dialect) -> [u8; Self::LEN] {
        let message_len = self.payload_len.wrapping_add(dialect.length_rule.surplus());
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&dialect.byte_order.write(message_len));
        bytes[4..].copy_from_slice(&dialect.byte_order.write(self.payload_len));
        bytes
    }

    /// Reads a header in one dialect; `None` for whatever [`decode`](Self::decode) refuses.
    #[inline]
    pub(crate) fn read(bytes: [u8; Self::LEN], dialect: Dialect, max_payload: u32) -> Option<Self> {
        let (message_len, payload_len) = lengths(bytes, dialect.byte_order);
        let surplus = message_len.wrapping_sub(payload_len);
        // No payload within the maximum, which leaves room for the surplus, makes this wrap.
        (surplus == dialect.length_rule.surplus() && payload_len <= max_payload)
            .then_some(Self { payload_len })
    }

    /// Reads a header in one dialect, or says what is wrong with it.
    pub(crate) fn decode(
        bytes: [u8; Self::LEN],
        dialect: Dialect,
        max_payload: u32,
    ) -> Result<Self, FrameError> {
        if let Some(header) = Self::read(bytes, dialect, max_payload) {
            return Ok(header);
        }
        let (message_len, data_len) = lengths(bytes, dialect.byte_order);
        if Self::read(bytes, dialect, MAX_PAYLOAD_LIMIT).is_some() {
            return Err(FrameError::TooLarge { len: data_len, max: max_payload });
        }
        let fits = Self::detect(bytes);
        Err(FrameError::LengthMismatch { message_len, data_len, expected: dialect, fits })
    }

    /// Returns the one dialect in which these bytes are a header.
    pub(crate) fn detect(bytes: [u8; Self::LEN]) -> Option<Dialect> {
        Dialect::ALL
            .into_iter()
            .find(|&dialect| Self::read(bytes, dialect, MAX_PAYLOAD_LIMIT).is_some())
    }
}

#[inline]
fn lengths(bytes: [u8; Header::LEN], order: ByteOrder) -> (u32, u32) {
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(message_len), Some(data_len)) => (order.read(*message_len), order.read(*data_len)),
        _ => unreachable!("a header is twice as long as either"),
    }
}

/// The CRC-32 that ends a frame, as bytes in the dialect's order.
pub(crate) struct Trailer;

impl Trailer {
    pub(crate) const LEN: usize = 4;

    #[inline]
    pub(crate) fn encode(crc: u32, dialect: Dialect) -> [u8; Self::LEN] {
        dialect.byte_order.write(crc)
    }

    #[inline]
    pub(crate) fn decode(bytes: [u8; Self::LEN], dialect: Dialect) -> u32 {
        dialect.byte_order.read(bytes)
    }
}

/// Bytes that a frame has beyond its payload.
pub(crate) const OVERHEAD: usize = Header::LEN + Trailer::LEN;

/// What the sender writes as a frame's CRC-32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SendChecksum {
    /// The CRC-32 of the payload.
    #[default]
    Compute,
    /// 0, which says that none was computed.
    Zero,
}

/// What the receiver does with a frame's CRC-32.
///
/// The CRC detects corruption. It is not authentication: whoever can write to the pipe can compute
/// it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ReceiveChecksum {
    /// Compares it with the payload's, and refuses 0 unless 0 is the payload's CRC-32.
    Require,
    /// Compares it with the payload's unless it is 0, which says that the sender computes none.
    #[default]
    CheckUnlessZero,
    /// Does not look at it.
    Ignore,
}

impl ReceiveChecksum {
    /// Decides on a frame whose trailer says `expected`; `actual` computes its payload's CRC-32.
    #[inline]
    pub(crate) fn judge(
        self,
        expected: u32,
        actual: impl FnOnce() -> u32,
    ) -> Result<(), FrameError> {
        if self == Self::Ignore || (self == Self::CheckUnlessZero && expected == 0) {
            return Ok(());
        }
        match actual() {
            actual if actual == expected => Ok(()),
            actual if expected == 0 => Err(FrameError::ChecksumMissing { actual }),
            actual => Err(FrameError::Checksum { expected, actual }),
        }
    }
}

/// The largest payload that any format can be told to carry, in bytes: 2^32 - 13, since the message
/// length is four bytes wide and counts up to 12 bytes more than the payload.
pub(crate) const MAX_PAYLOAD_LIMIT: u32 = u32::MAX - 12;

/// What a frame looks like and how large it may be: the dialect, the largest payload, and what
/// becomes of the checksum in each direction.
///
/// The default is the documented dialect, 16 MiB, a CRC-32 on everything sent, and checked on what
/// arrives unless it is 0.
///
/// # Examples
///
/// ```
/// use npipes::{Dialect, FrameFormat, SendChecksum};
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
    max_send: u32,
    pub(crate) send_checksum: SendChecksum,
    pub(crate) receive_checksum: ReceiveChecksum,
}

impl FrameFormat {
    /// The default for the largest payload, in bytes: 16 MiB. It bounds what one peer can make the
    /// receiver hold, and is twice what `LengthDelimitedCodec` allows.
    pub const DEFAULT_MAX_PAYLOAD: u32 = 16 * 1024 * 1024;

    /// What PyPI `npipes` 1.0.1 speaks and can read, as it comes: [`Dialect::NPIPES_1_0_1`], and
    /// nothing sent that is longer than 65,524 bytes, since it reads a frame with one `ReadFile` of
    /// 65,536. What it sends itself has no such limit.
    ///
    /// It reads a frame as one message of a message-type pipe: see `Ipc` and
    /// `ListenerOptions::for_npipes_1_0_1`. The CRC-32 is sent, since it then understands both `receive_message()` and
    /// `receive_message(crc=True)`; it sends none unless asked, so 0 is accepted.
    pub const NPIPES_1_0_1: Self = Self::new().dialect(Dialect::NPIPES_1_0_1).max_send(65_524);

    /// Returns the default format.
    pub const fn new() -> Self {
        Self {
            dialect: Dialect::DOCUMENTED,
            detect: false,
            max_payload: Self::DEFAULT_MAX_PAYLOAD,
            max_send: MAX_PAYLOAD_LIMIT,
            send_checksum: SendChecksum::Compute,
            receive_checksum: ReceiveChecksum::CheckUnlessZero,
        }
    }

    /// Speaks this dialect and no other. The default is [`Dialect::DOCUMENTED`].
    pub const fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self.detect = false;
        self
    }

    /// Takes the dialect from the first header that the peer sends, and answers in it. What is sent
    /// before that is in the dialect set so far.
    ///
    /// For a server that does not know who will call. A fixed dialect finds out sooner that a peer
    /// is not what it should be, so this is off by default.
    pub const fn detect_dialect(mut self) -> Self {
        self.detect = true;
        self
    }

    /// Refuses payloads longer than `len` bytes, in both directions: those of the peer end the
    /// connection, those of the caller are handed back unsent. The default is 16 MiB; more than
    /// 2^32 - 13, which the format cannot express, counts as that.
    pub const fn max_payload(mut self, len: u32) -> Self {
        self.max_payload = if len > MAX_PAYLOAD_LIMIT { MAX_PAYLOAD_LIMIT } else { len };
        self
    }

    /// Refuses to send payloads longer than `len` bytes, for a peer that can read less than it may
    /// send. The default is what [`max_payload`](Self::max_payload) says, which holds as well.
    pub const fn max_send(mut self, len: u32) -> Self {
        self.max_send = len;
        self
    }

    /// Sets what is written as a frame's CRC-32. The default is [`SendChecksum::Compute`].
    pub const fn send_checksum(mut self, policy: SendChecksum) -> Self {
        self.send_checksum = policy;
        self
    }

    /// Sets what becomes of the CRC-32 of a received frame. The default is
    /// [`ReceiveChecksum::CheckUnlessZero`].
    pub const fn receive_checksum(mut self, policy: ReceiveChecksum) -> Self {
        self.receive_checksum = policy;
        self
    }

    /// Returns the header of a frame for a payload of `len` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] for exactly what a receiver with the same format refuses, and for what
    /// [`max_send`](Self::max_send) forbids.
    #[inline]
    pub(crate) fn header(&self, len: usize) -> Result<Header, Error> {
        let max = self.max_payload.min(self.max_send);
        match u32::try_from(len) {
            Ok(payload_len) if payload_len <= max => Ok(Header { payload_len }),
            _ => Err(Error::TooLarge { len, max }),
        }
    }

    /// Returns what goes into the trailer of a frame with this payload.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_dialect() -> impl Strategy<Value = Dialect> {
        prop::sample::select(Dialect::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn no_header_fits_two_dialects(bytes: [u8; 8]) {
            let fitting = Dialect::ALL
                .into_iter()
                .filter(|&dialect| Header::read(bytes, dialect, MAX_PAYLOAD_LIMIT).is_some())
                .count();
            prop_assert!(fitting <= 1);
        }

        #[test]
        fn every_header_is_detected_as_what_it_is(
            payload_len in 0..=MAX_PAYLOAD_LIMIT,
            dialect in any_dialect(),
        ) {
            let bytes = Header { payload_len }.encode(dialect);
            prop_assert_eq!(Header::detect(bytes), Some(dialect));
            prop_assert_eq!(
                Header::decode(bytes, dialect, payload_len),
                Ok(Header { payload_len })
            );
        }
    }

    #[test]
    fn a_message_length_that_would_overflow_fits_no_dialect() {
        for payload_len in [u32::MAX, u32::MAX - 7] {
            let mut bytes = [0; 8];
            bytes[..4].copy_from_slice(&payload_len.wrapping_add(8).to_be_bytes());
            bytes[4..].copy_from_slice(&payload_len.to_be_bytes());
            assert_eq!(Header::detect(bytes), None);
        }
    }

    #[test]
    fn native_order_is_the_order_of_this_machine() {
        let native = Dialect { byte_order: ByteOrder::Native, ..Dialect::DOCUMENTED };
        let bytes = Header { payload_len: 5 }.encode(native);
        assert_eq!(bytes[..4], 17_u32.to_ne_bytes());
        assert_eq!(bytes[4..], 5_u32.to_ne_bytes());
    }
}
