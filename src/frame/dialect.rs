//! The variants of the frame: byte order, and what the first field counts.

use std::fmt;

/// The order of the bytes in a frame's three integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ByteOrder {
    /// Least significant byte first. The format's documentation names this order.
    #[default]
    Little,
    /// Most significant byte first, as the Python module writes.
    Big,
    /// The order of the machine that this code was compiled for.
    Native,
}

impl ByteOrder {
    #[inline]
    pub(super) const fn is_big(self) -> bool {
        match self {
            Self::Little => false,
            Self::Big => true,
            Self::Native => cfg!(target_endian = "big"),
        }
    }

    #[inline]
    pub(super) const fn read(self, bytes: [u8; 4]) -> u32 {
        if self.is_big() { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    #[inline]
    pub(super) const fn write(self, value: u32) -> [u8; 4] {
        if self.is_big() { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

/// What a frame's first field counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LengthRule {
    /// The whole packet: the payload and 12 bytes. The format's documentation names this rule.
    #[default]
    WholePacket,
    /// The bytes after the field itself: the payload and 8 bytes. The Python module uses this rule.
    AfterItself,
}

impl LengthRule {
    #[inline]
    pub(super) const fn surplus(self) -> u32 {
        match self {
            Self::WholePacket => 12,
            Self::AfterItself => 8,
        }
    }
}

/// A byte order and a length rule: one variant of the frame.
///
/// [`ByteOrder::Native`] and a fixed order may mean the same bytes, but `==` says that they differ.
/// [`FrameCodec::dialect`](crate::FrameCodec::dialect) reports fixed orders when it has detected
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Dialect {
    /// The order of the bytes in the three integers.
    pub byte_order: ByteOrder,
    /// What the first field counts.
    pub length_rule: LengthRule,
}

impl Dialect {
    /// Little-endian, length of the whole packet. The format's documentation names this dialect,
    /// and it is this crate's default.
    pub const DOCUMENTED: Self =
        Self { byte_order: ByteOrder::Little, length_rule: LengthRule::WholePacket };

    /// Big-endian, length of the bytes after the field. PyPI `npipes` 1.0.1 speaks it by default.
    pub const NPIPES_1_0_1: Self =
        Self { byte_order: ByteOrder::Big, length_rule: LengthRule::AfterItself };

    /// Every reading of a header. At most one of them fits any eight bytes. If a reading fits in
    /// one byte order, the two lengths differ by 8 or 12, and so do their least significant bytes.
    /// In the other byte order, these are the most significant bytes. But for a reading that fits
    /// in that order, the most significant bytes differ by 1 at most.
    pub(super) const ALL: [Self; 4] = [
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
