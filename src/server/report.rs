//! What is counted while serving.

use crate::error::Error;

/// The numbers of a [serving](crate::serve()) that is over.
#[derive(Debug, Default)]
#[non_exhaustive]
#[must_use = "`accept_error` says whether serving ended by itself"]
pub struct ServeReport {
    /// Connections accepted. A connection that none of the following counts includes ended well:
    /// its handler returned, and its peer has read everything or had left before.
    pub accepted: u64,
    /// Connections whose handlers returned an error, or which failed when they were closed.
    pub failed: u64,
    /// Connections whose handlers panicked.
    pub panicked: u64,
    /// Connections that were closed, but whose peers were still there and had not read everything
    /// in time.
    pub undrained: u64,
    /// Connections whose handlers were still running at the deadline, and were dropped. The
    /// connections were aborted: nothing of them is left, whatever their peers do.
    pub cut: u64,
    /// The failed accept that ended the serving. `None` if the caller ended it.
    pub accept_error: Option<Error>,
}

impl ServeReport {
    pub(super) fn count(&mut self, ending: Ending) {
        match ending {
            Ending::Well => {}
            Ending::Undrained => self.undrained += 1,
            Ending::Failed => self.failed += 1,
            Ending::Panicked => self.panicked += 1,
            Ending::Cut => self.cut += 1,
        }
    }
}

/// How a connection's task ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    Well,
    Undrained,
    Failed,
    Panicked,
    Cut,
}
