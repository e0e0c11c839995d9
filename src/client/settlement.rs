//! The final report of a client.

use std::sync::Arc;

use super::{ClientStats, Returned};
use crate::{connection::DrainOutcome, error::Error};

/// The final report of a [closed](crate::Client::close) client.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use = "the messages in it may be nowhere else"]
pub struct Settlement {
    /// How the connection ended. An error if there was no connection, or if the client gave up.
    pub closed: Result<DrainOutcome, Arc<Error>>,
    /// The messages whose fate was open when the client ended. They came back then, whether or not
    /// somebody holds their receipts.
    pub returned: Vec<Returned>,
    /// The numbers of the client in all.
    pub stats: ClientStats,
}
