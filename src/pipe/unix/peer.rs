//! Who is at the other end.

use std::{io, time::SystemTime};

use rustix::process::geteuid;
use tokio::net::UnixStream;

use super::stream::PipeHandle;

/// The account that a process runs as: on the server's side the client of a pipe.
///
/// # What it is worth
///
/// The kernel recorded this when the client connected, and a client cannot forge it (unix(7):
/// `SO_PEERCRED`). It does not tell who writes next: a process can hand its end on to another. A
/// user that has no number here, such as a user of another user namespace, appears as the system's
/// overflow user, 65534.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The id of the process that connected, where the operating system tells it. The id goes
    /// stale: the process may have ended or handed the pipe on, and another process may have its id
    /// by now. Use it for logs, and decide nothing by it.
    pub process_id: Option<u32>,
    /// The user that it ran as when it connected.
    pub uid: u32,
    /// The group that it ran as when it connected.
    pub gid: u32,
}

impl Peer {
    /// Returns the client of a server's end.
    pub(in crate::pipe) fn client_of(server: &impl End, _: SystemTime) -> io::Result<Self> {
        Self::of(server.socket())
    }

    /// Returns the process that connected to this end, or that listened at the other end.
    pub(super) fn of(socket: &UnixStream) -> io::Result<Self> {
        let credentials = socket.peer_cred()?;
        // 0 stands for a process that has no number in this namespace.
        let id = credentials.pid().and_then(|id| u32::try_from(id).ok()).filter(|id| *id > 0);
        Ok(Self { process_id: id, uid: credentials.uid(), gid: credentials.gid() })
    }

    /// Returns whether the peer's user is the user that this process runs as.
    #[must_use]
    pub fn is_same_user(&self) -> bool {
        self.uid == geteuid().as_raw()
    }

    /// Returns the system's identifier of the user as text: here the number, such as `1001`, and on
    /// Windows the security identifier.
    #[must_use]
    pub fn user_id(&self) -> String {
        self.uid.to_string()
    }
}

/// Returns whether a client could not be identified yet. This does not happen: the client of a
/// socket can be identified from the first moment.
pub(in crate::pipe) fn shows_itself_later(_: &io::Error) -> bool {
    false
}

/// A type that has a socket.
pub(in crate::pipe) trait End {
    fn socket(&self) -> &UnixStream;
}

impl End for UnixStream {
    fn socket(&self) -> &UnixStream {
        self
    }
}

impl End for PipeHandle {
    fn socket(&self) -> &UnixStream {
        self.stream()
    }
}
