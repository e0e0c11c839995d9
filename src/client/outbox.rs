//! The account of the messages that the driver has taken over: each has one entry until its fate is
//! known, and one fate. Pure bookkeeping, without I/O and without a clock.
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
//! A message of which the transport never took the last byte cannot have arrived: a peer that gets
//! the beginning of a frame gets no message. So it is kept, and sent whole on the next connection.

use std::{
    collections::VecDeque,
    ops::{Range, RangeInclusive},
    sync::Arc,
};

use bytes::Bytes;

use super::receipt::Delivered;
use crate::{
    error::{Error, Fate},
    frame::OVERHEAD,
};

/// Who is told what became of messages. A message is told of once.
pub(super) trait Tell {
    /// The messages with these numbers are delivered, those excepted that were told of before.
    fn delivered(&mut self, ids: Range<u64>, how: Delivered);

    /// This message comes back.
    fn returned(&mut self, id: u64, message: Bytes, fate: Fate, cause: &Arc<Error>);
}

#[derive(Debug)]
struct Entry {
    message: Bytes,
    /// Where its frame ends among the bytes fed to connections; of no meaning while it is kept.
    end: u64,
    /// Connections that were lost while it was being written.
    tries: u32,
    /// Its fate is known and told; it stands here for its number only.
    settled: bool,
}

/// Handed-over messages of lost connections, up to a number, about which nothing was told yet.
#[derive(Debug)]
struct Doubt {
    loss: u64,
    /// The first number beyond them.
    end: u64,
    cause: Arc<Error>,
}

/// What a message costs in the outbox, in bytes: its payload, and about the size of its entry, so that
/// a limit in bytes limits empty messages too.
pub(super) fn cost(message: &[u8]) -> usize {
    message.len() + ENTRY_COST
}

/// The part of the cost that every message has, in bytes.
pub(super) const ENTRY_COST: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Numbered on from `first`, without a gap. First those in doubt, then those fed to the present
    /// connection, then those kept.
    entries: VecDeque<Entry>,
    first: u64,
    /// How many entries are in doubt.
    in_doubt: usize,
    /// How many entries are not kept.
    fed: usize,
    /// Bytes fed to connections, those included that a connection did not get out.
    fed_bytes: u64,
    doubts: VecDeque<Doubt>,
    losses: u64,
    /// What entries cost that were told of since this was last taken, in bytes.
    freed: usize,
    delivered: u64,
    returned: u64,
}

impl Outbox {
    /// Takes over a message; its number follows that of the one before.
    #[inline]
    pub(super) fn accept(&mut self, message: Bytes) {
        self.entries.push_back(Entry { message, end: 0, tries: 0, settled: false });
    }

    /// Returns the first number whose message's fate is not known.
    pub(super) fn settled(&self) -> u64 {
        self.first
    }

    /// Returns whether messages were handed over to the present connection, or are in writing, of
    /// which nothing is known.
    pub(super) fn has_fed(&self) -> bool {
        self.fed > self.in_doubt
    }

    /// Returns the number of the first message that the transport does not have whole; of those
    /// before, each was handed over or is told of.
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

    /// Returns the place up to which the transport has the bytes fed to it, `unwritten` of which the
    /// connection still holds.
    pub(super) fn written(&self, unwritten: usize) -> u64 {
        self.fed_bytes.saturating_sub(unwritten as u64)
    }

    /// Records that messages of the present connection are delivered up to a place like those that
    /// [`written`](Self::written) returns.
    pub(super) fn deliver(&mut self, place: u64, how: Delivered, tell: &mut impl Tell) {
        let begin = self.in_doubt;
        let reached = self.entries.range(begin..self.fed).take_while(|entry| entry.end <= place);
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
        let id = self.first + begin as u64;
        tell.delivered(id..id + count as u64, how);
        if begin > 0 {
            for entry in self.entries.range_mut(begin..begin + count) {
                entry.settled = true;
                entry.message = Bytes::new();
            }
            return;
        }
        self.entries.drain(..count);
        self.first += count as u64;
        self.fed -= count;
        self.drop_told();
    }

    /// Records that the peer has dealt with the messages `ids`, as far as they are not kept. A peer
    /// can be faster than the news that the transport has taken the last byte, so that is not asked.
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

    /// Records that the connection is gone, `unwritten` bytes of which it still held. What it was
    /// fed whole is in doubt, until [`decide`](Self::decide); the rest is kept. The message that it
    /// was in the middle of comes back if that was its last try. Returns how many are in doubt.
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

    /// Returns whether messages of a lost connection are undecided.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt > 0
    }

    /// Returns the number of the last loss; the first is 1.
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }

    /// Gives back what is in doubt since the loss with this number or one before.
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

    /// Gives back everything: the client ends, and so does its connection, which still holds
    /// `unwritten` bytes.
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

    /// Drops the entries at the front that are told of.
    fn drop_told(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.settled) {
            self.entries.pop_front();
            self.first += 1;
            self.fed = self.fed.saturating_sub(1);
            self.in_doubt = self.in_doubt.saturating_sub(1);
        }
    }

    /// Returns what the messages cost that were told of since the last call, in bytes.
    pub(super) fn take_freed(&mut self) -> usize {
        std::mem::take(&mut self.freed)
    }

    pub(super) fn has_freed(&self) -> bool {
        self.freed > 0
    }

    /// Counts the messages that were delivered, and those that came back.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.delivered, self.returned)
    }
}

#[cfg(test)]
mod model;
