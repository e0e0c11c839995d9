//! The messages that the driver has taken over. Each message has one entry until its fate is known,
//! and one fate. This is bookkeeping only, without I/O and without a clock.
//!
//! ```text
//!             feed                 last byte written            read or acknowledged
//!   ┌──────┐ ─────▶ ┌────────────┐ ───────▶ ┌─────────────┐ ──────────────────────▶ delivered
//!   │ kept │        │ in writing │          │ handed over │                             ▲
//!   └──────┘ ◀───── └────────────┘          └─────────────┘                acknowledged │
//!      │      loss                             loss │      ┌──────────┐ ────────────────┘
//!      │                                            └────▶ │ in doubt │
//!      │                                                   └──────────┘ ──▶ maybe delivered
//!      └──▶ not sent: refused, tried too often, or the client has ended
//! ```
//!
//! If the transport never took the last byte of a message, the message cannot have arrived: a peer
//! that gets the beginning of a frame gets no message. So the message is kept, and sent whole on
//! the next connection.

use std::{collections::VecDeque, ops::RangeInclusive, sync::Arc};

use bytes::Bytes;

use super::{
    cost::cost,
    delivery::{Delivered, Tell},
};
use crate::{
    error::{Error, Fate},
    frame::OVERHEAD,
};

#[derive(Debug)]
struct Entry {
    message: Bytes,
    /// Where the frame of the message ends among the bytes fed to connections. It has no meaning
    /// while the message is kept.
    end: u64,
    /// Connections that were lost while it was being written.
    tries: u32,
    /// Whether the fate is known and told. The entry then only keeps its place in the numbering.
    settled: bool,
}

/// Messages handed over to lost connections, up to a number, whose fate was not told yet.
#[derive(Debug)]
struct Doubt {
    loss: u64,
    /// The first number after these messages.
    end: u64,
    cause: Arc<Error>,
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// The entries have numbers from `first` on, without a gap. The messages in doubt come first,
    /// then those fed to the present connection, then those kept.
    entries: VecDeque<Entry>,
    first: u64,
    /// How many entries are in doubt.
    in_doubt: usize,
    /// How many entries are not kept.
    fed: usize,
    /// The bytes fed to connections, including those that a connection did not write.
    fed_bytes: u64,
    doubts: VecDeque<Doubt>,
    losses: u64,
    /// The cost in bytes of the entries whose fate was told since this was last taken.
    freed: usize,
    delivered: u64,
    returned: u64,
}

impl Outbox {
    /// Takes over a message. Its number is the number of the one before plus 1.
    #[inline]
    pub(super) fn accept(&mut self, message: Bytes) {
        self.entries.push_back(Entry { message, end: 0, tries: 0, settled: false });
    }

    /// Returns the first number whose message's fate is not known.
    pub(super) fn settled(&self) -> u64 {
        self.first
    }

    /// Returns whether messages were handed over to the present connection, or are being written,
    /// and their fate is not known.
    pub(super) fn has_fed(&self) -> bool {
        self.fed > self.in_doubt
    }

    /// Returns the number of the first message that the transport does not have whole. Every
    /// message before it was handed over or has a known fate.
    pub(super) fn handed_over(&self, written: u64) -> u64 {
        let (front, back) = self.entries.as_slices();
        let reached = |part: &[Entry]| part.partition_point(|entry| entry.end <= written);
        let fed_front = &front[..front.len().min(self.fed)];
        let fed_back = &back[..self.fed - fed_front.len()];
        let count = match reached(fed_front) {
            count if count == fed_front.len() => count + reached(fed_back),
            count => count,
        };
        self.first + count as u64
    }

    /// Returns the oldest message that the connection has not been fed.
    #[inline]
    pub(super) fn kept(&mut self) -> Option<&Bytes> {
        while self.entries.get(self.fed)?.settled {
            self.pass();
        }
        self.entries.get(self.fed).map(|entry| &entry.message)
    }

    /// Counts the messages that the connection has not been fed.
    pub(super) fn kept_count(&self) -> usize {
        self.entries.range(self.fed..).filter(|entry| !entry.settled).count()
    }

    /// Records that the connection has taken the message that [`kept`](Self::kept) returned.
    #[inline]
    pub(super) fn feed(&mut self) {
        if let Some(entry) = self.entries.get_mut(self.fed) {
            self.fed_bytes += (OVERHEAD + entry.message.len()) as u64;
            entry.end = self.fed_bytes;
            self.fed += 1;
        }
    }

    fn pass(&mut self) {
        self.entries[self.fed].end = self.fed_bytes;
        self.fed += 1;
        self.drop_told();
    }

    /// Records that the message that [`kept`](Self::kept) returned cannot be sent at all.
    pub(super) fn refuse(&mut self, cause: &Arc<Error>, tell: &mut impl Tell) {
        if self.fed < self.entries.len() {
            self.give_back(self.fed, Fate::NotSent, cause, tell);
            self.pass();
        }
    }

    /// Returns the place up to which the transport has taken the bytes fed to the connection. The
    /// connection still holds `unwritten` of them.
    pub(super) fn written(&self, unwritten: usize) -> u64 {
        self.fed_bytes.saturating_sub(unwritten as u64)
    }

