//! The numbers of a connection.

/// What has gone over a connection since it began. The counters are plain numbers, without a lock
/// or an atomic.
///
/// The byte counts are of payloads. They do not include the 12 bytes of overhead of each frame, or
/// what a transport adds.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), npipes::Error> {
/// use npipes::Connection;
///
/// let (mut near, mut far) = Connection::pair();
/// near.send("Hello").await?;
/// far.receive().await?;
/// assert_eq!((near.stats().messages_sent, near.stats().bytes_sent), (1, 5));
/// assert_eq!((far.stats().messages_received, far.stats().bytes_received), (1, 5));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Attempts to connect that failed before this connection was made. 0 for an accepted
    /// connection.
    pub retries: u64,
    /// Messages accepted for sending, including those still queued.
    pub messages_sent: u64,
    /// Bytes of their payloads.
    pub bytes_sent: u64,
    /// Messages received.
    pub messages_received: u64,
    /// Bytes of their payloads.
    pub bytes_received: u64,
    /// Frames that were reported as corrupt and skipped.
    pub corrupt_frames: u64,
}

impl ConnectionStats {
    /// Returns the sums.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            retries: self.retries + other.retries,
            messages_sent: self.messages_sent + other.messages_sent,
            bytes_sent: self.bytes_sent + other.bytes_sent,
            messages_received: self.messages_received + other.messages_received,
            bytes_received: self.bytes_received + other.bytes_received,
            corrupt_frames: self.corrupt_frames + other.corrupt_frames,
        }
    }
}
