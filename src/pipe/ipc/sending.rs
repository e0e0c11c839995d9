//! Handing one message to a peer, and what is known of it afterwards.

use std::{io, sync::Arc};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    options::IpcOptions,
    session::{Session, before},
};
use crate::{
    connection::{Connection, DrainOutcome, Undrained},
    error::{Error, Operation},
    name::PipeName,
    pipe::stream::PipeStream,
};

/// What is known about a message that was [sent](crate::ipc::Ipc::send_message).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// The peer has read it. An [`Ipc`](crate::ipc::Ipc) that receives stays until the sender knows
    /// this, for a second at most.
    Read,
    /// The peer left before the system showed whether it had read the message. A peer that reads
    /// one message and closes the pipe at once, as the Python module does, often gives this; so
    /// does a peer that failed. If Linux shows that the peer has not read all of the message, the
    /// message goes to another peer instead.
    PeerLeft,
    /// The system has taken the message, and cannot tell what the peer has read. This is so on
    /// macOS, where every message that is sent ends like this.
    Flushed,
}

/// Sends `message` to the first peer that takes it.
pub(super) async fn send(
    message: Bytes,
    session: &mut Session,
    name: &PipeName,
    options: &IpcOptions,
    until: Option<Instant>,
) -> Result<Delivery, Error> {
    loop {
        let connection = session.meet(name, options, until).await?;
        if let Some(delivery) = hand_over(connection, message.clone(), name, until).await? {
            return Ok(delivery);
        }
        session.part(name, options, until).await?;
    }
}

/// Returns `None` if the peer has left and certainly does not have the message.
///
/// Ends at the deadline: the connection's close timeout is set to it.
async fn hand_over(
    mut connection: Connection<PipeStream>,
    message: Bytes,
    name: &PipeName,
    until: Option<Instant>,
) -> Result<Option<Delivery>, Error> {
    let late = |operation, unread| {
        let late = io::Error::new(io::ErrorKind::TimedOut, Undrained { unread });
        Err(Error::io(operation, Some(name), late))
    };
    // Sent before closing: for closing, a peer that has left is no failure.
    match before(until, connection.send(message)).await {
        None => return late(Operation::Write, None),
        // A part of the message was not written, so nobody can have all of it.
        Some(Err(e)) if e.is_closed() => return Ok(None),
        Some(sent) => sent?,
    }
    let pipe = Arc::clone(connection.get_ref().handle());
    match connection.close().await? {
        DrainOutcome::Drained => Ok(Some(Delivery::Read)),
        DrainOutcome::Flushed => Ok(Some(Delivery::Flushed)),
        DrainOutcome::PeerGone if pipe.left_unread() => Ok(None),
        DrainOutcome::PeerGone => Ok(Some(Delivery::PeerLeft)),
        DrainOutcome::TimedOut { unread } => late(Operation::Close, unread),
    }
}
