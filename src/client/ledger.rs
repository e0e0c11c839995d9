//! The account of a client's messages: each has one entry until its fate is known, and one fate. Pure
//! bookkeeping, without I/O and without a clock.
//!
//! ```text
//!             feed                 last byte written            read or acknowledged
//!   ┌──────┐ ─────▶ ┌────────────┐ ───────▶ ┌─────────────┐ ──────────────────────▶ delivered
//!   │ kept │        │ in writing │          │ handed over │
//!   └──────┘ ◀───── └────────────┘          └─────────────┘ ──────────────────────▶ returned:
//!      │      loss                                            loss         maybe delivered
//!      └────────────────────────────────────────────────────────────────▶ returned: not sent
//!        refused by the format, or the client was closed
//! ```
//!
//! A message of which the transport never took the last byte cannot have arrived: a peer that gets
//! the beginning of a frame gets no message. So it is kept, and sent whole on the next connection.

use std::{collections::VecDeque, fmt, ops::RangeInclusive};

use bytes::Bytes;

use crate::frame::OVERHEAD;

/// The number of a message among those that one [`Client`](crate::Client) has accepted: 0, 1, 2, ...
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u64);

impl MessageId {
    pub(super) const FIRST: Self = Self(0);

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a message was [`Returned`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// The peer has not received it and will not: sending it again is safe.
    NotSent,
    /// It was handed to the operating system, and the connection was lost before it was known to
    /// have arrived. Sending it again may deliver it twice.
    MaybeDelivered,
}

/// A message that came back to its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Returned {
    /// The number that it was accepted under.
    pub id: MessageId,
    /// The payload, as it was given.
    pub message: Bytes,
    /// What is known of it.
    pub fate: Fate,
}

#[derive(Debug)]
struct Entry {
    id: MessageId,
    message: Bytes,
    /// Where its frame ends among the bytes fed to connections; of no meaning while it is kept.
    end: u64,
    acknowledged: bool,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Oldest first. The first `fed` of them are in writing or handed over, the others are kept.
    entries: VecDeque<Entry>,
    fed: usize,
    /// Bytes fed to connections, those included that a connection did not get out.
    fed_bytes: u64,
    /// What `entries` and `returned` cost, in bytes.
    held: usize,
    returned: VecDeque<Returned>,
    unreported: bool,
    /// Messages that came back, ever; those withdrawn and acknowledged late are not among them.
    came_back: u64,
    next: u64,
}

impl Ledger {
    /// What a message costs besides its payload, in bytes: about the size of its entry, so that a
    /// limit in bytes limits empty messages too.
    const ENTRY_COST: usize = 64;

    pub(super) fn accept(&mut self, message: Bytes) -> MessageId {
        let id = self.next_id();
        self.next += 1;
        self.held += message.len() + Self::ENTRY_COST;
        self.entries.push_back(Entry { id, message, end: 0, acknowledged: false });
        id
    }

