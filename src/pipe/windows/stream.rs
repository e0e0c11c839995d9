//! One end of a pipe: Tokio's handle of it, and what is done with that.

mod convert;
mod end;
mod handle;
mod linger;

use std::io;

use tokio::net::windows::named_pipe::NamedPipeServer;

pub(in crate::pipe) use self::handle::PipeHandle;
pub(super) use self::handle::classify;

/// Waits until something has arrived from a client, or it has left.
pub(in crate::pipe) async fn speaks(server: &NamedPipeServer) -> io::Result<()> {
    server.readable().await
}