    /// Records that messages of the present connection are delivered up to `place`, which is a
    /// place as [`written`](Self::written) returns it.
    pub(super) fn deliver(&mut self, place: u64, how: Delivered, tell: &mut impl Tell) {
        debug_assert_eq!(self.in_doubt, 0, "only what waits to be acknowledged stays in doubt");
        let reached = self.entries.range(..self.fed).take_while(|entry| entry.end <= place);
        let mut count = 0;
        for entry in reached {
            count += 1;
            if !entry.settled {
                self.freed += cost(&entry.message);
                self.delivered += 1;
            }
        }
        if count == 0 {
            return;
        }
        tell.delivered(self.first..self.first + count as u64, how);
        self.entries.drain(..count);
        self.first += count as u64;
        self.fed -= count;
        self.drop_told();
    }

    /// Records that the peer has processed the messages `ids`, except those that are kept. It does
    /// not check that the transport has taken the last byte, since the peer can be faster than that
    /// news.
    pub(super) fn acknowledge(&mut self, ids: &RangeInclusive<u64>, tell: &mut impl Tell) {
        let begin = usize::try_from(ids.start().saturating_sub(self.first)).unwrap_or(usize::MAX);
        for index in begin..self.fed {
            let id = self.first + index as u64;
            let entry = &mut self.entries[index];
            if id > *ids.end() {
                break;
            }
            if !entry.settled {
                entry.settled = true;
                self.freed += cost(&entry.message);
                self.delivered += 1;
                entry.message = Bytes::new();
                tell.delivered(id..id + 1, Delivered::Acknowledged);
            }
        }
        self.drop_told();
    }

    /// Records that the connection is lost. It still held `unwritten` bytes. The messages that it
    /// was fed whole are in doubt until [`decide`](Self::decide); the rest is kept. A message that
    /// was being written comes back if that was its last try. Returns how many messages are in
    /// doubt.
    pub(super) fn lose(
        &mut self,
        unwritten: usize,
        max_tries: u32,
        cause: &Arc<Error>,
        tell: &mut impl Tell,
    ) -> usize {
        let written = self.written(unwritten);
        let whole = |entry: &Entry| entry.end <= written;
        let before = self.in_doubt;
        while self.in_doubt < self.fed && whole(&self.entries[self.in_doubt]) {
            self.in_doubt += 1;
        }
        if self.in_doubt < self.fed {
            let entry = &mut self.entries[self.in_doubt];
            let len = (OVERHEAD + entry.message.len()) as u64;
            if entry.end - len < written {
                entry.tries += 1;
                let connections = entry.tries;
                if connections >= max_tries {
                    let cause = Arc::new(Error::NotTaken { connections });
                    self.give_back(self.in_doubt, Fate::NotSent, &cause, tell);
                }
            }
        }
        self.fed = self.in_doubt;
        self.losses += 1;
        let in_doubt = self.entries.range(before..self.fed).filter(|entry| !entry.settled).count();
        let end = self.first + self.in_doubt as u64;
        self.doubts.push_back(Doubt { loss: self.losses, end, cause: Arc::clone(cause) });
        self.drop_told();
        in_doubt
    }

    /// Returns whether the fates of messages of a lost connection are undecided.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt > 0
    }

    /// Returns the number of the last loss; the first is 1.
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }

    /// Gives back the messages that are in doubt since the loss with this number, or an earlier
    /// loss.
    pub(super) fn decide(&mut self, loss: u64, tell: &mut impl Tell) {
        while self.doubts.front().is_some_and(|doubt| doubt.loss <= loss) {
            let Some(doubt) = self.doubts.pop_front() else {
                return;
            };
            let end = usize::try_from(doubt.end.saturating_sub(self.first)).unwrap_or(usize::MAX);
            for index in 0..end.min(self.in_doubt) {
                self.give_back(index, Fate::MaybeDelivered, &doubt.cause, tell);
            }
            self.drop_told();
        }
    }

    /// Gives back everything: the client ends, and so does its connection. The connection still
    /// holds `unwritten` bytes.
    pub(super) fn abandon(&mut self, unwritten: usize, cause: &Arc<Error>, tell: &mut impl Tell) {
        self.lose(unwritten, u32::MAX, cause, tell);
        self.decide(self.losses, tell);
        for index in 0..self.entries.len() {
            self.give_back(index, Fate::NotSent, cause, tell);
        }
        self.fed = self.entries.len();
        self.drop_told();
    }

    fn give_back(&mut self, index: usize, fate: Fate, cause: &Arc<Error>, tell: &mut impl Tell) {
        let entry = &mut self.entries[index];
        if entry.settled {
            return;
        }
        entry.settled = true;
        self.freed += cost(&entry.message);
        self.returned += 1;
        let message = std::mem::take(&mut entry.message);
        tell.returned(self.first + index as u64, message, fate, cause);
    }

    /// Drops the entries at the front whose fate was told.
    fn drop_told(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.settled) {
            self.entries.pop_front();
            self.first += 1;
            self.fed = self.fed.saturating_sub(1);
            self.in_doubt = self.in_doubt.saturating_sub(1);
        }
    }

    /// Returns the cost in bytes of the messages whose fate was told since the last call.
    pub(super) fn take_freed(&mut self) -> usize {
        std::mem::take(&mut self.freed)
    }

    pub(super) fn has_freed(&self) -> bool {
        self.freed > 0
    }

    /// Returns the numbers of messages that were delivered, and of messages that came back.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.delivered, self.returned)
    }
}

#[cfg(test)]
mod model;
