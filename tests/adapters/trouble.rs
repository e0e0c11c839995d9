//! Records what HTTP and gRPC tell of failures, which reach nobody otherwise: an accept loop has no
//! caller to return the error of a connection to.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};

/// The failures that one thread was told of while this was its subscriber.
#[derive(Debug, Clone, Default)]
pub(crate) struct Troubles {
    told: Arc<Mutex<Told>>,
}

#[derive(Debug, Default)]
struct Told {
    troubles: Vec<String>,
    /// Crates that have said anything.
    heard: Vec<String>,
}

impl Troubles {
    /// Records what this thread is told, until the guard is dropped.
    ///
    /// Each test of this binary has to, even if it does not look: `tracing` may ask no other thread than
    /// the one that comes to an event first whether anybody listens to it.
    pub(crate) fn record() -> (Self, DefaultGuard) {
        let troubles = Self::default();
        let guard = tracing::subscriber::set_default(troubles.clone());
        (troubles, guard)
    }

    #[track_caller]
    pub(crate) fn assert_none(&self) {
        let told = self.told.lock().unwrap();
        assert!(told.troubles.is_empty(), "{:#?}", told.troubles);
    }

    /// Asserts that this crate's events are listened to.
    #[track_caller]
    pub(crate) fn assert_heard(&self, of: &str) {
        let told = self.told.lock().unwrap();
        assert!(told.heard.iter().any(|heard| heard == of), "{:?}", told.heard);
    }

    /// Returns the failures told so far, and forgets them.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap().troubles)
    }
}

impl Subscriber for Troubles {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The frames of h2 have fields that are named after errors. Its failures are hyper's too.
        metadata.is_event() && !metadata.target().starts_with("h2")
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        let mut told = self.told.lock().unwrap();
        let of = metadata.target().split("::").next().unwrap_or_default();
        if !told.heard.iter().any(|heard| heard == of) {
            told.heard.push(of.to_owned());
        }
        // In tonic's words: the connection has ended, and the next request makes another.
        if text.0 == " message=poll_ready; error" {
            return;
        }
        let lower = text.0.to_lowercase();
        if *metadata.level() <= Level::WARN || lower.contains("error") || lower.contains("fail") {
            told.troubles.push(format!("{}:{}", metadata.target(), text.0));
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}
