//! Whatever happens, the books balance: servers that die at any byte, calls that are dropped at any
//! poll.

use std::{
    collections::BTreeSet,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::join;
use npipes::{
    Backoff, Client, ClientOptions, Closed, Connect, ConnectionOptions, DeliveredWhen, Error, Fate,
    FrameCodec, MessageId, Returned,
};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::codec::{Decoder, Encoder};

use crate::{
    support::within,
    wire::{Far, Script, Step, wire},
};

#[derive(Debug, Clone, Copy)]
enum Act {
    Send {
        len: usize,
    },
    /// A send that is dropped after so many polls.
    DropSend {
        len: usize,
        polls: usize,
    },
    Feed {
        len: usize,
    },
    Flush,
    Drained,
    DropDrained {
        polls: usize,
    },
    /// A receive that is dropped after so many polls.
    Receive {
        polls: usize,
    },
    Fetch,
}

/// A server that dies when it has read so many bytes.
#[derive(Debug, Clone, Copy)]
struct Life {
    capacity: usize,
    reads: usize,
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..40_usize).prop_map(|len| Act::Send { len }),
        2 => (0..40_usize, 1..4_usize).prop_map(|(len, polls)| Act::DropSend { len, polls }),
        4 => (0..40_usize).prop_map(|len| Act::Feed { len }),
        2 => Just(Act::Flush),
        1 => Just(Act::Drained),
        1 => (1..4_usize).prop_map(|polls| Act::DropDrained { polls }),
        3 => (1..4_usize).prop_map(|polls| Act::Receive { polls }),
        1 => Just(Act::Fetch),
    ]
}

fn any_life() -> impl Strategy<Value = Life> {
    (1..120_usize, 0..300_usize).prop_map(|(capacity, reads)| Life { capacity, reads })
}

/// Polls a future at most so many times, while others get their turn.
async fn polled<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    struct Polled<'a, F>(Pin<&'a mut F>, usize);

    impl<F: Future> Future for Polled<'_, F> {
        type Output = Option<F::Output>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            if let Poll::Ready(output) = self.0.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            self.1 -= 1;
            if self.1 == 0 {
                return Poll::Ready(None);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    let output = Polled(pin!(future), polls).await;
    tokio::task::yield_now().await;
    output
}

/// Reads until it dies, writes what it got into the record, and then acknowledges it. It reads on
/// while its acknowledgements wait: no client is bound to receive.
async fn serve(far: Far, reads: usize, record: &mut Vec<u64>) {
    let (mut input, mut output) = tokio::io::split(far);
    let (mut codec, mut buffer, mut replies) =
        (FrameCodec::default(), BytesMut::new(), BytesMut::new());
    let mut left = reads;
    while left > 0 {
        let mut piece = [0; 32];
        let room = left.min(piece.len());
        let count = tokio::select! {
            biased;
            written = output.write_buf(&mut replies), if !replies.is_empty() => match written {
                Ok(_) => continue,
                Err(_) => return,
            },
            read = input.read(&mut piece[..room]) => match read {
                Ok(count @ 1..) => count,
                _ => return,
            },
        };
        left -= count;
        buffer.extend_from_slice(&piece[..count]);
        while let Some(message) = codec.decode(&mut buffer).unwrap() {
            record.push(u64::from_le_bytes(message[..8].try_into().unwrap()));
            codec.encode(message.freeze().slice(..8), &mut replies).unwrap();
        }
    }
}

struct Books<C: Connect> {
    client: Client<C>,
    /// Every number that was given out.
    accepted: Vec<MessageId>,
    acknowledged: BTreeSet<MessageId>,
    returned: Vec<Returned>,
}

impl<C: Connect> Books<C> {
    async fn run(&mut self, acts: &[Act]) {
        for &act in acts {
            let next = self.client.next_id();
            let outcome = match act {
                Act::Send { len } => {
                    let message = message(next, len);
                    Some(self.client.send(message).await.map(|id| assert_eq!(id, next)))
                }
                Act::DropSend { len, polls } => {
                    let message = message(next, len);
                    polled(self.client.send(message), polls).await.map(|sent| sent.map(|_| ()))
                }
                Act::Feed { len } => {
                    Some(self.client.feed(message(next, len)).await.map(|id| assert_eq!(id, next)))
                }
                Act::Flush => Some(self.client.flush().await),
                Act::Drained => Some(self.client.drained().await),
                Act::DropDrained { polls } => polled(self.client.drained(), polls).await,
                Act::Receive { polls } => match polled(self.client.receive(), polls).await {
                    Some(Ok(number)) => {
                        self.take_note(&number.unwrap());
                        None
                    }
                    Some(Err(error)) => Some(Err(error)),
                    None => None,
                },
                Act::Fetch => {
                    self.returned.extend(self.client.take_returned());
                    None
                }
            };
            if self.client.next_id() > next {
                self.accepted.push(next);
            }
            if let Some(Err(error)) = outcome {
                self.fetch(&error);
            }
        }
    }

