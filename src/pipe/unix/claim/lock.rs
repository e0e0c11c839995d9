//! The lock of a name.

use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::Errno,
};

use super::FileId;

/// The lock on `PATH.lock`. No other open file has it. Dropping it removes the file.
pub(in crate::pipe::unix) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// How often to try again after locking a file that its last holder was just removing. Each
    /// such time another process makes progress, so nobody reaches this limit.
    const TRIES: u32 = 1000;

    /// Takes the lock of the socket at `path`; `None` if another process or listener has it.
    pub(in crate::pipe::unix) fn take(path: &Path) -> io::Result<Option<Self>> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        for _ in 0..Self::TRIES {
            let Some(file) = open_or_create(&path)? else { return Ok(None) };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(e) => return Err(e.into()),
            }
            let lock = Self { file: File::from(file), path: path.clone() };
            if lock.is_in_place()? {
                return Ok(Some(lock));
            }
        }
        Ok(None)
    }

    /// Returns whether the locked file still has the name: the last holder may have removed it
    /// after it was opened here.
    fn is_in_place(&self) -> io::Result<bool> {
        let this = FileId::of(&self.file.metadata()?);
        Ok(FileId::at(&self.path)? == Some(this))
    }
}

impl Drop for Lock {
    /// Removes the file while the lock is held, so that a process that opens it now finds that out.
    fn drop(&mut self) {
        if self.is_in_place().unwrap_or(false) {
            // Fails only if another user owns the folder now. Then a file stays that nobody has
            // locked.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens the file, which only this user may open; `None` if another user has it.
///
/// A file that exists is opened without `O_CREAT`. With that flag, Linux does not let even root
/// open a file of another user in a folder like /tmp (sysctl/fs: `protected_regular`).
fn open_or_create(path: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    for _ in 0..Lock::TRIES {
        match open(path, flags, Mode::empty()) {
            Ok(file) => return Ok(Some(file)),
            Err(Errno::NOENT) => {}
            Err(Errno::ACCESS) => return Ok(None),
            Err(e) => return Err(e.into()),
        }
        match open(path, flags | OFlags::CREATE | OFlags::EXCL, Mode::RUSR | Mode::WUSR) {
            Ok(file) => return Ok(Some(file)),
            Err(Errno::EXIST) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(None)
}
