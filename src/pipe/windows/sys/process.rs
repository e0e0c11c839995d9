//! Processes, held by a handle, and what the system tells about them.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::windows::{
        ffi::OsStringExt,
        fs::OpenOptionsExt,
        io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle},
    },
    path::{Path, PathBuf},
    ptr,
    time::{Duration, SystemTime},
};

use windows_sys::Win32::{
    Foundation::{APPMODEL_ERROR_NO_PACKAGE, ERROR_SUCCESS, FILETIME, WAIT_FAILED, WAIT_OBJECT_0},
    Storage::{
        FileSystem::{FILE_ID_INFO, FileIdInfo, GetFileInformationByHandleEx},
        Packaging::Appx::{GetPackageFamilyName, PACKAGE_FAMILY_NAME_MAX_LENGTH},
    },
    System::{
        RemoteDesktop::ProcessIdToSessionId,
        Threading::{
            GetProcessTimes, OpenProcess, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION,
            PROCESS_SYNCHRONIZE, QueryFullProcessImageNameW, WaitForSingleObject,
        },
    },
};

/// A process, which may have ended. No other process gets its id while this exists.
#[derive(Debug)]
pub(in crate::pipe) struct Process(OwnedHandle);

impl Process {
    /// Returns the process that has this id now.
    pub(in crate::pipe) fn open(id: u32) -> io::Result<Self> {
        const ACCESS: u32 = PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE;
        // SAFETY: it takes no pointers.
        let process = unsafe { OpenProcess(ACCESS, 0, id) };
        if process.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `OpenProcess` succeeded and gave the handle to nobody else.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(process) }))
    }

    /// Returns when it was created.
    pub(in crate::pipe) fn created(&self) -> io::Result<SystemTime> {
        let [mut created, mut exited, mut kernel, mut user] = [FILETIME::default(); 4];
        // SAFETY: the handle is open, and the four times outlive the call.
        let ok = unsafe {
            GetProcessTimes(
                self.0.as_raw_handle(),
                &mut created,
                &mut exited,
                &mut kernel,
                &mut user,
            )
        };
        match ok {
            0 => Err(io::Error::last_os_error()),
            _ => system_time(created).ok_or_else(|| io::ErrorKind::InvalidData.into()),
        }
    }

    /// Returns whether it has ended.
    pub(in crate::pipe) fn has_ended(&self) -> io::Result<bool> {
        // SAFETY: the handle is open.
        match unsafe { WaitForSingleObject(self.0.as_raw_handle(), 0) } {
            WAIT_FAILED => Err(io::Error::last_os_error()),
            state => Ok(state == WAIT_OBJECT_0),
        }
    }

    /// Returns the path of the file that it was started from, as a path on a drive.
    pub(in crate::pipe) fn image_path(&self) -> io::Result<PathBuf> {
        // The longest path of the system, including its NUL.
        let mut path = vec![0_u16; 0x8000];
        let mut len = 0x8000;
        // SAFETY: the handle is open, and the buffer has `len` units.
        let ok = unsafe {
            QueryFullProcessImageNameW(
                self.0.as_raw_handle(),
                PROCESS_NAME_WIN32,
                path.as_mut_ptr(),
                &mut len,
            )
        };
        match ok {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(OsString::from_wide(path.get(..len as usize).unwrap_or_default()).into()),
        }
    }

    /// Returns the family name of the package that it belongs to, if it belongs to one.
    pub(in crate::pipe) fn package_family(&self) -> io::Result<Option<String>> {
        const ROOM: usize = PACKAGE_FAMILY_NAME_MAX_LENGTH as usize + 1;
        let mut name = [0_u16; ROOM];
        let mut len = PACKAGE_FAMILY_NAME_MAX_LENGTH + 1;
        // SAFETY: the handle is open, and the buffer has `len` units.
        let status =
            unsafe { GetPackageFamilyName(self.0.as_raw_handle(), &mut len, name.as_mut_ptr()) };
        match status {
            // The length includes the NUL.
            ERROR_SUCCESS => {
                let len = (len as usize).saturating_sub(1);
                Ok(Some(String::from_utf16_lossy(name.get(..len).unwrap_or_default())))
            }
            APPMODEL_ERROR_NO_PACKAGE => Ok(None),
            code => Err(io::Error::from_raw_os_error(code as i32)),
        }
    }
}

