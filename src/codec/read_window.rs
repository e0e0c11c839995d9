//! How much room to offer a read: more while reads fill it, less while they do not.

use bytes::BytesMut;

/// The size of the room offered to the next read.
///
/// mio's reads from a pipe are as large as the caller's last buffer, between 4 and 64 KiB, and one
/// read is always in progress. So a small fixed room costs a system call every few KiB of a fast
/// stream, and a large fixed room costs 64 KiB for each idle connection.
#[derive(Debug, Clone)]
pub(crate) struct ReadWindow {
    size: usize,
    /// How many reads in a row have filled less than a quarter of the room.
    small: u32,
    /// The size in bytes of the last frame that arrived in several reads.
    usual: usize,
    offer: Option<Offer>,
}

/// The state of the buffer when room was last made.
#[derive(Debug, Clone, Copy)]
struct Offer {
    len: usize,
    room: usize,
}

impl ReadWindow {
    /// The smallest room in bytes. An idle reader may keep it, so a small message that comes alone
    /// needs no new buffer. mio still reads 4 KiB at once.
    pub(crate) const MIN: usize = 512;

    /// The largest room in bytes. mio reads no more at once.
    const MAX: usize = 64 * 1024;

    /// The number of small reads in a row that shrink the room. One small read alone is the end of
    /// a batch.
    const SMALL_READS: u32 = 4;

    /// The size in bytes of the buffers for long frames in a stream that fills the largest room.
    /// The rest at the end of a buffer is copied to the next buffer, so there should be few
    /// buffers.
    const ARENA: usize = 4 * Self::MAX;

    /// The size in bytes from which a frame counts as long, since it leaves much over at the end of
    /// a buffer.
    const LONG: usize = 8 * 1024;

    pub(crate) const fn new() -> Self {
        Self { size: Self::MIN, small: 0, usual: 0, offer: None }
    }

    /// Records that the buffer holds `len` bytes now, if room was made since the last call.
    #[inline]
    pub(crate) fn read(&mut self, len: usize) {
        let Some(offer) = self.offer.take() else { return };
        let arrived = len.saturating_sub(offer.len);
        if arrived >= offer.room {
            self.size = (self.size * 2).min(Self::MAX);
            self.small = 0;
        } else if arrived >= self.size / 4 {
            self.small = 0;
        } else if arrived > 0 {
            self.small += 1;
            if self.small == Self::SMALL_READS {
                self.size = (self.size / 2).max(Self::MIN);
                self.small = 0;
            }
        }
    }

    /// Records that a frame of `len` bytes, which took several reads, is complete.
    pub(crate) fn complete(&mut self, len: usize) {
        self.usual = len;
    }

    /// Makes room in `buffer` for a read, with `missing` bytes missing to the end of a frame.
    ///
    /// The room beyond the window is for the rest of the frame if the peer has already sent frames
    /// of this size. Otherwise it is for as much again as has arrived. An announcement alone costs
    /// nothing.
    pub(crate) fn open(&mut self, buffer: &mut BytesMut, missing: usize) {
        let len = buffer.len();
        let rest = missing.min(self.usual.max(len));
        let least = self.size.max(rest);
        // An eighth less is enough: a peer that sends byte by byte must not make the buffer grow.
        if buffer.capacity() - len < least - least / 8 && !buffer.try_reclaim(least) {
            buffer.reserve(self.ample().max(rest));
        }
        self.offer = Some(Offer { len, room: (buffer.capacity() - len).min(self.size) });
    }

