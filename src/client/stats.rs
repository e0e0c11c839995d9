//! What there has been over all of a client's connections, in numbers.

use crate::connection::ConnectionStats;

/// What there has been since a [`Client`](crate::Client) was made, over all its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct ClientStats {
    /// Connections made, the present one included.
    pub connections: u64,
    /// Attempts to connect that failed. One attempt of a `Connector` waits for a busy pipe until its
    /// own deadline; how often it tried before it succeeded is in
    /// [`retries`](ConnectionStats::retries).
    pub failed_attempts: u64,
    /// Messages accepted for sending.
    pub accepted: u64,
    /// Messages known to be [delivered](crate::client::Delivered).
    pub delivered: u64,
    /// Messages that came back, whether somebody held their receipt or not.
    pub returned: u64,
    /// What has gone over the connections. A message that was sent once more on a new connection,
    /// since the old one had not taken it whole, is counted twice.
    pub traffic: ConnectionStats,
}
