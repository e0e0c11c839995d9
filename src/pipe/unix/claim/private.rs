//! A socket that nobody else can reach yet.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::{
        fs::{DirBuilderExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use super::{FileId, Resident, resident};
use crate::pipe::unix::names::random;

/// A folder that only this user can search, and the socket in it. Dropping it removes both.
pub(super) struct Private {
    folder: PathBuf,
    socket: PathBuf,
}

impl Private {
    /// Makes a folder beside `path`, so that a file in it can be renamed to `path`.
    pub(super) fn beside(path: &Path) -> io::Result<Self> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        // 48 bits are enough to differ from the other names that one machine makes at the same
        // moment.
        let name = format!(".np{:012x}", random()? & 0xFFFF_FFFF_FFFF);
        let folder = parent.unwrap_or_else(|| Path::new(".")).join(name);
        // The umask removes rights from the mode (mkdir(2)), also rights that this process needs.
        DirBuilder::new().mode(0o700).create(&folder)?;
        let private = Self { socket: folder.join("s"), folder };
        fs::set_permissions(&private.folder, fs::Permissions::from_mode(0o700))?;
        Ok(private)
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns the socket, bound.
    pub(super) fn bind(&self) -> io::Result<UnixListener> {
        let listener = match UnixListener::bind(&self.socket) {
            // A path that is too long for a socket's address can be reached by a shorter path.
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
                use std::os::fd::AsRawFd;
                let folder = fs::File::open(&self.folder)?;
                UnixListener::bind(format!("/proc/self/fd/{}/s", folder.as_raw_fd()))?
            }
            bound => bound?,
        };
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Gives the socket its name, in place of a stale socket, and returns whether this succeeded.
    /// It returns false if a server that does not know the lock was faster. No file of another
    /// server is lost where the file system can exchange two names in one step. Elsewhere a server
    /// that binds between two steps may lose its file.
    pub(super) fn publish(&self, path: &Path, stale: Option<FileId>) -> io::Result<bool> {
        match stale {
            None => self.rename(path),
            Some(stale) => self.replace(path, stale),
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    fn rename(&self, path: &Path) -> io::Result<bool> {
        use rustix::{
            fs::{CWD, RenameFlags, renameat_with},
            io::Errno,
        };
        match renameat_with(CWD, &self.socket, CWD, path, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // A file system may not have this flag (rename(2)). Then link(2) does the same in two
            // steps.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.link(path),
            Err(e) => Err(e.into()),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    fn rename(&self, path: &Path) -> io::Result<bool> {
        self.link(path)
    }

    fn link(&self, path: &Path) -> io::Result<bool> {
        match fs::hard_link(&self.socket, path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Exchanges the names of this socket and the stale one (rename(2): `RENAME_EXCHANGE`).
    /// Exchanges them back if another server's file has taken the stale one's place meanwhile.
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    fn replace(&self, path: &Path, stale: FileId) -> io::Result<bool> {
        use rustix::{
            fs::{CWD, RenameFlags, renameat_with},
            io::Errno,
        };
        let exchange = || renameat_with(CWD, &self.socket, CWD, path, RenameFlags::EXCHANGE);
        match exchange() {
            Ok(()) => {}
            Err(Errno::NOENT) => return self.rename(path),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => return self.remove(path, stale),
            Err(e) => return Err(e.into()),
        }
        if is_still(&self.socket, stale)? {
            return Ok(true);
        }
        exchange()?;
        Ok(false)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    fn replace(&self, path: &Path, stale: FileId) -> io::Result<bool> {
        self.remove(path, stale)
    }

    fn remove(&self, path: &Path, stale: FileId) -> io::Result<bool> {
        if is_still(path, stale)? {
            fs::remove_file(path)?;
        }
        self.link(path)
    }
}

/// Returns whether a file is the stale socket that was there before. The number of a removed file
/// may be given to the next one, so this asks again whether the socket is stale.
fn is_still(path: &Path, stale: FileId) -> io::Result<bool> {
    if FileId::at(path)? != Some(stale) {
        return Ok(false);
    }
    match resident(path) {
        Ok(resident) => Ok(matches!(resident, Resident::Stale(id) if id == stale)),
        // The private path may be too long to be asked.
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(true),
        Err(e) => Err(e),
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // After a rename no file is here any more. After an exchange the file here is the stale
        // one.
        let _ = fs::remove_file(&self.socket);
        let _ = fs::remove_dir(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    /// Returns the path of a socket in a new folder.
    fn path() -> PathBuf {
        let folder = env::temp_dir().join(format!("np-test-{:016x}", random().unwrap() >> 64));
        fs::create_dir(&folder).unwrap();
        folder.join("s")
    }

    /// Puts a new socket in the place of another one with the given number.
    type Replace = fn(&Private, &Path, FileId) -> io::Result<bool>;

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_with_its_number_is_not() {
        let ways: [Replace; 2] = [|new, path, id| new.publish(path, Some(id)), Private::remove];
        for (way, is_live) in ways.into_iter().flat_map(|way| [(way, false), (way, true)]) {
            let path = path();
            let there = UnixListener::bind(&path).unwrap();
            let id = FileId::at(&path).unwrap().unwrap();
            let _there = is_live.then_some(there);
            let private = Private::beside(&path).unwrap();
            let _listener = private.bind().unwrap();
            assert_eq!(way(&private, &path, id).unwrap(), !is_live);
            assert_eq!(FileId::at(&path).unwrap() == Some(id), is_live);
            drop(private);
            fs::remove_dir_all(path.parent().unwrap()).unwrap();
        }
    }
}
