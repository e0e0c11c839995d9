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
    const fn is_big(self) -> bool {
        match self {
            Self::Little => false,
            Self::Big => true,
            Self::Native => cfg!(target_endian = "big"),
        }
    }

    const fn read(self, bytes: [u8; 4]) -> u32 {
        if self.is_big() { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

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
    pub(crate) const fn len(self) -> usize {
        self.payload_len as usize
    }

    /// Returns the header's bytes. The caller has kept the length within [`MAX_PAYLOAD_LIMIT`].
    pub(crate) fn encode(self, dialect: Dialect) -> [u8; Self::LEN] {
        let message_len = self.payload_len.saturating_add(dialect.length_rule.surplus());
        let [a, b, c, d] = dialect.byte_order.write(message_len);
        let [e, f, g, h] = dialect.byte_order.write(self.payload_len);
        [a, b, c, d, e, f, g, h]
    }

    /// Reads a header in one dialect.
    pub(crate) fn decode(bytes: [u8; Self::LEN], dialect: Dialect) -> Result<Self, FrameError> {
        let (message_len, payload_len) = lengths(bytes, dialect.byte_order);
        if payload_len.checked_add(dialect.length_rule.surplus()) == Some(message_len) {
            return Ok(Self { payload_len });
        }
        Err(FrameError::LengthMismatch {
            message_len,
            data_len: payload_len,
            expected: dialect,
            fits: Self::detect(bytes),
        })
    }

    /// Returns the one dialect in which these bytes are a header.
    pub(crate) fn detect(bytes: [u8; Self::LEN]) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|dialect| {
            let (message_len, payload_len) = lengths(bytes, dialect.byte_order);
            payload_len.checked_add(dialect.length_rule.surplus()) == Some(message_len)
        })
    }
}

fn lengths(bytes: [u8; Header::LEN], order: ByteOrder) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = bytes;
    (order.read([a, b, c, d]), order.read([e, f, g, h]))
}

/// The CRC-32 that ends a frame, as bytes in the dialect's order.
pub(crate) struct Trailer;

impl Trailer {
    pub(crate) const LEN: usize = 4;

    pub(crate) fn encode(crc: u32, dialect: Dialect) -> [u8; Self::LEN] {
        dialect.byte_order.write(crc)
    }

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
    /// Decides on a frame whose trailer says `expected` and whose payload has the CRC-32 `actual`.
    pub(crate) fn judge(self, expected: u32, actual: u32) -> Result<(), FrameError> {
        match self {
            Self::Ignore => Ok(()),
            Self::CheckUnlessZero if expected == 0 => Ok(()),
            Self::Require | Self::CheckUnlessZero if expected == actual => Ok(()),
            Self::Require if expected == 0 => Err(FrameError::ChecksumMissing { actual }),
            Self::Require | Self::CheckUnlessZero => Err(FrameError::Checksum { expected, actual }),
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
    pub(crate) send_checksum: SendChecksum,
    pub(crate) receive_checksum: ReceiveChecksum,
}

impl FrameFormat {
    /// The default for the largest payload, in bytes: 16 MiB. It bounds what one peer can make the
    /// receiver hold, and is twice what `LengthDelimitedCodec` allows.
    pub const DEFAULT_MAX_PAYLOAD: u32 = 16 * 1024 * 1024;

    /// Returns the default format.
    pub const fn new() -> Self {
        Self {
            dialect: Dialect::DOCUMENTED,
            detect: false,
            max_payload: Self::DEFAULT_MAX_PAYLOAD,
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

    /// Returns the bytes that go before and after a payload.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] for exactly what a receiver with the same format refuses.
    pub(crate) fn envelope(
        &self,
        dialect: Dialect,
        payload: &[u8],
    ) -> Result<([u8; Header::LEN], [u8; Trailer::LEN]), Error> {
        let (len, max) = (payload.len(), self.max_payload);
        let payload_len = match u32::try_from(len) {
            Ok(payload_len) if payload_len <= max => payload_len,
            _ => return Err(Error::TooLarge { len, max }),
        };
        let crc = match self.send_checksum {
            SendChecksum::Compute => crc32fast::hash(payload),
            SendChecksum::Zero => 0,
        };
        Ok((Header { payload_len }.encode(dialect), Trailer::encode(crc, dialect)))
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
                .filter(|&dialect| Header::decode(bytes, dialect).is_ok())
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
            prop_assert_eq!(Header::decode(bytes, dialect), Ok(Header { payload_len }));
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