    /// Returns the size of a new buffer. An idle connection gives its buffer back. So a stream that
    /// pauses after each batch pays for a new buffer each time, and the buffer is no larger than
    /// the stream fills.
    fn ample(&self) -> usize {
        match self.usual {
            _ if self.size < Self::MAX => self.size,
            0..Self::LONG => Self::MAX + Self::LONG,
            usual => Self::ARENA.max(usual + Self::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `share` eighths of the offered room, consumes it, and returns the size of the room.
    fn read(window: &mut ReadWindow, share: usize) -> usize {
        let mut buffer = BytesMut::new();
        window.open(&mut buffer, 8);
        let room = window.offer.unwrap().room;
        assert!(buffer.capacity() >= room);
        window.read(room * share / 8);
        room
    }

    #[test]
    fn full_reads_grow_the_room_up_to_64_kib() {
        let mut window = ReadWindow::new();
        let rooms: Vec<usize> = (0..9).map(|_| read(&mut window, 8)).collect();
        assert_eq!(rooms, [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 65_536]);
    }

    /// Returns a window that has its largest size.
    fn grown() -> ReadWindow {
        let mut window = ReadWindow::new();
        while window.size < ReadWindow::MAX {
            read(&mut window, 8);
        }
        window
    }

    #[test]
    fn an_eighth_less_than_the_room_is_enough_and_can_be_filled() {
        let unread = 100;
        for (free, kept) in [(448, true), (447, false)] {
            let mut window = ReadWindow::new();
            let mut buffer = BytesMut::with_capacity(unread + free);
            buffer.resize(unread, 0);
            window.open(&mut buffer, 8);
            assert_eq!(buffer.capacity() == unread + free, kept, "{free} bytes");
            window.read(unread + if kept { free } else { ReadWindow::MIN });
            assert_eq!(read(&mut window, 8), 1024, "{free} bytes");
        }
    }

    #[test]
    fn a_new_buffer_is_larger_only_where_reads_are_full_and_frames_long() {
        let mut window = grown();
        for (usual, size) in [
            (0, 72 * 1024),
            (8 * 1024 - 1, 72 * 1024),
            (8 * 1024, 256 * 1024),
            (192 * 1024, 256 * 1024),
            (1024 * 1024, 1088 * 1024),
        ] {
            window.complete(usual);
            assert_eq!(window.ample(), size, "frames of {usual} bytes");
        }
        let mut window = ReadWindow::new();
        window.complete(1024 * 1024);
        assert_eq!(window.ample(), 512);
    }

    /// Returns the rooms in KiB for these reads, in a stream that has filled the largest room.
    fn rooms_after_full_reads(shares: &[usize]) -> Vec<usize> {
        let mut window = grown();
        shares.iter().map(|share| read(&mut window, *share) / 1024).collect()
    }

    #[test]
    fn four_small_reads_in_a_row_shrink_it() {
        let rooms = rooms_after_full_reads(&[[1; 4], [1; 4], [1; 4], [1; 4]].concat());
        let expected = [[64; 4], [32; 4], [16; 4], [8; 4]].concat();
        assert_eq!(rooms, expected);
    }

    #[test]
    fn the_ends_of_batches_do_not_shrink_it() {
        for batch in [[8, 1], [4, 1]] {
            let rooms = rooms_after_full_reads(&batch.repeat(8));
            assert_eq!(rooms, [64; 16], "{batch:?}");
        }
    }

    #[test]
    fn reads_that_find_nothing_yet_do_not_shrink_it() {
        assert_eq!(rooms_after_full_reads(&[0; 16]), [64; 16]);
    }

    #[test]
    fn a_frame_as_long_as_one_before_gets_its_room_at_once() {
        let mut window = ReadWindow::new();
        window.complete(1 << 20);
        let mut buffer = BytesMut::new();
        window.open(&mut buffer, 1 << 19);
        assert!(buffer.capacity() >= 1 << 19);
        let mut buffer = BytesMut::new();
        window.open(&mut buffer, 1 << 30);
        assert!(buffer.capacity() <= 1 << 20);
    }

    #[test]
    fn a_stream_of_small_frames_needs_one_buffer_of_one_window() {
        let mut window = grown();
        let mut buffer = BytesMut::new();
        window.open(&mut buffer, 8);
        let (start, capacity) = (buffer.as_ptr(), buffer.capacity());
        assert!(capacity <= ReadWindow::MAX + ReadWindow::LONG);
        for _ in 0..100 {
            buffer.resize(buffer.len() + ReadWindow::MAX, 0);
            window.read(buffer.len());
            window.complete(76);
            drop(buffer.split_to(buffer.len() - 75));
            window.open(&mut buffer, 1);
            assert_eq!(buffer.as_ptr(), start);
        }
    }

    #[test]
    fn a_long_frame_gets_as_much_again_as_has_arrived() {
        let mut window = ReadWindow::new();
        let mut buffer = BytesMut::new();
        for _ in 0..12 {
            let len = buffer.len();
            window.open(&mut buffer, 100 << 20);
            assert!(buffer.capacity() <= 4 * len + 2 * ReadWindow::ARENA, "{len}");
            buffer.resize(buffer.capacity(), 0);
            window.read(buffer.len());
        }
        assert!(buffer.len() >= 1 << 20);
    }
}
