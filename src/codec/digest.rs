//! A checksum that is computed as bytes arrive.

/// The CRC-32 of a payload that is still arriving.
///
/// Bytes that have arrived are added at once, while the processor's cache still holds them. A
/// payload that arrives whole is added in one step.
#[derive(Debug, Clone)]
pub(super) struct Digest {
    hasher: Option<crc32fast::Hasher>,
    hashed: usize,
}

impl Digest {
    /// The fewest bytes that are worth a separate step.
    const STEP: usize = 4 * 1024;

    pub(super) const fn new() -> Self {
        Self { hasher: None, hashed: 0 }
    }

    pub(super) fn update(&mut self, arrived: &[u8]) {
        if arrived.len() - self.hashed >= Self::STEP {
            self.hasher.get_or_insert_default().update(&arrived[self.hashed..]);
            self.hashed = arrived.len();
        }
    }

    pub(super) fn finish(&mut self, payload: &[u8]) -> u32 {
        match self.hasher.take() {
            None => crc32fast::hash(payload),
            Some(mut hasher) => {
                hasher.update(&payload[self.hashed..]);
                hasher.finalize()
            }
        }
    }
}
