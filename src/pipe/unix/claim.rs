//! Ownership of a name: the lock beside the socket's file, and the file.
//!
//! The holder of the lock on `PATH.lock` (flock(2)) may put a socket at `PATH`, and remove a socket
//! that no process has bound. The kernel releases the lock when its holder ends, however it ends.
//! The files then stay, and the next holder replaces them. A server that does not know the lock,
//! such as .NET's, is recognized by its socket: a socket that a process has bound is never
//! replaced.

mod lock;
mod private;

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt, chown},
        net::{UnixDatagram, UnixListener},
    },
    path::{Path, PathBuf},
};

use rustix::io::Errno;

pub(super) use self::lock::Lock;
use self::private::Private;
use super::access::Access;

/// A name that this process owns, with a socket at its path. Dropping it gives up the name and
/// removes the socket.
pub(in crate::pipe) struct Claim {
    socket: FileId,
    path: PathBuf,
    /// Released last.
    _lock: Lock,
}

/// Identifies a file independently of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(metadata: &fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Returns the file that has this path, if one exists.
    fn at(path: &Path) -> io::Result<Option<Self>> {
        Ok(metadata(path)?.as_ref().map(Self::of))
    }
}

impl Claim {
    /// Takes possession of a path that nobody owns, and listens there with a queue of this many
    /// clients; `None` if another process or listener owns it.
    ///
    /// The socket is made where only this user can reach it. It gets its mode and its group, and
    /// begins to listen. Then it gets its name in one step. So a client finds either the old file
    /// or a server that it may connect to.
    pub(super) fn take(
        path: &Path,
        access: &Access,
        queue: i32,
    ) -> io::Result<Option<(UnixListener, Self)>> {
        let Some(lock) = Lock::take(path)? else { return Ok(None) };
        let stale = match resident(path)? {
            Resident::Nobody => None,
            Resident::Stale(id) => Some(id),
            Resident::Alive => return Ok(None),
        };
        let private = Private::beside(path)?;
        let listener = private.bind()?;
        rustix::net::listen(&listener, queue)?;
        chown(private.socket(), None, access.group_id())?;
        fs::set_permissions(private.socket(), fs::Permissions::from_mode(access.mode()))?;
        let socket = FileId::of(&fs::symlink_metadata(private.socket())?);
        if !private.publish(path, stale)? {
            return Ok(None);
        }
        Ok(Some((listener, Self { socket, path: path.to_owned(), _lock: lock })))
    }
}

impl Drop for Claim {
    /// Removes the socket's file if it is still the file of this socket.
    fn drop(&mut self) {
        if FileId::at(&self.path).is_ok_and(|id| id == Some(self.socket)) {
            // Fails only if another user owns the folder now. Then the file stays, as after a
            // crash.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What is at a path.
enum Resident {
    Nobody,
    /// A socket that no process has bound any more.
    Stale(FileId),
    /// A socket that a process has bound.
    Alive,
}

/// Returns what is at a path.
///
/// A datagram socket cannot be connected to a stream socket. The kernel's error for the attempt
/// tells whether a process has bound the stream socket (connect(2): `EPROTOTYPE`, `ECONNREFUSED`).
/// A server that listens does not notice the attempt.
fn resident(path: &Path) -> io::Result<Resident> {
    let Some(metadata) = metadata(path)? else { return Ok(Resident::Nobody) };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, NotASocket));
    }
    match UnixDatagram::unbound()?.connect(path) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            Ok(Resident::Stale(FileId::of(&metadata)))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Resident::Nobody),
        // Perhaps the socket of another user.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(Resident::Alive),
        Err(e) if Errno::from_io_error(&e) == Some(Errno::PROTOTYPE) => Ok(Resident::Alive),
        Ok(()) => Ok(Resident::Alive),
        Err(e) => Err(e),
    }
}

/// Returns the metadata of the file itself, and not of the target of a link.
fn metadata(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The path of a name belongs to another kind of file.
#[derive(Debug, thiserror::Error)]
#[error("what has this path is not a socket, and stays as it is")]
struct NotASocket;
