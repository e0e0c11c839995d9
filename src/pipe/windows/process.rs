//! The process at the other end. A handle holds it, so that every question concerns the same
//! process.

use std::{
    env, io,
    os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::sys::process::{self, FileId, Process};

/// A peer's process, held by a handle. Until this is dropped, the operating system gives its id to
/// no other process, also after the process has ended.
///
/// # What it is worth
///
/// It is the process whose id the pipe tells, and it existed when the pipe was open. The data comes
/// from that process or from one that it has handed its end on to. Anybody who may write to the
/// process, or to the files that it loads, can speak through it, and all processes of one user may
/// do so. So this tells apart two programs of one user, in case of a mistake or a careless
/// impostor. It is no security boundary between them. Between different users it adds nothing to
/// the user.
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
/// println!("{} calls, since {:?}", process.image_path()?.display(), process.created());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PeerProcess {
    process: Process,
    id: u32,
    created: SystemTime,
}

/// Why a process is not the peer's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::pipe) enum NotThePeer {
    #[error("process {0} has ended")]
    Ended(u32),
    #[error("the peer's process has ended, and {0} is another's id by now")]
    Another(u32),
    #[error("it is not known which process the peer is")]
    Unknown,
}

impl From<NotThePeer> for io::Error {
    fn from(reason: NotThePeer) -> Self {
        Self::new(io::ErrorKind::NotFound, reason)
    }
}

impl PeerProcess {
    /// Returns the process that has had this id since before `opened`. At `opened` the end of the
    /// pipe was already open: a process that was created later cannot have opened it.
    pub(in crate::pipe) fn as_of(id: u32, opened: SystemTime) -> io::Result<Self> {
        let process = Self::open(id)?;
        match process.is_older_than(opened) {
            true => Ok(process),
            false => Err(NotThePeer::Another(id).into()),
        }
    }

    /// Returns the process that has this id and was created at that moment. Only one process has
    /// both.
    pub(in crate::pipe) fn again(id: Option<u32>, created: Option<SystemTime>) -> io::Result<Self> {
        let id = id.ok_or(NotThePeer::Unknown)?;
        let process = Self::open(id)?;
        match created {
            Some(created) if process.created == created => Ok(process),
            Some(_) => Err(NotThePeer::Another(id).into()),
            None => Err(NotThePeer::Unknown.into()),
        }
    }

    /// Returns the process that has this id now, unless it has ended.
    fn open(id: u32) -> io::Result<Self> {
        let process = Process::open(id)?;
        let created = process.created()?;
        if process.has_ended()? {
            return Err(NotThePeer::Ended(id).into());
        }
        Ok(Self { process, id, created })
    }

    /// Both moments are of one clock. If the clock was set back in between, a process seems younger
    /// than it is, and is refused.
    fn is_older_than(&self, moment: SystemTime) -> bool {
        self.created <= moment
    }

    /// Returns its id. No other process has this id while this is held.
    ///
    /// # Errors
    ///
    /// None here. On Linux, if the process has ended.
    pub const fn id(&self) -> io::Result<u32> {
        Ok(self.id)
    }

    /// Returns when it was created, by the system's clock at that moment. The id and this time
    /// together name one process for ever.
    #[must_use]
    pub const fn created(&self) -> SystemTime {
        self.created
    }

    /// Returns the path of the file that it was started from.
    ///
    /// A path tells where the program is and not what it is. Rely on it only as far as on the
    /// rights to its folder. A running program's file can be renamed, and another file put in its
    /// place.
    ///
    /// # Errors
    ///
    /// The error of `QueryFullProcessImageNameW`.
    pub fn image_path(&self) -> io::Result<PathBuf> {
        self.process.image_path()
    }