impl AsHandle for Process {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

impl From<Process> for OwnedHandle {
    fn from(process: Process) -> Self {
        process.0
    }
}

/// Returns the terminal services session of the process that has this id now.
pub(in crate::pipe) fn session(id: u32) -> io::Result<u32> {
    let mut session = 0;
    // SAFETY: the result outlives the call.
    let ok = unsafe { ProcessIdToSessionId(id, &mut session) };
    if ok == 0 { Err(io::Error::last_os_error()) } else { Ok(session) }
}

/// A file on this machine, identified independently of its path.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::pipe) struct FileId {
    volume: u64,
    file: [u8; 16],
}

impl FileId {
    /// Returns which file has this path now. The file's content is not read.
    pub(in crate::pipe) fn of(path: &Path) -> io::Result<Self> {
        Self::of_handle(File::options().access_mode(0).open(path)?.as_handle())
    }

    fn of_handle(file: BorrowedHandle<'_>) -> io::Result<Self> {
        #[expect(clippy::cast_possible_truncation, reason = "the structure has 24 bytes")]
        const LEN: u32 = size_of::<FILE_ID_INFO>() as u32;
        let mut info = FILE_ID_INFO::default();
        // SAFETY: the handle is open while it is borrowed, and `info` has the size given.
        let ok = unsafe {
            GetFileInformationByHandleEx(
                file.as_raw_handle(),
                FileIdInfo,
                ptr::from_mut(&mut info).cast(),
                LEN,
            )
        };
        match ok {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(Self { volume: info.VolumeSerialNumber, file: info.FileId.Identifier }),
        }
    }
}

/// Returns the moment for a number of 100 ns steps since the year 1601.
fn system_time(time: FILETIME) -> Option<SystemTime> {
    /// From then to 1970.
    const TO_UNIX_EPOCH: Duration = Duration::from_secs(11_644_473_600);
    const PER_SECOND: u64 = 10_000_000;
    let steps = u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    let rest = Duration::from_nanos(100 * (steps % PER_SECOND));
    let since = Duration::from_secs(steps / PER_SECOND) + rest;
    SystemTime::UNIX_EPOCH.checked_sub(TO_UNIX_EPOCH)?.checked_add(since)
}

#[cfg(test)]
mod tests {
    use std::{env, thread};

    use super::*;

    /// Something that is open and no process: a thread, which is waited for as a process is.
    fn with_a_thread<R>(look: impl FnOnce(&Process) -> R) -> R {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = thread::spawn(move || ended.recv());
        let result = look(&Process(thread.as_handle().try_clone_to_owned().unwrap()));
        drop(end);
        assert!(thread.join().unwrap().is_err());
        result
    }

    #[test]
    fn what_is_no_process_answers_nothing() {
        with_a_thread(|thread| {
            thread.created().unwrap_err();
            thread.image_path().unwrap_err();
        });
        let file = File::open(env::current_exe().unwrap()).unwrap();
        // Wine does not look at the handle, and has no packages.
        assert!(!matches!(Process(file.into()).package_family(), Ok(Some(_))));
        // Ids are multiples of four.
        Process::open(u32::MAX - 3).unwrap_err();
        session(u32::MAX - 3).unwrap_err();
    }

    #[test]
    fn times_count_from_the_year_1601() {
        // The moment for a `time_t` of 0 in the documentation of FILETIME.
        let epoch = FILETIME { dwLowDateTime: 0xD53E_8000, dwHighDateTime: 0x019D_B1DE };
        assert_eq!(system_time(epoch), Some(SystemTime::UNIX_EPOCH));
        let later = FILETIME { dwLowDateTime: 0xD53E_8001, ..epoch };
        let step = Duration::from_nanos(100);
        assert_eq!(system_time(later), Some(SystemTime::UNIX_EPOCH + step));
        let never = FILETIME { dwLowDateTime: u32::MAX, dwHighDateTime: u32::MAX };
        assert_eq!(system_time(never), None);
    }

    #[test]
    fn a_file_is_the_same_by_every_path() {
        let exe = env::current_exe().unwrap();
        let detour = exe.parent().unwrap().join(".").join("..");
        let detour = detour.join(exe.parent().unwrap().file_name().unwrap());
        let detour = detour.join(exe.file_name().unwrap());
        assert_eq!(FileId::of(&exe).unwrap(), FileId::of(&detour).unwrap());
        let other = env::temp_dir().join(format!("npipes-file-id-{}", std::process::id()));
        std::fs::copy(&exe, &other).unwrap();
        let of_other = FileId::of(&other);
        std::fs::remove_file(&other).unwrap();
        assert_ne!(FileId::of(&exe).unwrap(), of_other.unwrap());
        FileId::of(&other).unwrap_err();
    }

    #[test]
    fn what_is_no_file_has_no_identity() {
        let thread = thread::spawn(|| ());
        FileId::of_handle(thread.as_handle()).unwrap_err();
        thread.join().unwrap();
    }
}
