//! Opening the client's end of a pipe, once.

mod options;
mod waiter;

use std::io;

pub(in crate::pipe) use self::{options::OpenSettings, waiter::Waiter};
use super::{
    stream::PipeHandle,
    sys::{self, Code, OpenFlags},
};
use crate::{name::PipeName, retry::attempts::Failure};

/// Opens the pipe `name`.
pub(in crate::pipe) async fn open(
    name: &PipeName,
    settings: OpenSettings,
) -> io::Result<PipeHandle> {
    let flags = OpenFlags::new(settings.direction).impersonation(settings.impersonation);
    let (handle, pipe_type) = if name.is_local() {
        sys::open(name, flags)?
    } else {
        // For a pipe of another machine, CreateFileW takes as long as the network does.
        let remote = name.clone();
        tokio::task::spawn_blocking(move || sys::open(&remote, flags))
            .await
            .map_err(io::Error::other)??
    };
    Ok(PipeHandle::of_client(sys::register_client(handle)?, pipe_type))
}

/// Returns what a failure to open a pipe, or to judge its server, means for the next attempt.
pub(in crate::pipe) fn failure(error: &io::Error) -> Failure {
    match Code::of(error) {
        Code::Busy => Failure::Busy,
        // The server disconnected before it could be judged, so its pipe is no longer there.
        Code::NotFound | Code::Disconnected => Failure::NotFound,
        Code::AccessDenied => Failure::AccessDenied,
        Code::NothingRead | Code::Listening | Code::Other => Failure::Other,
    }
}

/// Returns whether a server could not be judged because it has left.
pub(in crate::pipe) fn has_left(error: &io::Error) -> bool {
    Code::of(error) == Code::Disconnected
}
