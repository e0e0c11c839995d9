//! Who is at the other end.

use std::{io, time::SystemTime};
#[cfg(target_os = "linux")]
use std::{os::fd::OwnedFd, sync::Arc};

use tokio::net::UnixStream;

#[cfg(target_os = "linux")]
use super::{process::PeerProcess, sys};
use super::{stream::PipeHandle, users};

/// The account that a process runs as: on the server's side the client of a pipe.
///
/// # What it is worth
///
/// The kernel recorded this when the client connected, and a client cannot forge it (unix(7):
/// `SO_PEERCRED`). It does not tell who writes next: a process can hand its end on to another. A
/// user that has no number here, such as a user of another user namespace, appears as the system's
/// overflow user, 65534.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Peer {
    /// The id of the process that connected, where the operating system tells it. The id goes
    /// stale: the process may have ended or handed the pipe on, and another process may have its id
    /// by now. Use it for logs, and decide nothing by it. On Linux, `process` holds the process.
    pub process_id: Option<u32>,
    /// The user that it ran as when it connected.
    pub uid: u32,
    /// The group that it ran as when it connected.
    pub gid: u32,
    /// The process, or the error code that the kernel gave instead.
    #[cfg(target_os = "linux")]
    process: Result<Arc<OwnedFd>, Option<i32>>,
}

impl Peer {
    /// Returns the client of a server's end.
    pub(in crate::pipe) fn client_of(server: &impl End, _: SystemTime) -> io::Result<Self> {
        let socket = server.socket();
        let Credentials { process_id, uid, gid } = Credentials::of(socket)?;
        Ok(Self {
            process_id,
            uid,
            gid,
            #[cfg(target_os = "linux")]
            process: sys::peer_process(socket).map(Arc::new).map_err(|e| e.raw_os_error()),
        })
    }

    /// On Linux: returns the peer's process. While this is held, no other process is taken for it.
    ///
    /// # Errors
    ///
    /// `ENOPROTOOPT` before Linux 6.5. `ESRCH` or `EINVAL` if the process had ended when this peer
    /// was asked for. Another error of the operating system if there is no further descriptor.
    #[cfg(target_os = "linux")]
    #[cfg_attr(docsrs, doc(cfg(any(windows, target_os = "linux"))))]
    pub fn process(&self) -> io::Result<PeerProcess> {
        match &self.process {
            Ok(process) => Ok(PeerProcess::held_by(process.try_clone()?)),
            Err(Some(code)) => Err(io::Error::from_raw_os_error(*code)),
            Err(None) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Returns whether the peer's user is the user that this process runs as. The overflow user is
    /// nobody's user where some users have no number.
    #[must_use]
    pub fn is_same_user(&self) -> bool {
        self.uid == users::this_user() && users::is_of_one(self.uid)
    }

    /// Returns the system's identifier of the user as text: here the number, such as `1001`, and on
    /// Windows the security identifier.
    #[must_use]
    pub fn user_id(&self) -> String {
        self.uid.to_string()
    }
}

impl PartialEq for Peer {
    fn eq(&self, other: &Self) -> bool {
        (self.process_id, self.uid, self.gid) == (other.process_id, other.uid, other.gid)
    }
}

impl Eq for Peer {}

/// What the kernel recorded of a peer (unix(7): `SO_PEERCRED`).
pub(super) struct Credentials {
    pub(super) process_id: Option<u32>,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Credentials {
    /// Returns those of the process that connected to this end, or that listened at the other end.
    pub(super) fn of(socket: &UnixStream) -> io::Result<Self> {
        let credentials = socket.peer_cred()?;
        // 0 stands for a process that has no number in this namespace.
        let id = credentials.pid().and_then(|id| u32::try_from(id).ok()).filter(|id| *id > 0);
        Ok(Self { process_id: id, uid: credentials.uid(), gid: credentials.gid() })
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
