//! What is left of a client.

use std::sync::Arc;

use super::{ClientStats, Returned};
use crate::{connection::DrainOutcome, error::Error};

/// What a [closed](crate::Client::close) client leaves behind.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use = "the messages in it may be nowhere else"]
pub struct Settlement {
    /// How the connection ended; an error if there was none, or why the client gave up.
    pub closed: Result<DrainOutcome, Arc<Error>>,
    /// The messages whose fate was open when the client ended, and which came back then, whether
    /// somebody holds their receipt or not.
    pub returned: Vec<Returned>,
    /// What there has been in all.
    pub stats: ClientStats,
}
