//! The fate of a message, and how its sender learns it.
//!
//! Up to 64 messages with consecutive numbers share a page. The page keeps their fates for as long
//! as somebody holds a receipt of one of them. So a message that is sent and forgotten costs only
//! one increment and one decrement of a counter, and no allocation of its own.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    error, fmt,
    future::Future,
    mem,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use super::delivery::{Delivered, Tell};
use crate::error::{Error, Fate};

/// The number of a message among those that one [`Client`](crate::Client) has accepted: 0, 1, 2, ...
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub(super) u64);

impl MessageId {
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

/// A message that came back to its sender.
///
/// It converts into an [`Error`], for code that does not want the message back. Its text includes
/// the cause, as that of an [`Error`] does.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Returned {
    /// The number of the message. `None` if it was not accepted.
    pub id: Option<MessageId>,
    /// The payload, as it was given.
    pub message: Bytes,
    /// What is known about the message.
    pub fate: Fate,
    /// Why it came back. Messages that came back together share it.
    pub cause: Arc<Error>,
}

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, fate, cause, .. } = self;
        write!(f, "a message of {} bytes came back, {fate}: {cause}", message.len())
    }
}

impl error::Error for Returned {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.cause.source()
    }
}

impl From<Returned> for Error {
    fn from(returned: Returned) -> Self {
        let Returned { message, fate, cause, .. } = returned;
        Self::Undelivered { message, fate, source: cause }
    }
}

impl Returned {
    pub(super) fn not_accepted(message: Bytes, cause: Arc<Error>) -> Self {
        Self { id: None, message, fate: Fate::NotSent, cause }
    }
}

/// The receipt of a message that a [`Client`](crate::Client) has accepted: a future of the
/// message's fate.
///
/// You can drop it: the message is still sent, and its fate is only counted.
///
/// # Cancel safety
///
/// You can also await it by reference: nothing is lost when such a wait is dropped.
///
/// # Panics
///
/// Panics if it is polled after it was ready.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), npipes::Error> {
/// use npipes::{Client, Connection, Error, client::{Connect, Delivered, Fate}};
/// use tokio::io::DuplexStream;
///
/// # struct Server;
/// # impl Connect for Server {
/// #     type Io = DuplexStream;
/// #     async fn connect(&self) -> Result<Connection<DuplexStream>, Error> {
/// #         let (near, mut far) = Connection::pair();
/// #         tokio::spawn(async move { while let Ok(Some(_)) = far.receive().await {} });
/// #         Ok(near)
/// #     }
/// # }
/// let (client, _inbox) = Client::spawn(Server);
/// let receipt = client.send("two coffees").await?;
/// match receipt.await {
///     Ok(Delivered::HandedOver) => println!("on its way"),
///     Ok(_) => println!("read, at least"),
///     Err(returned) if returned.fate == Fate::NotSent => println!("send it again"),
///     Err(returned) => println!("perhaps: {}", returned.cause),
/// }
/// # Ok(())
/// # }
/// ```
pub struct Receipt {
    page: Arc<Page>,
    place: u8,
    /// Whether it has left a waker on the page.
    waits: bool,
}

impl Receipt {
    /// Returns the number of the message. Use it to [acknowledge](crate::Client::acknowledge) the
    /// message.
    #[must_use]
    pub fn id(&self) -> MessageId {
        MessageId(self.page.first + u64::from(self.place))
    }

    /// Returns the fate if it is known.
    pub(super) fn peek(&mut self) -> Option<Result<Delivered, Returned>> {
        self.page.fates().take(self.place)
    }
}