    pub(super) fn next_id(&self) -> MessageId {
        MessageId(self.next)
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Returns the first id whose fate is not known yet.
    pub(super) fn settled(&self) -> MessageId {
        self.entries.front().map_or_else(|| self.next_id(), |entry| entry.id)
    }

    /// Returns the oldest message that the connection has not been fed.
    pub(super) fn kept(&self) -> Option<Bytes> {
        Some(self.entries.get(self.fed)?.message.clone())
    }

    /// Takes note that the connection has taken the message that [`kept`](Self::kept) returned.
    pub(super) fn feed(&mut self) {
        let Some(entry) = self.entries.get_mut(self.fed) else {
            return;
        };
        self.fed_bytes += (OVERHEAD + entry.message.len()) as u64;
        entry.end = self.fed_bytes;
        self.fed += 1;
    }

    /// Takes note that the connection refuses the message that [`kept`](Self::kept) returned.
    pub(super) fn refuse(&mut self) {
        if let Some(entry) = self.entries.remove(self.fed) {
            self.give_back(entry, Fate::NotSent);
        }
    }

    /// Forgets the message `id` if it is the last one and kept, or refused: it was never accepted.
    pub(super) fn withdraw(&mut self, id: MessageId) -> bool {
        let kept = self.fed < self.entries.len();
        if kept && self.entries.back().is_some_and(|entry| entry.id == id) {
            if let Some(entry) = self.entries.pop_back() {
                self.held -= entry.message.len() + Self::ENTRY_COST;
            }
            return true;
        }
        let refused = |returned: &Returned| returned.id == id && returned.fate == Fate::NotSent;
        if self.returned.back().is_some_and(refused) {
            if let Some(returned) = self.returned.pop_back() {
                self.came_back -= 1;
                self.held -= returned.message.len() + Self::ENTRY_COST;
            }
            self.unreported &= !self.returned.is_empty();
            return true;
        }
        false
    }

    /// Returns the place up to which the transport has the bytes fed to it, `unwritten` of which the
    /// connection still holds.
    pub(super) fn written(&self, unwritten: usize) -> u64 {
        self.fed_bytes.saturating_sub(unwritten as u64)
    }

    /// Takes note that the peer has read everything up to a place like those that
    /// [`written`](Self::written) returns. Returns whether a message was among it that was not known
    /// to be delivered.
    pub(super) fn deliver(&mut self, read: u64) -> bool {
        let mut found = false;
        while self.fed > 0 && self.entries.front().is_some_and(|entry| entry.end <= read) {
            found |= self.pop_delivered();
        }
        self.settle();
        found
    }

    /// Takes note that the peer has the messages `ids`, as far as they were handed over: those up to
    /// the place `written`, and those of a lost connection that were not fetched yet. Returns
    /// whether there was one that was not known to be delivered.
    pub(super) fn acknowledge(&mut self, ids: RangeInclusive<MessageId>, written: u64) -> bool {
        let first = self.entries.partition_point(|entry| entry.id < *ids.start());
        let handed_over = self.entries.range_mut(first.min(self.fed)..self.fed);
        let mut found = false;
        for entry in handed_over.take_while(|e| e.id <= *ids.end() && e.end <= written) {
            found |= !entry.acknowledged;
            entry.acknowledged = true;
            self.held -= entry.message.len();
            entry.message = Bytes::new();
        }
        self.settle();
        if !self.returned.is_empty() {
            self.acknowledge_returned(&ids);
        }
        found
    }

    fn acknowledge_returned(&mut self, ids: &RangeInclusive<MessageId>) {
        let (held, came_back) = (&mut self.held, &mut self.came_back);
        self.returned.retain(|one| {
            let late = one.fate == Fate::MaybeDelivered && ids.contains(&one.id);
            if late {
                *came_back -= 1;
                *held -= one.message.len() + Self::ENTRY_COST;
            }
            !late
        });
        self.unreported &= !self.returned.is_empty();
    }

    fn settle(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.acknowledged) {
            self.pop_delivered();
        }
    }

    /// Drops the first entry, which was fed and is delivered. Returns whether that was not known.
    fn pop_delivered(&mut self) -> bool {
        self.entries.pop_front().is_some_and(|entry| {
            self.held -= entry.message.len() + Self::ENTRY_COST;
            self.fed -= 1;
            !entry.acknowledged
        })
    }

    /// Takes note that the connection is gone, `unwritten` bytes of which it still held.
    pub(super) fn lose(&mut self, unwritten: usize) {
        let written = self.written(unwritten);
        let mut fed = std::mem::take(&mut self.fed);
        while fed > 0 && self.entries.front().is_some_and(|entry| entry.end <= written) {
            fed -= 1;
            if let Some(entry) = self.entries.pop_front() {
                match entry.acknowledged {
                    true => self.held -= entry.message.len() + Self::ENTRY_COST,
                    false => self.give_back(entry, Fate::MaybeDelivered),
                }
            }
        }
    }

    /// Gives back everything: the client ends, and so does its connection, which still holds
    /// `unwritten` bytes.
    pub(super) fn abandon(&mut self, unwritten: usize) {
        self.lose(unwritten);
        while let Some(entry) = self.entries.pop_front() {
            self.give_back(entry, Fate::NotSent);
        }
    }

    fn give_back(&mut self, entry: Entry, fate: Fate) {
        self.unreported = true;
        self.came_back += 1;
        self.returned.push_back(Returned { id: entry.id, message: entry.message, fate });
    }

    /// Counts the messages that came back, those fetched included.
    pub(super) fn came_back(&self) -> u64 {
        self.came_back
    }

    /// Counts the messages that the connection has not been fed.
    pub(super) fn kept_count(&self) -> usize {
        self.entries.len() - self.fed
    }

    pub(super) fn take_returned(&mut self) -> Vec<Returned> {
        self.unreported = false;
        let returned = std::mem::take(&mut self.returned);
        self.held -= returned.iter().map(|one| one.message.len() + Self::ENTRY_COST).sum::<usize>();
        returned.into()
    }

    pub(super) fn has_returned(&self) -> bool {
        !self.returned.is_empty()
    }

    /// Returns whether messages came back since this was last asked.
    pub(super) fn take_unreported(&mut self) -> bool {
        std::mem::take(&mut self.unreported)
    }

    /// Counts the returned messages that may have been delivered, and those that were not sent.
    pub(super) fn count_returned(&self) -> (usize, usize) {
        let maybe = self.returned.iter().filter(|one| one.fate == Fate::MaybeDelivered).count();
        (maybe, self.returned.len() - maybe)
    }

    /// Counts the messages whose fate is not known yet.
    pub(super) fn unsettled(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.acknowledged).count()
    }
}
