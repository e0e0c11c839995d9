//! One end of a pipe: Tokio's handle, and the operations on it.

mod end;
mod handle;
mod linger;
mod writing;

use std::io;

use tokio::net::windows::named_pipe::NamedPipeServer;

pub(super) use self::handle::classify;
pub(in crate::pipe) use self::{end::End, handle::PipeHandle};

/// Waits until something has arrived from a client, or the client has left.
pub(in crate::pipe) async fn speaks(server: &NamedPipeServer) -> io::Result<()> {
    server.readable().await
}
