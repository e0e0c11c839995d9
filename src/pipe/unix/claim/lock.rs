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

/// The lock on `PATH.lock`, which no other open file has. Dropped, the file is gone.
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Times that a lock is taken on a file that its last holder was just removing. Each time another
    /// process makes progress, so that nobody comes here.
    const TRIES: u32 = 1000;

    /// Takes the lock of the socket at `path`; `None` if another one has it.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
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

    /// Returns whether the file is the one that has the name: its last holder may have removed it
    /// after it was opened here.
    fn is_in_place(&self) -> io::Result<bool> {
        let this = FileId::of(&self.file.metadata()?);
        Ok(FileId::at(&self.path)? == Some(this))
    }
}

impl Drop for Lock {
    /// Removes the file while the lock is held, so that whoever opens it now finds that out.
    fn drop(&mut self) {
        if self.is_in_place().unwrap_or(false) {
            // Fails only if the folder has become another's: then a file stays that nobody has locked.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens the file, which is this user's alone; `None` if another user has it.
///
/// One that exists is opened without `O_CREAT`: with it, Linux refuses even root a file of another
/// user in a folder like /tmp (sysctl/fs: `protected_regular`).
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
