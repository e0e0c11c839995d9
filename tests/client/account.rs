//! Whatever happens, the books balance: servers that die at any byte, futures that are dropped at any
//! poll, receipts that nobody keeps.

use std::{
    collections::BTreeSet,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures::{FutureExt, future::join};
use npipes::{
    Client, ConnectionOptions, DrainOutcome, FrameCodec,
    client::{
        ClientOptions, Delivered, DeliveredWhen, Fate, Inbox, MessageId, Receipt, Settlement,
    },
    retry::Backoff,
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
    /// A send that is dropped after so many polls.
    Send {
        len: usize,
        polls: usize,
    },
    TrySend {
        len: usize,
    },
    /// A wait for room that is dropped after so many polls, then perhaps a message.
    Reserve {
        len: Option<usize>,
        polls: usize,
    },
    /// A wait for the fate of one of the messages, dropped after so many polls.
    Await {
        which: usize,
        polls: usize,
    },
    DropReceipt {
        which: usize,
    },
    Flush {
        polls: usize,
    },
    Receive {
        polls: usize,
    },
    /// Everybody else gets a turn, or time goes by.
    Rest {
        millis: u64,
    },
}

/// A server that dies when it has read so many bytes.
#[derive(Debug, Clone, Copy)]
struct Life {
    capacity: usize,
    reads: usize,
}

fn any_act() -> impl Strategy<Value = Act> {
    let len = 0..40_usize;
    let polls = 1..4_usize;
    prop_oneof![
        6 => (len.clone(), polls.clone()).prop_map(|(len, polls)| Act::Send { len, polls }),
        2 => len.clone().prop_map(|len| Act::TrySend { len }),
        2 => (prop::option::of(len), polls.clone())
            .prop_map(|(len, polls)| Act::Reserve { len, polls }),
        2 => (0..100_usize, polls.clone()).prop_map(|(which, polls)| Act::Await { which, polls }),
        1 => (0..100_usize).prop_map(|which| Act::DropReceipt { which }),
        1 => polls.clone().prop_map(|polls| Act::Flush { polls }),
        4 => polls.prop_map(|polls| Act::Receive { polls }),
        2 => (0..3_u64).prop_map(|millis| Act::Rest { millis }),
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

/// A message that was accepted.
struct Entry {
    number: u64,
    id: MessageId,
    receipt: Option<Receipt>,
    fate: Option<(Option<Delivered>, Option<Fate>)>,
}

#[derive(Default)]
struct Books {
    /// Messages made; each bears the number of those before it.
    made: u64,
    entries: Vec<Entry>,
    acknowledged: BTreeSet<u64>,
}

impl Books {
    fn message(&mut self, len: usize) -> Bytes {
        let mut message = BytesMut::with_capacity(8 + len);
        message.put_u64_le(self.made);
        message.put_bytes(0xa5, len);
        self.made += 1;
        message.freeze()
    }

    fn accepted(&mut self, receipt: Receipt) {
        let (number, id) = (self.made - 1, receipt.id());
        assert!(self.entries.last().is_none_or(|last| last.id < id));
        self.entries.push(Entry { number, id, receipt: Some(receipt), fate: None });
    }

    async fn run(&mut self, client: &Client, inbox: &mut Inbox, acts: &[Act]) {
        for &act in acts {
            match act {
                Act::Send { len, polls } => {
                    let message = self.message(len);
                    if let Some(sent) = polled(client.send(message), polls).await {
                        self.accepted(sent.unwrap());
                    }
                }
                Act::TrySend { len } => {
                    let message = self.message(len);
                    if let Ok(receipt) = client.try_send(message) {
                        self.accepted(receipt);
                    }
                }
                Act::Reserve { len, polls } => {
                    let permit = polled(client.reserve(), polls).await;
                    if let (Some(permit), Some(len)) = (permit, len) {
                        let message = self.message(len);
                        self.accepted(permit.unwrap().send(message).unwrap());
                    }
                }
                Act::Await { which, polls } => {
                    let Some(entry) = self.entries.get_mut(which) else { continue };
                    let Some(receipt) = &mut entry.receipt else { continue };
                    if let Some(fate) = polled(receipt, polls).await {
                        entry.receipt = None;
                        entry.settle(fate);
                    }
                }
                Act::DropReceipt { which } => {
                    if let Some(entry) = self.entries.get_mut(which) {
                        entry.receipt = None;
                    }
                }
                Act::Flush { polls } => drop(polled(client.flush(), polls).await),
                Act::Receive { polls } => {
                    if let Some(reply) = polled(inbox.receive(), polls).await {
                        self.take_note(client, &reply.unwrap().unwrap());
                    }
                }
                Act::Rest { millis } => tokio::time::sleep(Duration::from_millis(millis)).await,
            }
        }
    }

    fn take_note(&mut self, client: &Client, reply: &[u8]) {
        let number = u64::from_le_bytes(reply.try_into().unwrap());
        let entry = self.entries.iter().find(|entry| entry.number == number).unwrap();
        client.acknowledge(entry.id);
        self.acknowledged.insert(number);
    }

    /// Learns every fate that somebody still waits for.
    fn finish(&mut self, settlement: &Settlement) {
        for entry in &mut self.entries {
            if let Some(receipt) = entry.receipt.take() {
                let fate = receipt.now_or_never().expect("the client has ended");
                entry.settle(fate);
            }
        }
        let counters = settlement.stats;
        assert_eq!(counters.accepted, self.entries.len() as u64);
        assert_eq!(counters.delivered + counters.returned, counters.accepted);
    }
}

impl Entry {
    fn settle(&mut self, fate: Result<Delivered, npipes::client::Returned>) {
        assert!(self.fate.is_none(), "two fates");
        self.fate = Some(match fate {
            Ok(delivered) => (Some(delivered), None),
            Err(returned) => {
                assert_eq!(returned.id, Some(self.id));
                assert_eq!(returned.message[..8], self.number.to_le_bytes(), "another's payload");
                (None, Some(returned.fate))
            }
        });
    }
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
        .outbox(1200)
        .inbox(300);
    let (client, mut inbox) = Client::builder(script).options(options).spawn();
    let servers = async {
        let mut records = Vec::new();
        for (far, reads) in fars {
            let mut record = Vec::new();
            serve(far, reads, &mut record).await;
            records.push(record);
        }
        records
    };
    let work = async {
        let mut books = Books::default();
        books.run(&client, &mut inbox, &acts).await;
        if when == DeliveredWhen::Acknowledged {
            // Whatever can be acknowledged is; then nothing more comes for a while.
            let rest = Duration::from_secs(5);
            while let Ok(reply) = tokio::time::timeout(rest, inbox.receive()).await {
                books.take_note(&client, &reply.unwrap().unwrap());
            }
        } else {
            drop(inbox);
        }
        let settlement = client.close().await;
        if when == DeliveredWhen::Read && matches!(settlement.closed, Ok(DrainOutcome::Drained)) {
            assert!(settlement.returned.is_empty(), "{:?}", settlement.returned);
        }
        books.finish(&settlement);
        // Ends the servers that were never called.
        drop(client);
        books
    };
    let (books, records) = within(join(work, servers)).await;
    balance(when, &books, &records);
}

fn balance(when: DeliveredWhen, books: &Books, records: &[Vec<u64>]) {
    let recorded: Vec<u64> = records.iter().flatten().copied().collect();
    assert!(recorded.is_sorted_by(|a, b| a < b), "twice or out of order: {recorded:?}");
    let recorded: BTreeSet<u64> = recorded.into_iter().collect();
    let accepted: BTreeSet<u64> = books.entries.iter().map(|entry| entry.number).collect();
    assert!(recorded.is_subset(&accepted), "sent, and never accepted");
    for entry in &books.entries {
        let number = entry.number;
        match entry.fate {
            Some((Some(Delivered::Acknowledged), _)) => {
                assert!(books.acknowledged.contains(&number) && recorded.contains(&number));
            }
            Some((Some(_), _)) => assert!(recorded.contains(&number), "{number} is lost"),
            Some((_, Some(Fate::NotSent))) => {
                assert!(!recorded.contains(&number), "{number} was delivered");
            }
            // Where acknowledgements count, each that arrived is taken note of before the loss is decided.
            Some(_) if when == DeliveredWhen::Acknowledged => {
                assert!(!books.acknowledged.contains(&number), "{number} was acknowledged");
            }
            Some(_) => {}
            None => {}
        }
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