impl Future for Receipt {
    type Output = Result<Delivered, Returned>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut fates = this.page.fates();
        if let Some(fate) = fates.take(this.place) {
            fates.stop_waiting(this.place);
            drop(fates);
            this.waits = false;
            return Poll::Ready(fate);
        }
        fates.wait(this.place, cx.waker());
        drop(fates);
        let is_new = !mem::replace(&mut this.waits, true);
        if let Some(driver) = is_new.then(|| this.page.driver.upgrade()).flatten() {
            driver.want_fate(this.id().0);
        }
        Poll::Pending
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if self.waits {
            self.page.fates().stop_waiting(self.place);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Is told when somebody waits for the fate of a message.
pub(super) trait WantFate: Send + Sync {
    /// Records that somebody waits for the fate of the message with this number.
    fn want_fate(&self, id: u64);
}

/// The fates of the messages that share a page.
pub(super) struct Page {
    driver: Weak<dyn WantFate>,
    first: u64,
    fates: Mutex<Fates>,
}

impl Page {
    /// The number of messages that share a page: one for each bit of a word.
    pub(super) const LEN: u64 = 64;

    pub(super) fn new(driver: Weak<dyn WantFate>, first: u64) -> Arc<Self> {
        Arc::new(Self { driver, first, fates: Mutex::default() })
    }

    /// Returns the receipt of the message with this number, which is on this page.
    pub(super) fn receipt(self: &Arc<Self>, id: u64) -> Receipt {
        // A place is below 64.
        let place = u8::try_from(id - self.first).unwrap_or(u8::MAX);
        Receipt { page: Arc::clone(self), place, waits: false }
    }

    fn fates(&self) -> MutexGuard<'_, Fates> {
        self.fates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Fates {
    /// A bit for each message.
    handed_over: u64,
    read: u64,
    acknowledged: u64,
    returned: Vec<(u8, Returned)>,
    /// The messages whose fate was handed out.
    taken: u64,
    waiting: Vec<(u8, Waker)>,
}

impl Fates {
    fn take(&mut self, place: u8) -> Option<Result<Delivered, Returned>> {
        let bit = 1 << place;
        assert!(self.taken & bit == 0, "a receipt was polled after it was ready");
        let fate = if self.read & bit != 0 {
            Ok(Delivered::Read)
        } else if self.acknowledged & bit != 0 {
            Ok(Delivered::Acknowledged)
        } else if self.handed_over & bit != 0 {
            Ok(Delivered::HandedOver)
        } else {
            let at = self.returned.iter().position(|(returned, _)| *returned == place)?;
            Err(self.returned.swap_remove(at).1)
        };
        self.taken |= bit;
        Some(fate)
    }

    fn wait(&mut self, place: u8, waker: &Waker) {
        match self.waiting.iter_mut().find(|(waiting, _)| *waiting == place) {
            Some((_, known)) => known.clone_from(waker),
            None => self.waiting.push((place, waker.clone())),
        }
    }

    fn stop_waiting(&mut self, place: u8) {
        self.waiting.retain(|(waiting, _)| *waiting != place);
    }

    /// Marks the messages `bits` as delivered, except those that came back.
    fn deliver(&mut self, bits: u64, how: Delivered, woken: &mut Vec<Waker>) {
        let returned = self.returned.iter().fold(0, |bits, (place, _)| bits | 1 << place);
        let known = self.handed_over | self.read | self.acknowledged | self.taken | returned;
        *match how {
            Delivered::HandedOver => &mut self.handed_over,
            Delivered::Read => &mut self.read,
            Delivered::Acknowledged => &mut self.acknowledged,
        } |= bits & !known;
        self.wake(bits, woken);
    }

    fn wake(&mut self, bits: u64, woken: &mut Vec<Waker>) {
        let mut at = 0;
        while at < self.waiting.len() {
            match bits & 1 << self.waiting[at].0 {
                0 => at += 1,
                _ => woken.push(self.waiting.swap_remove(at).1),
            }
        }
    }
}

/// The pages of the messages whose fates are not known yet. The driver writes on them.
#[derive(Default)]
pub(super) struct Pages {
    pages: VecDeque<Arc<Page>>,
    /// The wakers to wake when no lock is held.
    pub(super) woken: Vec<Waker>,
    /// The list of the messages that come back because the client ends, if they are listed.
    pub(super) list: Option<Vec<Returned>>,
}

impl Pages {
    pub(super) fn add(&mut self, pages: impl IntoIterator<Item = Arc<Page>>) {
        self.pages.extend(pages);
    }

    /// Drops the pages whose messages all have a known fate.
    pub(super) fn drop_before(&mut self, settled: u64) {
        while self.pages.front().is_some_and(|page| page.first + Page::LEN <= settled) {
            self.pages.pop_front();
        }
    }

    /// Returns the page of a message if somebody may hold a receipt of the message.
    fn watched(&self, id: u64) -> Option<&Arc<Page>> {
        let first = self.pages.front()?.first;
        let index = usize::try_from((id - first) / Page::LEN).ok()?;
        // Receipts come only from the page that is being filled. A page that only the driver holds
        // is full, so no further receipt of it comes.
        self.pages.get(index).filter(|page| Arc::strong_count(page) > 1)
    }
}

impl Tell for Pages {
    fn delivered(&mut self, ids: Range<u64>, how: Delivered) {
        let mut id = ids.start;
        while id < ids.end {
            let end = (id / Page::LEN + 1) * Page::LEN;
            let count = end.min(ids.end) - id;
            let page = self.watched(id).map(Arc::clone);
            if let Some(page) = page {
                let bits = (u64::MAX >> (Page::LEN - count)) << (id - page.first);
                page.fates().deliver(bits, how, &mut self.woken);
            }
            id += count;
        }
    }

    fn returned(&mut self, id: u64, message: Bytes, fate: Fate, cause: &Arc<Error>) {
        let returned =
            Returned { id: Some(MessageId(id)), message, fate, cause: Arc::clone(cause) };
        if let Some(page) = self.watched(id).map(Arc::clone) {
            let place = u8::try_from(id - page.first).unwrap_or(u8::MAX);
            let mut fates = page.fates();
            fates.returned.push((place, returned.clone()));
            fates.wake(1 << place, &mut self.woken);
        }
        if let Some(list) = &mut self.list {
            list.push(returned);
        }
    }
}
