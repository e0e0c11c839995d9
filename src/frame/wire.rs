//! A frame's header and trailer, as pure functions on fixed-size arrays.

use super::{
    FrameError,
    dialect::{ByteOrder, Dialect},
};

/// A frame's first eight bytes as a value: the length of its payload.
///
/// The message length is not kept: in a header that was decoded it follows from the payload's
/// length.
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

    /// Returns the header's bytes. The length is at most [`MAX_PAYLOAD_LIMIT`]: the caller has
    /// checked it.
    #[inline]
    pub(crate) fn encode(self, dialect: Dialect) -> [u8; Self::LEN] {
        let message_len = self.payload_len.wrapping_add(dialect.length_rule.surplus());
        let (first, second) = (u64::from(message_len), u64::from(self.payload_len));
        match dialect.byte_order.is_big() {
            true => (first << u32::BITS | second).to_be_bytes(),
            false => (second << u32::BITS | first).to_le_bytes(),
        }
    }

    /// Reads a header in one dialect. Returns `None` if [`decode`](Self::decode) returns an error.
    #[inline]
    pub(crate) fn read(bytes: [u8; Self::LEN], dialect: Dialect, max_payload: u32) -> Option<Self> {
        let (message_len, payload_len) = lengths(bytes, dialect.byte_order);
        let surplus = message_len.wrapping_sub(payload_len);
        // `max_payload` is at most u32::MAX - 12, so no accepted header has wrapped.
        (surplus == dialect.length_rule.surplus() && payload_len <= max_payload)
            .then_some(Self { payload_len })
    }

    /// Reads a header in one dialect, or returns what is wrong with it.
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

/// The largest payload that a format can be set to, in bytes: 2^32 - 13. The message length is four
/// bytes wide and counts up to 12 bytes more than the payload.
pub(crate) const MAX_PAYLOAD_LIMIT: u32 = u32::MAX - 12;

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
