//! Who is at the other end.

use std::{io, time::SystemTime};

use rustix::process::geteuid;
use tokio::net::UnixStream;

use super::stream::PipeHandle;

/// Whom a process runs as: on the server's side the client of a pipe.
///
/// # What it is worth
///
/// The kernel wrote it down when the client connected, and a client cannot forge it (unix(7):
/// `SO_PEERCRED`). It does not tell who writes next: a process can hand its end on to another. A user
/// that has no number here, as one of another user namespace, is the system's overflow user, 65534.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The process that connected, where the operating system tells. It goes stale: the process may
    /// have ended or handed the pipe on, and its id may be another's by now. For logs; nothing may be
    /// decided by it.
    pub process_id: Option<u32>,
    /// The user as which it connected.
    pub uid: u32,
    /// The group as which it connected.
    pub gid: u32,
}

impl Peer {
    /// Returns the client of a server's end.
    pub(in crate::pipe) fn client_of(server: &impl End, _: SystemTime) -> io::Result<Self> {
        Self::of(server.socket())
    }

    /// Returns who connected to this end, or listened at the other one.
    pub(super) fn of(socket: &UnixStream) -> io::Result<Self> {
        let credentials = socket.peer_cred()?;
        // 0 is a process that has no number in this namespace.
        let id = credentials.pid().and_then(|id| u32::try_from(id).ok()).filter(|id| *id > 0);
        Ok(Self { process_id: id, uid: credentials.uid(), gid: credentials.gid() })
    }

    /// Returns whether it is the user that this process runs as.
    #[must_use]
    pub fn is_same_user(&self) -> bool {
        self.uid == geteuid().as_raw()
    }

    /// Returns the user as text, as the system identifies it: here the number, such as `1001`, and on
    /// Windows the security identifier.
    #[must_use]
    pub fn user_id(&self) -> String {
        self.uid.to_string()
    }
}

/// Returns whether a client could not be identified yet: one of a socket can be from the first moment.
pub(in crate::pipe) fn shows_itself_later(_: &io::Error) -> bool {
    false
}

/// What has a socket.
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
