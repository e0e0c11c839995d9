//! How many written bytes the peer may not have read, computed without asking the system.

/// What was written to a pipe.
///
/// A write is complete when all of it was read or found room in the pipe's buffer.
/// (`CreateNamedPipeW`: it blocks "until the data is read from the pipe so that the additional
/// buffer quota can be released".) No write begins before the last one is complete.
/// So the unread bytes are at most those that the buffer holds, and the last write.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written {
    total: u64,
    /// Bytes in the write that was begun last, which may not be complete.
    last: u64,
}

impl Written {
    /// Records that a write of `count` bytes was begun.
    pub(crate) fn note(&mut self, count: usize) {
        self.last = count as u64;
        self.total += self.last;
    }

    /// Returns how many bytes were written.
    #[cfg_attr(
        not(any(unix, windows, test)),
        expect(dead_code, reason = "only real pipes are asked by it")
    )]
    pub(crate) fn total(self) -> u64 {
        self.total
    }

    /// Returns how many written bytes are unread at most if the pipe's buffer holds `buffer` bytes.
    #[cfg_attr(
        not(any(windows, test, feature = "simulated")),
        expect(dead_code, reason = "a socket tells itself")
    )]
    pub(crate) fn unread_at_most(self, buffer: u64) -> u64 {
        self.total.min(self.last.saturating_add(buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_neither_the_buffer_nor_the_last_write_holds_was_read() {
        let mut written = Written::default();
        let unread: Vec<u64> = [10, 100, 1000, 1, 5]
            .into_iter()
            .map(|count| {
                written.note(count);
                written.unread_at_most(50)
            })
            .collect();
        assert_eq!(unread, [10, 110, 1050, 51, 55]);
        assert_eq!(written.total(), 1116);
    }
}
