//! Two connections to each other, in memory.

use tokio::io::{DuplexStream, duplex};

use super::{Connection, ConnectionOptions};

impl Connection<DuplexStream> {
    /// Returns two connections to each other, in memory. Use them to test code that works with a
    /// connection, on any platform.
    ///
    /// Each direction holds 120 KiB before a sender has to wait. Unlike on a pipe, closing does not
    /// wait until the peer has read. The streams of the module `simulated`, behind the feature of
    /// that name, do wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), npipes::Error> {
    /// use npipes::Connection;
    ///
    /// let (mut client, mut server) = Connection::pair();
    /// client.send("two coffees").await?;
    /// assert_eq!(server.receive().await?.unwrap(), b"two coffees"[..]);
    /// drop(client);
    /// assert_eq!(server.receive().await?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pair() -> (Self, Self) {
        Self::pair_with_options(ConnectionOptions::DEFAULT_SEND_BUFFER, &ConnectionOptions::new())
    }

    /// Returns two connections to each other, in memory. Each direction holds `capacity` bytes
    /// before a sender has to wait. A capacity of 0 counts as 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use npipes::{Connection, ConnectionOptions, frame::FrameFormat};
    ///
    /// let options = ConnectionOptions::new().format(FrameFormat::NPIPES_1_0_1);
    /// let (client, server) = Connection::pair_with_options(1024, &options);
    /// ```
    pub fn pair_with_options(capacity: usize, options: &ConnectionOptions) -> (Self, Self) {
        let (near, far) = duplex(capacity.max(1));
        (Self::with_options(near, options), Self::with_options(far, options))
    }
}
