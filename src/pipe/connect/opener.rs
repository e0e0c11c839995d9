//! One attempt to connect: opens the pipe, and judges its server.

use std::{io, time::Duration};

use super::ConnectOptions;
use crate::{
    error::Error,
    name::PipeName,
    pipe::{
        imp::{self, Waiter},
        stream::PipeStream,
    },
    retry::attempts::{Failed, Open},
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
}

impl Open for Opener<'_> {
    type Stream = PipeStream;

    async fn open(&mut self) -> Result<Result<PipeStream, Failed>, Error> {
        let Self { options, name, .. } = self;
        let stream = match imp::open(name, options.system).await {
            Ok(handle) => PipeStream::of_client(handle, PipeName::clone(name)),
            Err(e) => return Ok(Err(failed(e))),
        };
        match options.server_trust.judge(stream.handle(), stream.opened(), name).await {
            Ok(()) => Ok(Ok(stream)),
            Err(Error::Io { source, .. }) if imp::has_left(&source) => Ok(Err(failed(source))),
            Err(e) => Err(e),
        }
    }

    async fn wait_for_free(&mut self, at_most: Duration) {
        self.waiter.free_instance(at_most).await;
    }
}

fn failed(source: io::Error) -> Failed {
    Failed { failure: imp::failure(&source), source }
}
