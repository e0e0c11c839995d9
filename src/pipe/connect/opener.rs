//! One attempt to connect: the pipe is opened, and its server judged.

use std::{io, time::Duration};

use super::{ConnectOptions, waiter::Waiter};
use crate::{
    error::Error,
    name::PipeName,
    pipe::{
        stream::PipeStream,
        sys::{self, Code, OpenFlags},
    },
    retry::attempts::{Failed, Failure, Open},
};

/// Opens a pipe and judges its server.
pub(super) struct Opener<'a> {
    options: &'a ConnectOptions,
    name: &'a PipeName,
    waiter: Waiter<'a>,
}

impl<'a> Opener<'a> {
    pub(super) fn new(options: &'a ConnectOptions, name: &'a PipeName) -> Self {
        Self { options, name, waiter: Waiter::new(name) }
    }

    async fn try_open(&self) -> io::Result<PipeStream> {
        let Self { options, name, .. } = self;
        let flags = OpenFlags::new(options.direction).impersonation(options.impersonation);
        let (handle, pipe_type) = if name.is_local() {
            sys::open(name, flags)?
        } else {
            // Through the network CreateFileW takes as long as the network does.
            let remote = PipeName::clone(name);
            tokio::task::spawn_blocking(move || sys::open(&remote, flags))
                .await
                .map_err(io::Error::other)??
        };
        Ok(PipeStream::of_client(sys::register_client(handle)?, pipe_type, PipeName::clone(name)))
    }
}

impl Open for Opener<'_> {
    type Stream = PipeStream;

    async fn open(&mut self) -> Result<Result<PipeStream, Failed>, Error> {
        let stream = match self.try_open().await {
            Ok(stream) => stream,
            Err(e) => return Ok(Err(failed(e))),
        };
        match self.options.server_trust.judge(&stream, self.name).await {
            Ok(()) => Ok(Ok(stream)),
            Err(Error::Io { source, .. }) if Code::of(&source) == Code::Disconnected => {
                Ok(Err(failed(source)))
            }
            Err(e) => Err(e),
        }
    }

    async fn wait_for_free(&mut self, at_most: Duration) {
        self.waiter.free_instance(at_most).await;
    }
}

fn failed(source: io::Error) -> Failed {
    let failure = match Code::of(&source) {
        Code::Busy => Failure::Busy,
        // A server that has disconnected left before it could be judged: its pipe is no longer there.
        Code::NotFound | Code::Disconnected => Failure::NotFound,
        Code::AccessDenied => Failure::AccessDenied,
        Code::NothingRead | Code::Listening | Code::Other => Failure::Other,
    };
    Failed { failure, source }
}
