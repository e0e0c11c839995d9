//! Receiving one message, in steps that a later call can go on from.

use std::{io, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::{
    options::IpcOptions,
    session::{Session, before},
};
use crate::{
    connection::Connection,
    error::{Error, Operation},
    name::PipeName,
    pipe::stream::PipeStream,
};

/// How far a receive has come.
pub(super) struct Receiving {
    session: Session,
    connection: Option<Connection<PipeStream>>,
    /// The result of the session; the sender may not know yet.
    outcome: Option<Result<Bytes, Error>>,
    /// When to leave even if the sender has not left.
    leave: Option<Instant>,
}

impl Receiving {
    /// How long a receiver stays for the sender to see that the message was read.
    const LINGER: Duration = Duration::from_secs(1);

    pub(super) fn new(session: Session) -> Self {
        Self { session, connection: None, outcome: None, leave: None }
    }

    /// Keeps every state in `self`, so that the next call can go on after a dropped one.
    pub(super) async fn take_message(
        &mut self,
        name: &PipeName,
        options: &IpcOptions,
        until: Option<Instant>,
    ) -> Result<Bytes, Error> {
        while self.outcome.is_none() {
            match self.try_receive(name, options, until).await {
                Ok(None) => {}
                Ok(Some(message)) => self.outcome = Some(Ok(message)),
                Err(error) => self.outcome = Some(Err(error)),
            }
        }
        if let (Some(Ok(_)), Some(connection)) = (&self.outcome, &mut self.connection) {
            // The sender closes when it has seen that the message was read. If this end left first,
            // it would look like a peer that failed.
            let leave = *self.leave.get_or_insert_with(|| Instant::now() + Self::LINGER);
            let _ = timeout_at(leave, connection.receive()).await;
        }
        self.connection = None;
        self.session.end().await;
        self.outcome.take().unwrap_or_else(|| Err(options.no_peer(name)))
    }

    /// Returns `None` if a peer came and left without a message.
    async fn try_receive(
        &mut self,
        name: &PipeName,
        options: &IpcOptions,
        until: Option<Instant>,
    ) -> Result<Option<Bytes>, Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(self.session.meet(name, options, until).await?),
        };
        let Some(received) = before(until, connection.receive()).await else {
            return Err(Error::io(Operation::Read, Some(name), io::ErrorKind::TimedOut.into()));
        };
        let failure = match received {
            Ok(Some(message)) => return Ok(Some(message.freeze())),
            Ok(None) => None,
            Err(e @ Error::Io { .. }) if e.is_closed() => Some(e),
            Err(e) => return Err(e),
        };
        // A client whose server gives up the name at that moment finds its connection reset.
        let left = self.connection.take().map(Connection::into_parts);
        match failure {
            Some(e) if left.is_some_and(|left| !left.unread.is_empty()) => Err(e),
            _ => self.session.part(name, options, until).await.map(|()| None),
        }
    }
}
