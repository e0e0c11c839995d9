//! How a client ended.

use std::sync::Arc;

use crate::{connection::DrainOutcome, error::Error};

/// How the client ended.
pub(super) struct End {
    pub(super) closed: Result<DrainOutcome, Arc<Error>>,
    pub(super) cause: Arc<Error>,
    /// The error that the receiving end returns.
    pub(super) report: Option<Error>,
}

impl End {
    pub(super) fn closed(outcome: Result<DrainOutcome, Error>) -> Self {
        let closed = outcome.map_err(Arc::new);
        let cause = match &closed {
            Err(error) => Arc::clone(error),
            Ok(_) => Arc::new(Error::Closed),
        };
        Self { closed, cause, report: None }
    }

    pub(super) fn gave_up(error: Error) -> Self {
        let Error::GaveUp { attempts, elapsed, timeout, source } = &error else {
            return Self::closed(Err(error));
        };
        let (attempts, elapsed, timeout) = (*attempts, *elapsed, *timeout);
        let report = Error::GaveUp { attempts, elapsed, timeout, source: source.clone() };
        Self { report: Some(report), ..Self::closed(Err(error)) }
    }
}
