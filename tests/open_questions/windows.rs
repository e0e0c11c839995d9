//! The calls that the questions take, with their outcome as it is to be printed.

use std::{
    fmt,
    fs::File,
    io,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
    process, ptr,
    sync::atomic::{AtomicU32, Ordering},
};

use windows_sys::{
    Wdk::{Foundation::OBJECT_ATTRIBUTES, Storage::FileSystem::FILE_CREATE},
    Win32::{
        Foundation::{HANDLE, INVALID_HANDLE_VALUE, NTSTATUS, UNICODE_STRING},
        Storage::FileSystem::{
            FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_SHARE_READ, FILE_SHARE_WRITE,
            PIPE_ACCESS_DUPLEX, ReadFile, SYNCHRONIZE, WriteFile,
        },
        System::{
            IO::{CancelIoEx, IO_STATUS_BLOCK, OVERLAPPED},
            Pipes::{
                ConnectNamedPipe, CreateNamedPipeW, DisconnectNamedPipe,
                PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_MESSAGE,
            },
        },
    },
};

#[link(name = "ntdll", kind = "raw-dylib")]
unsafe extern "system" {
    fn NtCreateNamedPipeFile(
        handle: *mut HANDLE,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
        status: *mut IO_STATUS_BLOCK,
        sharing: u32,
        disposition: u32,
        options: u32,
        pipe_type: u32,
        read_mode: u32,
        completion_mode: u32,
        max_instances: u32,
        in_quota: u32,
        out_quota: u32,
        default_timeout: *const i64,
    ) -> NTSTATUS;
}

/// The quota of each direction of the pipes that are asked about, in bytes.
pub(crate) const QUOTA: u32 = 4096;

/// Prints an answer.
pub(crate) fn answer(question: &str, answer: impl fmt::Display) {
    println!("{question}? {answer}");
}

/// Says what came of a call: `yes`, or the code.
pub(crate) fn outcome<T>(result: &io::Result<T>) -> String {
    match result {
        Ok(_) => "yes".to_owned(),
        Err(e) => match e.raw_os_error() {
            Some(code) => format!("no, error {code}"),
            None => format!("no, {e}"),
        },
    }
}

/// Returns the path of a pipe that nobody else has.
pub(crate) fn unique_path() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(r"\\.\pipe\npipes-question-{}-{number}", process::id())
}

/// The server's end of a pipe, made as this crate makes it, and no runtime's.
pub(crate) struct Server(pub(crate) OwnedHandle);

impl Server {
    pub(crate) fn create(path: &str, instances: u32, first: bool) -> io::Result<Self> {
        Self::with_modes(path, instances, first, PIPE_REJECT_REMOTE_CLIENTS | PIPE_TYPE_MESSAGE)
    }

    pub(crate) fn with_modes(
        path: &str,
        instances: u32,
        first: bool,
        modes: u32,
    ) -> io::Result<Self> {
        let path: Vec<u16> = path.encode_utf16().chain([0]).collect();
        let first = if first { FILE_FLAG_FIRST_PIPE_INSTANCE } else { 0 };
        let access = PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | first;
        // SAFETY: the path ends with a NUL and outlives the call; the attributes are optional.
        let handle = unsafe {
            CreateNamedPipeW(path.as_ptr(), access, modes, instances, QUOTA, QUOTA, 0, ptr::null())
        };
        if handle == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded and gave the handle to nobody else.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// Creates a first instance by a handle that can neither read nor write.
    pub(crate) fn create_shut(path: &str) -> io::Result<Self> {
        let name = path.strip_prefix(r"\\.\").unwrap();
        let mut units: Vec<u16> = r"\??\".encode_utf16().chain(name.encode_utf16()).collect();
        let bytes = u16::try_from(2 * units.len()).unwrap();
        let mut name =
            UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: units.as_mut_ptr() };
        let attributes = OBJECT_ATTRIBUTES {
            Length: u32::try_from(size_of::<OBJECT_ATTRIBUTES>()).unwrap(),
            ObjectName: &mut name,
            // OBJ_CASE_INSENSITIVE.
            Attributes: 0x40,
            ..OBJECT_ATTRIBUTES::default()
        };
        let (mut handle, mut status_block) = (ptr::null_mut(), IO_STATUS_BLOCK::default());
        // SAFETY: what the attributes point to outlives the call, and so do the results and the time.
        let status = unsafe {
            NtCreateNamedPipeFile(
                &mut handle,
                SYNCHRONIZE,
                &attributes,
                &mut status_block,
                FILE_SHARE_READ | FILE_SHARE_WRITE,
                FILE_CREATE,
                0,
                0,
                0,
                0,
                1,
                QUOTA,
                QUOTA,
                &-500_000,
            )
        };
        match status {
            // SAFETY: the call succeeded and gave the handle to nobody else.
            0 => Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) })),
            status => Err(io::Error::other(format!("status {status:#x}"))),
        }
    }

    /// Begins to wait for a client; `ERROR_IO_PENDING` (997) says that it waits.
    pub(crate) fn listen(&self) -> io::Result<()> {
        // SAFETY: the handle is open; the structure is never freed.
        done(unsafe { ConnectNamedPipe(self.0.as_raw_handle(), operation()) })
    }

    pub(crate) fn disconnect(&self) -> io::Result<()> {
        // SAFETY: the handle is open.
        done(unsafe { DisconnectNamedPipe(self.0.as_raw_handle()) })
    }

    /// Begins to write, without waiting. What is written is never freed.
    pub(crate) fn begin_write(&self, bytes: Vec<u8>) -> io::Result<()> {
        let bytes = bytes.leak();
        let len = u32::try_from(bytes.len()).unwrap();
        // SAFETY: the handle is open; neither the bytes nor the structure are ever freed.
        done(unsafe {
            WriteFile(self.0.as_raw_handle(), bytes.as_ptr(), len, ptr::null_mut(), operation())
        })
    }

    /// Begins to read, without waiting.
    pub(crate) fn begin_read(&self, len: u32) -> io::Result<()> {
        let room = vec![0_u8; len as usize].leak();
        // SAFETY: the handle is open; neither the buffer nor the structure are ever freed.
        done(unsafe {
            ReadFile(self.0.as_raw_handle(), room.as_mut_ptr(), len, ptr::null_mut(), operation())
        })
    }

    pub(crate) fn cancel(&self) {
        // SAFETY: the handle is open; without an operation all of them are meant.
        unsafe { CancelIoEx(self.0.as_raw_handle(), ptr::null()) };
    }
}

/// A structure that is never freed: an operation may outlive the question.
fn operation() -> *mut OVERLAPPED {
    Box::leak(Box::<OVERLAPPED>::default())
}

pub(crate) fn done(ok: i32) -> io::Result<()> {
    if ok == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Opens the client's end as `std` does: with nothing said of tracking.
pub(crate) fn client(path: &str) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}
