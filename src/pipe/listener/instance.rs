//! Instances of a pipe: the first, which takes the name, and those that wait for a client.

use std::{future::Future, io, os::windows::io::AsHandle, pin::Pin, sync::Arc};

use tokio::net::windows::named_pipe::NamedPipeServer;

use crate::{
    error::{Error, Operation},
    name::PipeName,
    pipe::{
        security::SecurityDescriptor,
        sys::{self, Code, InstanceWords},
    },
};

/// Creates the first instance of a name that nobody owns.
///
/// `CreateNamedPipeW` documents `ERROR_ACCESS_DENIED` for a first instance that is not the first,
/// and gives it too when an existing pipe differs in its directions; a pipe at its own limit of
/// instances gives `ERROR_PIPE_BUSY`. The count is looked at as well, since Wine does not know
/// `FILE_FLAG_FIRST_PIPE_INSTANCE`; an outbound pipe's server must not ask for it
/// (`GetNamedPipeHandleStateW` wants `GENERIC_READ`).
pub(super) fn claim(
    name: &PipeName,
    words: InstanceWords,
    security: &SecurityDescriptor,
) -> Result<NamedPipeServer, Error> {
    let first = match sys::create_instance(name, words.first(), security.as_descriptor()) {
        Ok(first) => first,
        Err(e) if matches!(Code::of(&e), Code::AccessDenied | Code::Busy) => {
            return Err(Error::NameTaken { pipe: name.clone() });
        }
        Err(e) => return Err(Error::io(Operation::Listen, Some(name), e)),
    };
    match sys::instances(first.as_handle()) {
        Ok(0 | 1) => Ok(first),
        Ok(_) => {
            // Not to be found by a client that looks for the owner of the name.
            let _ = first.disconnect();
            Err(Error::NameTaken { pipe: name.clone() })
        }
        Err(e) if Code::of(&e) == Code::AccessDenied => Ok(first),
        Err(e) => Err(Error::io(Operation::Listen, Some(name), e)),
    }
}

/// An instance that waits for a client.
pub(super) struct Instance {
    pub(super) server: Arc<NamedPipeServer>,
    pub(super) connected: Pin<Box<dyn Future<Output = io::Result<()>> + Send>>,
}

impl Instance {
    pub(super) fn new(server: NamedPipeServer) -> Self {
        let server = Arc::new(server);
        let waiting = Arc::clone(&server);
        Self { server, connected: Box::pin(async move { waiting.connect().await }) }
    }

    pub(super) fn into_server(self) -> Option<NamedPipeServer> {
        drop(self.connected);
        Arc::into_inner(self.server)
    }
}