    /// Returns whether it was started from the file that has this path now: the same file of the
    /// same volume, by any path. A copy of the file is another file.
    /// [`image_path`](Self::image_path) says how far to rely on this.
    ///
    /// It opens both files, through the network if they are there. So call it on a blocking thread.
    ///
    /// # Errors
    ///
    /// As [`image_path`](Self::image_path), and the error of the operating system if a file is not
    /// there, may not be opened, or is on a file system where files have no identity
    /// (`FILE_ID_INFO`).
    pub fn has_image(&self, path: impl AsRef<Path>) -> io::Result<bool> {
        Ok(FileId::of(&self.image_path()?)? == FileId::of(path.as_ref())?)
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

    /// Returns the family name of its package, `Name_publisher`; `None` if it runs without a
    /// package, as most programs do.
    ///
    /// The operating system puts a process into a package when it starts a program of an installed
    /// package, and requires the publisher's signature when it installs the package. The user's
    /// other processes may still write to the process, unless it is an app container.
    ///
    /// # Errors
    ///
    /// The error of `GetPackageFamilyName`.
    pub fn package_family(&self) -> io::Result<Option<String>> {
        self.process.package_family()
    }

    /// Returns its terminal services session.
    ///
    /// # Errors
    ///
    /// The error of `ProcessIdToSessionId`.
    pub fn session(&self) -> io::Result<u32> {
        process::session(self.id)
    }

    /// Returns whether it has ended.
    ///
    /// # Errors
    ///
    /// The error of `WaitForSingleObject`.
    pub fn has_ended(&self) -> io::Result<bool> {
        self.process.has_ended()
    }
}

/// The handle has the rights `PROCESS_QUERY_LIMITED_INFORMATION` and `SYNCHRONIZE`.
impl AsHandle for PeerProcess {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.process.as_handle()
    }
}

impl From<PeerProcess> for OwnedHandle {
    fn from(process: PeerProcess) -> Self {
        process.process.into()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        process::{Command, Stdio},
        time::Duration,
    };

    use super::*;
    use crate::pipe::windows::start::started;

    const STEP: Duration = Duration::from_nanos(100);

    fn this() -> PeerProcess {
        PeerProcess::open(std::process::id()).unwrap()
    }

    fn reason(outcome: io::Result<PeerProcess>) -> String {
        outcome.unwrap_err().to_string()
    }

    #[test]
    fn a_process_that_was_created_after_the_pipe_was_open_is_another() {
        let (id, created) = (this().id, this().created());
        assert_eq!(PeerProcess::as_of(id, created).unwrap().created(), created);
        PeerProcess::as_of(id, SystemTime::now()).unwrap();
        let text = reason(PeerProcess::as_of(id, created - STEP));
        assert_eq!(text, NotThePeer::Another(id).to_string());
    }

    #[test]
    fn an_id_with_another_moment_is_another_process() {
        let (id, created) = (this().id, this().created());
        PeerProcess::again(Some(id), Some(created)).unwrap();
        for other in [created - STEP, created + STEP] {
            let text = reason(PeerProcess::again(Some(id), Some(other)));
            assert_eq!(text, NotThePeer::Another(id).to_string());
        }
        for (id, created) in [(Some(id), None), (None, Some(created)), (None, None)] {
            assert_eq!(reason(PeerProcess::again(id, created)), NotThePeer::Unknown.to_string());
        }
    }

    #[test]
    fn a_process_that_has_ended_keeps_its_id_while_it_is_held() {
        const CHILD: &str = "NPIPES_LIVES_UNTIL_ITS_INPUT_ENDS";
        if env::var_os(CHILD).is_some() {
            assert_eq!(io::stdin().read(&mut [0]).unwrap(), 0);
            return;
        }
        let module = module_path!().split_once("::").unwrap().1;
        let this = format!("{module}::a_process_that_has_ended_keeps_its_id_while_it_is_held");
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", &this]).env(CHILD, "1");
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = started(|| command.spawn());
        let held = PeerProcess::open(child.id()).unwrap();
        assert!(!held.has_ended().unwrap());
        // It closes the child's input first.
        assert!(child.wait().unwrap().success());
        assert!(held.has_ended().unwrap());
        assert_eq!(reason(PeerProcess::open(held.id)), NotThePeer::Ended(held.id).to_string());
        assert!(held.same_image_as_this().unwrap());
    }

    #[test]
    fn this_process_is_started_from_its_own_file_and_in_no_package() {
        assert!(this().same_image_as_this().unwrap());
        assert!(!this().has_image(env::var("ComSpec").unwrap()).unwrap());
        assert_eq!(this().package_family().unwrap(), None);
        assert!(!this().has_ended().unwrap());
        assert!(this().created() <= SystemTime::now());
    }

    #[test]
    fn its_handle_can_be_had() {
        let handle = OwnedHandle::from(this());
        handle.as_handle().try_clone_to_owned().unwrap();
    }
}
