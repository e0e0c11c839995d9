//! How much to hand to one write: no more than keeps an idle connection small, until a stream is long.

use crate::frame::OVERHEAD;

/// The most bytes handed to the next write.
///
/// mio copies all it is given into a buffer that it keeps until the pipe is closed, as long as the
/// longest write. So the limit only grows, and only for a stream that is worth the memory. The later
/// limit is no more than four times the first: that buffer grows by doubling.
#[derive(Debug, Clone)]
pub(super) struct WriteLimit {
    first: usize,
    later: usize,
    /// How many writes have reached the first limit.
    full: u32,
}

impl WriteLimit {
    /// The limit of the first writes, in bytes, if the send buffer is not smaller: a frame with 64 KiB
    /// of payload is whole, and an idle connection keeps as much of writes as of reads.
    const FIRST: usize = 64 * 1024 + OVERHEAD;

    /// After so many full writes, 4 MiB, a stream is long.
    const LONG_STREAM: u32 = 64;

    /// The limit in a long stream, in bytes: a frame with 256 KiB of payload is whole.
    const LATER: usize = 256 * 1024 + OVERHEAD;

    /// A smaller send buffer, in bytes, asks for little memory: it keeps the first limit for ever.
    const LARGE_BUFFER: usize = 64 * 1024;

    /// The least limit, in bytes, however small the send buffer is.
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

    /// Returns the limit of the write after `full` full ones.
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
