//! Counts the attempts of successful connects, by the event that tells of them.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// The attempts of every connect that succeeded while this was the subscriber, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct AttemptLog(Arc<Mutex<Vec<u32>>>);

impl AttemptLog {
    /// Returns what was counted so far, and starts anew.
    pub(crate) fn take(&self) -> Vec<u32> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Subscriber for AttemptLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == "npipes::retry::attempts"
    }

    fn event(&self, event: &Event<'_>) {
        let mut sum = Sum { connected: false, failures: 0 };
        event.record(&mut sum);
        if sum.connected {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(1 + sum.failures);
        }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Sum {
    connected: bool,
    failures: u32,
}

impl Visit for Sum {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if matches!(field.name(), "busy" | "not_found" | "access_denied") {
            self.failures += u32::try_from(value).unwrap_or(u32::MAX);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.connected |= field.name() == "message" && format!("{value:?}") == "connected";
    }
}
