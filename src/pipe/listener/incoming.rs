//! A listener's clients as a `Stream`.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::Listener;
use crate::{connection::Connection, error::Error, pipe::stream::PipeStream};

/// The connections that a [`Listener`] accepts, as a stream.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Incoming {
    listener: Listener,
}

impl Incoming {
    pub(super) fn new(listener: Listener) -> Self {
        Self { listener }
    }

    /// Returns the listener.
    #[must_use]
    pub fn into_listener(self) -> Listener {
        self.listener
    }
}

impl Stream for Incoming {
    type Item = Result<Connection<PipeStream>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.listener.poll_accept(cx).map(Some)
    }
}

/// The streams to clients that a [`Listener`] accepts, as a stream.
///
/// The stream goes on after an error, as [`Listener::accept`] does. The [`io::Error`] holds an
/// [`Error`].
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct IncomingStreams {
    listener: Listener,
}

impl IncomingStreams {
    pub(super) fn new(listener: Listener) -> Self {
        Self { listener }
    }

    /// Returns the listener.
    #[must_use]
    pub fn into_listener(self) -> Listener {
        self.listener
    }
}

impl Stream for IncomingStreams {
    type Item = io::Result<PipeStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.listener.poll_accept_stream(cx).map_err(io::Error::from).map(Some)
    }
}
