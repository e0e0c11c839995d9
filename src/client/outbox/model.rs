//! Compares the outbox with a model that keeps every message for ever and looks at all of them each
//! time.

use std::{
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
    sync::Arc,
};

use bytes::Bytes;
use proptest::prelude::*;

use super::{Delivered, Fate, Outbox, Tell};
use crate::{client::cost::ENTRY_COST, error::Error};

const OVERHEAD: u64 = 12;

#[derive(Debug, Clone, PartialEq)]
enum Told {
    Delivered(Delivered),
    Returned(Bytes, Fate),
}

#[derive(Debug, Default)]
struct Record(BTreeMap<u64, Told>);

impl Tell for Record {
    fn delivered(&mut self, ids: Range<u64>, how: Delivered) {
        for id in ids {
            self.0.entry(id).or_insert(Told::Delivered(how));
        }
    }

    fn returned(&mut self, id: u64, message: Bytes, fate: Fate, _: &Arc<Error>) {
        let before = self.0.insert(id, Told::Returned(message, fate));
        assert_eq!(before, None, "{id} was settled of twice");
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Kept,
    /// Where the frame begins and ends among the bytes fed to connections.
    Fed(u64, u64),
    Doubt(u64),
    Told,
}

struct Message {
    payload: Bytes,
    place: Place,
    tries: u32,
}

#[derive(Default)]
struct Model {
    messages: Vec<Message>,
    fed: u64,
    written: u64,
    losses: u64,
    freed: usize,
    settled: BTreeMap<u64, Told>,
}

impl Model {
    fn tell(&mut self, id: usize, settled: Told) {
        let message = &mut self.messages[id];
        assert_ne!(message.place, Place::Told);
        message.place = Place::Told;
        self.freed += message.payload.len() + ENTRY_COST;
        self.settled.insert(id as u64, settled);
    }

    fn give_back(&mut self, id: usize, fate: Fate) {
        self.tell(id, Told::Returned(self.messages[id].payload.clone(), fate));
    }

    fn kept(&self) -> Option<usize> {
        self.messages.iter().position(|message| message.place == Place::Kept)
    }

    fn feed(&mut self) {
        if let Some(id) = self.kept() {
            let begin = self.fed;
            self.fed += OVERHEAD + self.messages[id].payload.len() as u64;
            self.messages[id].place = Place::Fed(begin, self.fed);
        }
    }

    fn deliver(&mut self, place: u64) {
        for id in 0..self.messages.len() {
            if matches!(self.messages[id].place, Place::Fed(_, end) if end <= place) {
                self.tell(id, Told::Delivered(Delivered::Read));
            }
        }
    }

    fn acknowledge(&mut self, ids: &RangeInclusive<u64>) {
        for id in 0..self.messages.len() {
            let counts = match self.messages[id].place {
                Place::Fed(..) | Place::Doubt(_) => true,
                Place::Kept | Place::Told => false,
            };
            if counts && ids.contains(&(id as u64)) {
                self.tell(id, Told::Delivered(Delivered::Acknowledged));
            }
        }
    }

    /// Returns how many messages are in doubt since this loss.
    fn lose(&mut self, max_tries: u32) -> usize {
        self.losses += 1;
        let mut in_doubt = 0;
        for id in 0..self.messages.len() {
            let Place::Fed(begin, end) = self.messages[id].place else { continue };
            if end <= self.written {
                self.messages[id].place = Place::Doubt(self.losses);
                in_doubt += 1;
                continue;
            }
            self.messages[id].place = Place::Kept;
            if begin < self.written {
                self.messages[id].tries += 1;
                if self.messages[id].tries >= max_tries {
                    self.give_back(id, Fate::NotSent);
                }
            }
        }
        self.written = self.fed;
        in_doubt
    }

    fn decide(&mut self, loss: u64) {
        for id in 0..self.messages.len() {
            if matches!(self.messages[id].place, Place::Doubt(number) if number <= loss) {
                self.give_back(id, Fate::MaybeDelivered);
            }
        }
    }

    fn settled(&self) -> u64 {
        let open = self.messages.iter().position(|message| message.place != Place::Told);
        open.unwrap_or(self.messages.len()) as u64
    }
}

#[derive(Debug, Clone)]
enum Act {
    Accept(usize),
    Feed,
    Refuse,
    /// The transport takes this many of the bytes that it was fed.
    Write(u64),
    /// The peer has read all of the written bytes but this many.
    Deliver(u64),
    Acknowledge(u64, u64),
    Lose,
    Decide(u64),
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..30_usize).prop_map(Act::Accept),
        5 => Just(Act::Feed),
        1 => Just(Act::Refuse),
        4 => (0..60_u64).prop_map(Act::Write),
        1 => Just(Act::Write(u64::MAX)),
        2 => (0..40_u64).prop_map(Act::Deliver),
        2 => (0..40_u64, 0..5_u64).prop_map(|(first, more)| Act::Acknowledge(first, first + more)),
        2 => Just(Act::Lose),
        2 => (0..4_u64).prop_map(Act::Decide),
    ]
}

