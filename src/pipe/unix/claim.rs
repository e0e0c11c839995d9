//! A name that is owned: the lock beside the socket's file, and the file.
//!
//! Whoever holds the lock on `PATH.lock` (flock(2)) may put a socket at `PATH`, and take away one that
//! nobody has bound. The kernel gives the lock back when its holder ends, however it ends; the files
//! stay then, and the next holder replaces them. A server that does not know the lock, as .NET's, is
//! told by its socket: one that a process has bound is never replaced.

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

use self::{lock::Lock, private::Private};
use super::access::Access;

/// A name that this process owns, with a socket at its path. Dropped, both are gone.
pub(in crate::pipe) struct Claim {
    socket: FileId,
    path: PathBuf,
    /// Given back last.
    _lock: Lock,
}

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(metadata: &fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Returns what has this path, if it exists.
    fn at(path: &Path) -> io::Result<Option<Self>> {
        Ok(metadata(path)?.as_ref().map(Self::of))
    }
}

impl Claim {
    /// Takes possession of a path that nobody owns, and listens there with a queue of so many clients;
    /// `None` if another one owns it.
    ///
    /// The socket is made where only this user can reach it, gets its mode and its group, and begins
    /// to listen; then it gets its name in one step. So a client finds either what was there before or
    /// a server that it may connect to.
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
    /// Removes the socket's file, if it still is this one's.
    fn drop(&mut self) {
        if FileId::at(&self.path).is_ok_and(|id| id == Some(self.socket)) {
            // Fails only if the folder has become another's, and then it stays as after a crash.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Who has a path.
enum Resident {
    Nobody,
    /// A socket that no process has bound any more.
    Stale(FileId),
    /// A socket that a process has bound.
    Alive,
}

/// Returns who has a path.
///
/// A datagram socket cannot be connected to one of streams, and what the kernel says to the attempt
/// tells whether the latter is bound (connect(2): `EPROTOTYPE`, `ECONNREFUSED`). A server that listens
/// does not notice.
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
        // Another user's, perhaps.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(Resident::Alive),
        Err(e) if Errno::from_io_error(&e) == Some(Errno::PROTOTYPE) => Ok(Resident::Alive),
        Ok(()) => Ok(Resident::Alive),
        Err(e) => Err(e),
    }
}

/// Returns what the system says of a file itself, and not of what it may lead to.
fn metadata(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The path of a name is another kind of file's.
#[derive(Debug, thiserror::Error)]
#[error("what has this path is not a socket, and stays as it is")]
struct NotASocket;
