//! One end of a socket: Tokio's handle of it, and what is done with that.

mod handle;

use std::io;

use rustix::net::{RecvFlags, recv};
use tokio::{io::Interest, net::UnixStream};

pub(in crate::pipe) use self::handle::PipeHandle;
pub(super) use self::handle::Unread;

/// Waits until something has arrived from a client, or it has left. Readiness alone does not say so:
/// Tokio's may be a false alarm.
pub(in crate::pipe) async fn speaks(server: &UnixStream) -> io::Result<()> {
    let look = || Ok(recv(server, &mut [0; 1], RecvFlags::PEEK).map(drop)?);
    server.async_io(Interest::READABLE, look).await
}
