//! The size of one write: small enough for a small idle connection, until a stream is long.

use crate::frame::OVERHEAD;

/// The most bytes handed to the next write.
///
/// mio copies all that goes through it into a buffer as long as the longest write, and keeps this
/// buffer until the pipe is closed. So the limit only grows, and only for a stream that is worth
/// the memory. The later limit is at most four times the first, since that buffer grows by
/// doubling.
#[derive(Debug, Clone)]
pub(super) struct WriteLimit {
    first: usize,
    later: usize,
    /// How many writes have reached the first limit.
    full: u32,
}

impl WriteLimit {
    /// The limit of the first writes, in bytes, if the send buffer is not smaller. A frame with 64
    /// KiB of payload fits into one write, and an idle connection keeps as much memory for writes
    /// as for reads.
    const FIRST: usize = 64 * 1024 + OVERHEAD;

    /// The number of full writes after which a stream is long: 4 MiB.
    const LONG_STREAM: u32 = 64;

    /// The limit in a long stream, in bytes. A frame with 256 KiB of payload fits into one write.
    const LATER: usize = 256 * 1024 + OVERHEAD;

    /// The smallest send buffer, in bytes, whose limit grows. A smaller one asks for little memory
    /// and keeps the first limit for ever.
    const LARGE_BUFFER: usize = 64 * 1024;

    /// The smallest limit, in bytes, however small the send buffer is.
    const LEAST: usize = 4 * 1024;

    pub(super) fn new(send_buffer: usize) -> Self {
        let twice = send_buffer.saturating_mul(2).saturating_add(OVERHEAD);
        let first = twice.clamp(Self::LEAST, Self::FIRST);
        let later = if send_buffer < Self::LARGE_BUFFER { first } else { Self::LATER };
        Self { first, later, full: 0 }
    }

    /// Returns the most bytes to hand to the next write.
    pub(super) fn get(&self) -> usize {
        if self.full < Self::LONG_STREAM { self.first } else { self.later }
    }

    /// Records a write of `count` bytes.
    pub(super) fn wrote(&mut self, count: usize) {
        if count >= self.first {
            self.full = self.full.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the limit of the write after `full` full writes.
    fn limit_after(full: u32, send_buffer: usize) -> usize {
        let mut limit = WriteLimit::new(send_buffer);
        for _ in 0..full {
            limit.wrote(WriteLimit::FIRST);
        }
        limit.get()
    }

    #[test]
    fn it_grows_once_4_mib_went_out_in_full_writes() {
        assert_eq!(limit_after(63, usize::MAX), 65_548);
        assert_eq!(limit_after(64, usize::MAX), 262_156);
        assert_eq!(limit_after(1_000_000, usize::MAX), 262_156);
    }

    #[test]
    fn writes_that_are_not_full_leave_it_as_it_is() {
        let mut limit = WriteLimit::new(usize::MAX);
        for _ in 0..1_000_000 {
            limit.wrote(WriteLimit::FIRST - 1);
        }
        assert_eq!(limit.get(), 65_548);
    }

    #[test]
    fn a_small_send_buffer_keeps_it_small_for_ever() {
        let small = [(0, 4096), (1, 4096), (10_000, 20_012), (32_768, 65_548), (65_535, 65_548)];
        for (send_buffer, limit) in small {
            assert_eq!(limit_after(0, send_buffer), limit);
            assert_eq!(limit_after(1000, send_buffer), limit);
        }
        assert_eq!(limit_after(64, 65_536), 262_156);
    }
}
