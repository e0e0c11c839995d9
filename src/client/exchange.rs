//! The exchange between the driver and the handles: all of it at once, under one lock.

use std::{
    mem,
    ops::RangeInclusive,
    sync::Arc,
    task::{Context, Waker},
};

use bytes::Bytes;

use super::{
    Settlement,
    receipt::Page,
    shared::{Phase, Shared},
    stats::ClientStats,
};
use crate::error::Error;

/// What the driver learns from the handles.
#[derive(Default)]
pub(super) struct News {
    pub(super) messages: Vec<Bytes>,
    pub(super) pages: Vec<Arc<Page>>,
    pub(super) acknowledged: Vec<RangeInclusive<u64>>,
    /// The first number after the messages whose fate somebody waits for.
    pub(super) wanted: u64,
    /// Senders that waited have got room, and will use it soon.
    pub(super) has_admitted: bool,
    /// Senders wait for room.
    pub(super) is_full: bool,
    /// Somebody waits until everything is handed over.
    pub(super) is_flushing: bool,
    pub(super) is_closing: bool,
}

impl Shared {
    /// Frees the room of messages that cost `freed` bytes, and takes what is new. After that,
    /// anything new wakes the driver.
    pub(super) fn exchange(
        &self,
        freed: usize,
        counters: ClientStats,
        news: &mut News,
        woken: &mut Vec<Waker>,
        cx: &mut Context<'_>,
    ) {
        let mut outgoing = self.outgoing();
        outgoing.held -= freed;
        outgoing.counters = counters;
        mem::swap(&mut news.messages, &mut outgoing.waiting);
        outgoing.waiting_cost = 0;
        news.pages.append(&mut outgoing.new_pages);
        news.acknowledged.append(&mut outgoing.acknowledged);
        news.wanted = outgoing.wanted;
        news.is_flushing = !outgoing.flushing.is_empty();
        news.is_closing = !matches!(outgoing.phase, Phase::Open);
        news.has_admitted = outgoing.admit(woken);
        news.is_full = !outgoing.waiters.is_empty();
        if !outgoing.driver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            outgoing.driver = Some(cx.waker().clone());
        }
    }

    /// Records that every message before `end` was handed over, or has a known fate.
    pub(super) fn tell_handed_over(&self, end: u64, woken: &mut Vec<Waker>) {
        let mut outgoing = self.outgoing();
        outgoing.handed_over = outgoing.handed_over.max(end);
        outgoing.flushing.retain(|(wanted, waker)| {
            let waits = *wanted > end;
            if !waits {
                woken.push(waker.clone());
            }
            waits
        });
    }

    /// Accepts nothing more, and takes the messages that the driver has not taken over.
    pub(super) fn stop(&self, cause: &Arc<Error>, news: &mut News) {
        let mut outgoing = self.outgoing();
        if matches!(outgoing.phase, Phase::Open) {
            outgoing.phase = Phase::Closing(Arc::clone(cause));
        }
        news.messages.append(&mut outgoing.waiting);
        news.pages.append(&mut outgoing.new_pages);
        news.acknowledged.append(&mut outgoing.acknowledged);
    }

    /// Records that the driver has ended.
    pub(super) fn end(&self, mut settlement: Settlement, woken: &mut Vec<Waker>) {
        let mut outgoing = self.outgoing();
        settlement.stats.accepted = outgoing.next;
        let Some(cause) = outgoing.closed() else {
            return;
        };
        outgoing.counters = settlement.stats;
        outgoing.held = 0;
        outgoing.phase = Phase::Ended(cause, Box::new(settlement));
        woken.append(&mut outgoing.waiters.wakers());
        woken.extend(outgoing.flushing.drain(..).map(|(_, waker)| waker));
        woken.append(&mut outgoing.closing);
    }
}