/// Reading is evidence only if nothing waits for an acknowledgement.
fn play(acts: &[Act], acknowledged: bool, max_tries: u32) {
    let (mut outbox, mut model, mut record) = Default::default();
    let (outbox, model, record): (&mut Outbox, &mut Model, &mut Record) =
        (&mut outbox, &mut model, &mut record);
    let cause = Arc::new(Error::Closed);
    for (step, act) in acts.iter().enumerate() {
        let unwritten = |model: &Model| usize::try_from(model.fed - model.written).unwrap();
        match act {
            Act::Accept(len) => {
                let payload = Bytes::from(vec![u8::try_from(step % 256).unwrap(); *len]);
                outbox.accept(payload.clone());
                model.messages.push(Message { payload, place: Place::Kept, tries: 0 });
            }
            Act::Feed => {
                assert_eq!(
                    outbox.kept().cloned(),
                    model.kept().map(|id| model.messages[id].payload.clone())
                );
                outbox.feed();
                model.feed();
            }
            Act::Refuse => {
                outbox.kept();
                outbox.refuse(&cause, record);
                if let Some(id) = model.kept() {
                    model.give_back(id, Fate::NotSent);
                }
            }
            Act::Write(count) => model.written += (*count).min(model.fed - model.written),
            Act::Deliver(unread) if !acknowledged => {
                let place = outbox.written(unwritten(model)).saturating_sub(*unread);
                outbox.deliver(place, Delivered::Read, record);
                model.deliver(place);
            }
            Act::Deliver(_) => {}
            Act::Acknowledge(first, last) => {
                let ids = *first..=*last;
                outbox.acknowledge(&ids, record);
                model.acknowledge(&ids);
            }
            Act::Lose => {
                let in_doubt = outbox.lose(unwritten(model), max_tries, &cause, record);
                assert_eq!(in_doubt, model.lose(max_tries));
                if !acknowledged {
                    outbox.decide(outbox.losses(), record);
                    model.decide(model.losses);
                }
            }
            Act::Decide(before) => {
                let loss = outbox.losses().saturating_sub(*before);
                outbox.decide(loss, record);
                model.decide(loss);
            }
        }
        assert_eq!(record.0, model.settled, "after {act:?}");
        assert_eq!(outbox.settled(), model.settled());
        assert_eq!(outbox.take_freed(), std::mem::take(&mut model.freed));
        let is_in_doubt = |message: &Message| matches!(message.place, Place::Doubt(_));
        assert_eq!(outbox.is_in_doubt(), model.messages.iter().any(is_in_doubt));
        let kept = model.messages.iter().filter(|message| message.place == Place::Kept).count();
        assert_eq!(outbox.kept_count(), kept);
        let is_whole = |message: &Message| match message.place {
            Place::Fed(_, end) => end <= model.written,
            Place::Doubt(_) | Place::Told => true,
            Place::Kept => false,
        };
        let handed_over = model.messages.iter().position(|message| !is_whole(message));
        let handed_over = handed_over.unwrap_or(model.messages.len()) as u64;
        let said = outbox.handed_over(outbox.written(unwritten(model)));
        assert!(said <= handed_over && said >= model.settled(), "{said} and {handed_over}");
        if outbox.kept().is_none() && model.written == model.fed {
            let said = outbox.handed_over(outbox.written(unwritten(model)));
            assert_eq!(said, handed_over, "after {act:?}");
        }
    }
    outbox.abandon(usize::try_from(model.fed - model.written).unwrap(), &cause, record);
    model.lose(u32::MAX);
    model.decide(u64::MAX);
    while let Some(id) = model.kept() {
        model.give_back(id, Fate::NotSent);
    }
    assert_eq!(record.0, model.settled);
    assert_eq!(record.0.len(), model.messages.len(), "each has one fate");
    assert_eq!(outbox.settled(), model.messages.len() as u64);
    let (delivered, returned) = outbox.counts();
    assert_eq!(delivered + returned, model.messages.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn it_says_what_the_model_says(
        acts in prop::collection::vec(any_act(), 0..80),
        acknowledged: bool,
        max_tries in 1..4_u32,
    ) {
        play(&acts, acknowledged, max_tries);
    }
}
