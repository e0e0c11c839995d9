//! How much room to offer a read: grown while reads fill it, shrunk while they do not.

use bytes::BytesMut;

/// The size of the room offered to the next read.
///
/// mio's reads from a pipe are as large as the caller's last buffer, between 4 and 64 KiB, and one is
/// always outstanding. So a fixed small room costs a system call every few KiB of a fast stream, and
/// a fixed large one costs 64 KiB for each idle connection.
#[derive(Debug, Clone)]
pub(crate) struct ReadWindow {
    size: usize,
    /// Bytes that were in the buffer when room was last made.
    before: Option<usize>,
}

impl ReadWindow {
    /// The smallest room in bytes; what `Framed` starts with.
    const MIN: usize = 8 * 1024;

    /// The largest room in bytes; mio reads no more at once.
    const MAX: usize = 64 * 1024;

    pub(crate) const fn new() -> Self {
        Self { size: Self::MIN, before: None }
    }

    /// Takes note that the buffer holds `len` bytes now, if room was made since the last call.
    pub(crate) fn read(&mut self, len: usize) {
        let Some(before) = self.before.take() else {
            return;
        };
        let arrived = len.saturating_sub(before);
        if arrived >= self.size {
            self.size = (self.size * 2).min(Self::MAX);
        } else if arrived < self.size / 4 {
            self.size = (self.size / 2).max(Self::MIN);
        }
    }

    /// Makes room in `buffer` for a read, `missing` bytes short of the end of a frame.
    ///
    /// Beyond the window the room doubles what has arrived, and no more than is missing: what a peer
    /// merely announces costs nothing.
    pub(crate) fn open(&mut self, buffer: &mut BytesMut, missing: usize) {
        buffer.reserve(self.size.max(missing.min(buffer.len())));
        self.before = Some(buffer.len());
    }
}
