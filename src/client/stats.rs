//! The numbers of a client over all its connections.

use crate::connection::ConnectionStats;

/// The numbers of a [`Client`](crate::Client) since it was made, over all its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct ClientStats {
    /// Connections made, including the present one.
    pub connections: u64,
    /// Attempts to connect that failed. One attempt of a `Connector` waits for a busy pipe until
    /// its own deadline. [`retries`](ConnectionStats::retries) counts how often it tried before it
    /// succeeded.
    pub failed_attempts: u64,
    /// Messages accepted for sending.
    pub accepted: u64,
    /// Messages known to be [delivered](crate::client::Delivered).
    pub delivered: u64,
    /// Messages that came back, whether or not somebody held their receipts.
    pub returned: u64,
    /// The numbers of the connections. A message counts twice if it was sent again on a new
    /// connection, since the old connection had not taken it whole.
    pub traffic: ConnectionStats,
}
