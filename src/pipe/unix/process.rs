//! The process of a peer, held by a descriptor of its own.

use std::{
    env, fs, io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::retry_on_intr,
};

/// The process at the other end of a pipe. No other process is taken for it, also after it has
/// ended.
///
/// # What it is worth
///
/// The kernel recorded this process when it connected (unix(7): `SO_PEERPIDFD`). The process can
/// hand its end on to another. Any process that may write to its memory, or to the files that it
/// loads, can speak through it, and often all processes of one user may do so. So this tells apart
/// two programs of one user, in case of a mistake or a careless impostor. It is no security boundary
/// between them. Between different users it adds nothing to the user.
///
/// # Examples
///
/// ```no_run
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// use npipes::Listener;
///
/// let mut listener = Listener::bind("orders")?;
/// let connection = listener.accept().await?;
/// let process = connection.peer()?.process()?;
/// println!("{} calls", process.image_path()?.display());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PeerProcess(OwnedFd);

/// Why a process has no id here.
#[derive(Debug, thiserror::Error)]
#[error("the peer's process has ended, or is not to be seen from here")]
struct Ended;

impl PeerProcess {
    pub(super) const fn held_by(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// Returns its id. After the process has ended, the id may be another's.
    ///
    /// # Errors
    ///
    /// `NotFound` if it has ended and its parent knows, or if this process cannot see it
    /// (pid_namespaces(7)). The error of reading `/proc`.
    pub fn id(&self) -> io::Result<u32> {
        // proc_pid_fdinfo(5): `Pid` is 0 outside its namespace, and -1 when there is no process.
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", self.0.as_raw_fd()))?;
        let id = info.lines().find_map(|line| line.strip_prefix("Pid:"));
        match id.and_then(|id| id.trim().parse().ok()) {
            None | Some(0) => Err(io::Error::new(io::ErrorKind::NotFound, Ended)),
            Some(id) => Ok(id),
        }
    }

    /// Returns the path of the file that it was started from, as it is now.
    ///
    /// A path tells where the program is and not what it is. Rely on it only as far as on the
    /// rights to its folder. The path of a file that was removed ends in ` (deleted)`
    /// (proc_pid_exe(5)).
    ///
    /// # Errors
    ///
    /// As [`id`](Self::id), and `PermissionDenied` if this process may not look into it: another
    /// user's, or one that is not dumpable (ptrace(2)).
    pub fn image_path(&self) -> io::Result<PathBuf> {
        self.while_it_runs(|folder| fs::read_link(folder.join("exe")))
    }

    /// Returns whether it was started from the file that has this path now: the same file of the
    /// same file system, by any path. A copy of the file is another file.
    ///
    /// # Errors
    ///
    /// As [`image_path`](Self::image_path), and the error of the operating system if there is no
    /// file at `path`.
    pub fn has_image(&self, path: impl AsRef<Path>) -> io::Result<bool> {
        let image = self.while_it_runs(|folder| fs::metadata(folder.join("exe")))?;
        let file = fs::metadata(path)?;
        Ok((image.dev(), image.ino()) == (file.dev(), file.ino()))
    }

    /// Returns whether it was started from the same file as this process:
    /// [`has_image`](Self::has_image).
    ///
    /// # Errors
    ///
    /// As [`has_image`](Self::has_image).
    pub fn same_image_as_this(&self) -> io::Result<bool> {
        self.has_image(env::current_exe()?)
    }

    /// Returns whether it has ended.
    ///
    /// # Errors
    ///
    /// The error of poll(2).
    pub fn has_ended(&self) -> io::Result<bool> {
        let mut process = [PollFd::new(&self.0, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        Ok(retry_on_intr(|| poll(&mut process, Some(&now)))? > 0)
    }

    /// Looks into its folder of `/proc`. What was seen there is its own only if it still runs
    /// afterwards: before that, nobody else has its id.
    fn while_it_runs<T>(&self, look: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        let seen = look(Path::new(&format!("/proc/{}", self.id()?)));
        match self.has_ended()? {
            true => Err(io::Error::new(io::ErrorKind::NotFound, Ended)),
            false => seen,
        }
    }
}

/// A descriptor as pidfd_open(2) returns it: it can be read when the process has ended.
impl AsFd for PeerProcess {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<PeerProcess> for OwnedFd {
    fn from(process: PeerProcess) -> Self {
        process.0
    }
}