    /// Fetches what an error reports; any other error is the test's failure.
    fn fetch(&mut self, error: &Error) {
        assert!(
            matches!(error, Error::Returned { .. } | Error::Unacknowledged { .. }),
            "{error:?}"
        );
        self.returned.extend(self.client.take_returned());
    }

    fn take_note(&mut self, number: &[u8]) {
        let number = u64::from_le_bytes(number.try_into().unwrap());
        let id = self.accepted[usize::try_from(number).unwrap()];
        self.client.acknowledge(id);
        self.acknowledged.insert(id);
    }

    /// Ends with a server that lives: sends everything and closes.
    async fn finish(mut self, when: DeliveredWhen) -> Outcome {
        while let Err(error) = self.client.flush().await {
            self.fetch(&error);
        }
        if when == DeliveredWhen::Acknowledged {
            while self.client.settled() < self.client.next_id() {
                match self.client.receive().await {
                    Ok(number) => self.take_note(&number.unwrap()),
                    Err(error) => self.fetch(&error),
                }
            }
        }
        let settlement = self.client.close().await;
        if let Ok(Closed::Drained) = settlement.closed {
            assert_eq!(settlement.returned, []);
        }
        self.returned.extend(settlement.returned);
        Outcome { accepted: self.accepted, returned: self.returned }
    }
}

struct Outcome {
    accepted: Vec<MessageId>,
    returned: Vec<Returned>,
}

fn message(id: MessageId, len: usize) -> Bytes {
    let mut message = BytesMut::with_capacity(8 + len);
    message.put_u64_le(id.get());
    message.put_bytes(0xa5, len);
    message.freeze()
}

async fn play(
    lives: Vec<Life>,
    acts: Vec<Act>,
    when: DeliveredWhen,
    send_buffer: usize,
    counts_unread: bool,
) {
    let last = Life { capacity: 64, reads: usize::MAX };
    let (nears, fars): (Vec<_>, Vec<_>) = lives
        .into_iter()
        .chain([last])
        .map(|life| {
            let (near, far) = wire(life.capacity);
            (Step::Give(near), (far, life.reads))
        })
        .unzip();
    let mut script = Script::of(nears).options(ConnectionOptions::new().send_buffer(send_buffer));
    if counts_unread {
        script = script.counts_unread();
    }
    let options = ClientOptions::new()
        .backoff(Backoff::new(Duration::from_millis(1), Duration::from_millis(1)).without_jitter())
        .delivered_when(when)
        .buffer(1200);
    let mut books = Books {
        client: Client::with_options(script, &options),
        accepted: Vec::new(),
        acknowledged: BTreeSet::new(),
        returned: Vec::new(),
    };
    let servers = async {
        let mut records = Vec::new();
        for (far, reads) in fars {
            let mut record = Vec::new();
            serve(far, reads, &mut record).await;
            records.push(record);
        }
        records
    };
    let client = async {
        books.run(&acts).await;
        books.finish(when).await
    };
    let (outcome, records) = within(join(client, servers)).await;
    balance(&outcome, &records);
}

fn balance(outcome: &Outcome, records: &[Vec<u64>]) {
    let recorded: Vec<u64> = records.iter().flatten().copied().collect();
    assert!(recorded.is_sorted_by(|a, b| a < b), "twice or out of order: {recorded:?}");
    let recorded: BTreeSet<u64> = recorded.into_iter().collect();
    let returned = |fate| -> BTreeSet<u64> {
        outcome.returned.iter().filter(|one| one.fate == fate).map(|one| one.id.get()).collect()
    };
    let (maybe, not_sent) = (returned(Fate::MaybeDelivered), returned(Fate::NotSent));
    assert_eq!(maybe.len() + not_sent.len(), outcome.returned.len(), "returned twice");
    for one in &outcome.returned {
        assert_eq!(one.message[..8], one.id.get().to_le_bytes(), "another's payload");
    }
    assert!(recorded.is_disjoint(&not_sent), "delivered, and said not to be sent");
    for id in &outcome.accepted {
        let id = id.get();
        let is_returned = maybe.contains(&id) || not_sent.contains(&id);
        assert!(is_returned || recorded.contains(&id), "{id} is lost without a word");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_books_balance(
        lives in prop::collection::vec(any_life(), 0..8),
        acts in prop::collection::vec(any_act(), 0..60),
        acknowledged: bool,
        send_buffer in prop::sample::select(vec![1, 40, 65536]),
        counts_unread: bool,
    ) {
        let when = match acknowledged {
            true => DeliveredWhen::Acknowledged,
            false => DeliveredWhen::Read,
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(play(lives, acts, when, send_buffer, counts_unread));
    }
}
