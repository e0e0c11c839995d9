//! Records what is told through `tracing`: every span and event, with its fields as text.

use std::{
    collections::BTreeMap,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};

/// Everything that is told while it is the subscriber, by one thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    spans: Vec<Span>,
    entered: Vec<usize>,
    told: Vec<Told>,
}

#[derive(Debug, Clone)]
pub(crate) struct Span {
    metadata: &'static Metadata<'static>,
    fields: Fields,
    parent: Option<usize>,
}

pub(crate) type Fields = BTreeMap<&'static str, String>;

/// An event.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) level: Level,
    pub(crate) target: &'static str,
    pub(crate) message: String,
    pub(crate) fields: Fields,
    /// The fields of the connection's span that it is in.
    pub(crate) connection: Option<Fields>,
}

impl Told {
    /// Returns a field, or nothing.
    pub(crate) fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    /// Returns a field of the connection's span that it is in, or nothing.
    pub(crate) fn of_connection(&self, field: &str) -> &str {
        let fields = self.connection.as_ref();
        fields.and_then(|fields| fields.get(field)).map_or("", String::as_str)
    }
}

impl Recorder {
    /// Records what this thread tells, until the guard is dropped.
    ///
    /// Each test of a binary has to, even if it does not look: `tracing` may ask no other thread than
    /// the one that comes to an event first whether anybody listens to it.
    pub(crate) fn install() -> (Self, DefaultGuard) {
        let recorder = Self::default();
        let guard = tracing::subscriber::set_default(recorder.clone());
        (recorder, guard)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the events told so far, and starts anew.
    pub(crate) fn take(&self) -> Vec<Told> {
        mem::take(&mut self.state().told)
    }

    /// Returns the events told so far.
    pub(crate) fn peek(&self) -> Vec<Told> {
        self.state().told.clone()
    }

    /// Returns the fields of every span of a connection, in order.
    pub(crate) fn connections(&self) -> Vec<Fields> {
        let state = self.state();
        let connections = state.spans.iter().filter(|span| span.metadata.name() == "connection");
        connections.map(|span| span.fields.clone()).collect()
    }

    /// Returns all of it as one text.
    pub(crate) fn text(&self) -> String {
        format!("{:?}", self.state())
    }
}

/// Asserts that each of the events is in the documentation, with its level and all its fields.
#[track_caller]
pub(crate) fn assert_documented(told: &[Told]) {
    const DOCUMENTATION: &str = include_str!("../../docs/observability.md");
    let rows = || DOCUMENTATION.lines().filter(|line| line.starts_with("| "));
    for event in told {
        let row = format!("| {} |", event.level);
        let message = format!("`{}`", event.message);
        let row = rows()
            .find(|line| {
                line.starts_with(&row) && line.split('|').nth(2).unwrap().contains(&message)
            })
            .unwrap_or_else(|| panic!("not documented: {event:#?}"));
        for field in event.fields.keys() {
            assert!(row.contains(&format!("`{field}`")), "{field} of {message} is not documented");
        }
        assert!(event.target.starts_with("npipes"), "{event:#?}");
    }
}

/// Returns the events with this message.
#[track_caller]
pub(crate) fn with_message<'a>(told: &'a [Told], message: &str) -> Vec<&'a Told> {
    told.iter().filter(|told| told.message == message).collect()
}

/// Returns the one event with this message.
#[track_caller]
pub(crate) fn the_one<'a>(told: &'a [Told], message: &str) -> &'a Told {
    match with_message(told, message)[..] {
        [one] => one,
        ref other => panic!("{} of {message:?} in {told:#?}", other.len()),
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("npipes")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = Visitor::default();
        attributes.record(&mut fields);
        let mut state = self.state();
        let parent = match attributes.parent() {
            Some(id) => Some(index(id)),
            None if attributes.is_contextual() => state.entered.last().copied(),
            None => None,
        };
        state.spans.push(Span { metadata: attributes.metadata(), fields: fields.0, parent });
        Id::from_u64(state.spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut fields = Visitor::default();
        values.record(&mut fields);
        self.state().spans[index(id)].fields.extend(fields.0);
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Visitor::default();
        event.record(&mut fields);
        let mut state = self.state();
        let mut next = match event.parent() {
            Some(id) => Some(index(id)),
            None => state.entered.last().copied(),
        };
        let mut connection = None;
        while let Some(span) = next.map(|at| &state.spans[at]) {
            if span.metadata.name() == "connection" {
                connection = Some(span.fields.clone());
                break;
            }
            next = span.parent;
        }
        let metadata = event.metadata();
        state.told.push(Told {
            level: *metadata.level(),
            target: metadata.target(),
            message: fields.0.remove("message").unwrap_or_default(),
            fields: fields.0,
            connection,
        });
    }

    fn enter(&self, id: &Id) {
        self.state().entered.push(index(id));
    }

    fn exit(&self, id: &Id) {
        let mut state = self.state();
        if let Some(at) = state.entered.iter().rposition(|entered| *entered == index(id)) {
            state.entered.remove(at);
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
}

fn index(id: &Id) -> usize {
    id.into_u64() as usize - 1
}

#[derive(Default)]
struct Visitor(Fields);

impl Visit for Visitor {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
