//! Fates on a page: each message has one, which does not change, and wakes its own receipt alone.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    task::Wake,
};

use super::*;

struct Nobody;

impl WantFate for Nobody {
    fn want_fate(&self, _: u64) {}
}

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Returns pages with one page in them, and the receipts of the first five messages on it.
fn pages(first: u64) -> (Pages, [Receipt; 5]) {
    let driver: Weak<Nobody> = Weak::new();
    let page = Page::new(driver, first);
    let receipts = [0, 1, 2, 3, 4].map(|place| page.receipt(first + place));
    let mut pages = Pages::default();
    pages.add([page]);
    (pages, receipts)
}

fn poll(receipt: &mut Receipt, woken: &Arc<Woken>) -> Poll<Result<Delivered, Fate>> {
    let waker = Arc::clone(woken).into();
    let polled = Pin::new(receipt).poll(&mut Context::from_waker(&waker));
    polled.map_err(|returned| returned.fate)
}

fn come_back(pages: &mut Pages, id: u64) {
    pages.returned(id, Bytes::new(), Fate::NotSent, &Arc::new(Error::Closed));
}

fn wake(pages: &mut Pages) {
    pages.woken.drain(..).for_each(Waker::wake);
}

#[test]
fn the_first_fate_of_a_message_is_its_fate() {
    const HOW: [Delivered; 3] = [Delivered::HandedOver, Delivered::Read, Delivered::Acknowledged];
    for first in HOW {
        for then in HOW {
            let (mut pages, [_, mut receipt, ..]) = pages(64);
            pages.delivered(65..66, first);
            pages.delivered(64..69, then);
            come_back(&mut pages, 65);
            assert_eq!(poll(&mut receipt, &Arc::default()), Poll::Ready(Ok(first)), "{then:?}");
        }
        let (mut pages, [mut before, mut receipt, mut after, ..]) = pages(64);
        come_back(&mut pages, 65);
        pages.delivered(64..67, first);
        let fate = |receipt| poll(receipt, &Arc::default());
        assert_eq!(fate(&mut receipt), Poll::Ready(Err(Fate::NotSent)));
        assert_eq!(fate(&mut before), Poll::Ready(Ok(first)));
        assert_eq!(fate(&mut after), Poll::Ready(Ok(first)));
    }
}

#[test]
fn a_fate_wakes_who_waits_for_it_and_nobody_else() {
    let (mut pages, mut receipts) = pages(0);
    let woken: [Arc<Woken>; 5] = Default::default();
    let counts = || woken.each_ref().map(|one| one.count());
    for (receipt, woken) in receipts.iter_mut().zip(&woken) {
        assert!(poll(receipt, woken).is_pending());
    }
    pages.delivered(1..3, Delivered::Read);
    wake(&mut pages);
    assert_eq!(counts(), [0, 1, 1, 0, 0]);
    come_back(&mut pages, 4);
    wake(&mut pages);
    assert_eq!(counts(), [0, 1, 1, 0, 1]);
    pages.delivered(0..5, Delivered::Read);
    wake(&mut pages);
    assert_eq!(counts(), [1, 1, 1, 1, 1]);
}

#[test]
fn a_receipt_wakes_the_task_that_polled_it_last() {
    let (mut pages, [mut receipt, ..]) = pages(0);
    let tasks: [Arc<Woken>; 2] = Default::default();
    for task in &tasks {
        assert!(poll(&mut receipt, task).is_pending());
    }
    pages.delivered(0..1, Delivered::Read);
    wake(&mut pages);
    assert_eq!(tasks.map(|task| task.count()), [0, 1]);
}

#[test]
fn a_receipt_that_is_dropped_leaves_no_waker_and_takes_no_other_away() {
    let (mut pages, [mut kept, mut dropped, ..]) = pages(0);
    let [woken, left]: [Arc<Woken>; 2] = Default::default();
    assert!(poll(&mut kept, &woken).is_pending());
    assert!(poll(&mut dropped, &left).is_pending());
    assert_eq!((Arc::strong_count(&woken), Arc::strong_count(&left)), (2, 2));
    drop(dropped);
    assert_eq!((Arc::strong_count(&woken), Arc::strong_count(&left)), (2, 1));
    pages.delivered(0..2, Delivered::Read);
    wake(&mut pages);
    assert_eq!(woken.count(), 1);
}

#[test]
#[should_panic = "a receipt was polled after it was ready"]
fn a_receipt_has_its_fate_once() {
    let (mut pages, [_, mut receipt, ..]) = pages(0);
    pages.delivered(0..2, Delivered::Read);
    assert_eq!(poll(&mut receipt, &Arc::default()), Poll::Ready(Ok(Delivered::Read)));
    let _ = poll(&mut receipt, &Arc::default());
}

#[test]
fn a_page_is_kept_until_the_last_of_its_messages_has_a_fate() {
    let (mut pages, _receipts) = pages(64);
    pages.drop_before(64 + Page::LEN - 1);
    assert_eq!(pages.pages.len(), 1);
    pages.drop_before(64 + Page::LEN);
    assert!(pages.pages.is_empty());
}

#[test]
fn fates_go_to_the_pages_of_their_messages() {
    let driver: Weak<Nobody> = Weak::new();
    let made = [0, 64, 128].map(|first| Page::new(driver.clone(), first));
    let mut receipts =
        [63, 64, 127, 128].map(|id| made[usize::try_from(id / 64).unwrap()].receipt(id));
    let mut pages = Pages::default();
    pages.add(made);
    pages.delivered(64..128, Delivered::Read);
    let fates = receipts.each_mut().map(|receipt| poll(receipt, &Arc::default()));
    let read = Poll::Ready(Ok(Delivered::Read));
    assert_eq!(fates, [Poll::Pending, read, read, Poll::Pending]);
}
