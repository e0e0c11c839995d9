//! One end of a socket: Tokio's handle, and the operations on it.

mod handle;

use std::io;

use rustix::net::{RecvFlags, recv};
use tokio::{io::Interest, net::UnixStream};

pub(in crate::pipe) use self::handle::PipeHandle;
pub(super) use self::handle::Unread;

/// Waits until something has arrived from a client, or the client has left. Readiness alone does
/// not prove this: Tokio's readiness may be a false alarm.
pub(in crate::pipe) async fn speaks(server: &UnixStream) -> io::Result<()> {
    let look = || Ok(recv(server, &mut [0; 1], RecvFlags::PEEK).map(drop)?);
    server.async_io(Interest::READABLE, look).await
}
