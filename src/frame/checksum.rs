//! What is done with a frame's CRC-32 in each direction.

use super::FrameError;

/// What the sender writes as a frame's CRC-32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SendChecksum {
    /// The CRC-32 of the payload.
    #[default]
    Compute,
    /// 0, which means that no CRC-32 was computed.
    Zero,
}

/// What the receiver does with a frame's CRC-32.
///
/// The CRC detects corruption. It is not authentication: whoever can write to the pipe can compute
/// it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ReceiveChecksum {
    /// Compares it with the payload's CRC-32, and refuses 0 unless 0 is the payload's CRC-32.
    Require,
    /// Compares it with the payload's CRC-32, unless it is 0, which means that the sender computes
    /// none.
    #[default]
    CheckUnlessZero,
    /// Does not check it.
    Ignore,
}

impl ReceiveChecksum {
    /// Judges a frame whose trailer contains `expected`. `actual` computes the CRC-32 of its
    /// payload.
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
