//! Every `unsafe` and every call of the Windows API. Functions take and return handles as owned
//! types and return failures as `io::Error`. The operating system's codes have their names here.

mod end;
#[cfg(test)]
mod failures;
mod flags;
mod flush;
mod hold;
mod impersonation;
mod library;
pub(super) mod process;
mod random;
pub(super) mod security;
pub(super) mod service;
pub(in crate::pipe) mod token;
mod wait;
mod write;

use std::{
    io,
    os::windows::io::{
        AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, IntoRawHandle, OwnedHandle,
    },
    ptr,
};

use tokio::net::windows::named_pipe::{NamedPipeClient, NamedPipeServer};
use windows_sys::Win32::{
    Foundation::{
        ERROR_ACCESS_DENIED, ERROR_CANNOT_IMPERSONATE, ERROR_FILE_NOT_FOUND, ERROR_PIPE_BUSY,
        ERROR_PIPE_LISTENING, ERROR_PIPE_NOT_CONNECTED, INVALID_HANDLE_VALUE, NTSTATUS,
        RtlNtStatusToDosError, STATUS_SUCCESS,
    },
    Storage::FileSystem::{CreateFileW, FILE_TYPE_PIPE, GetFileType, OPEN_EXISTING},
    System::Pipes::{CreateNamedPipeW, GetNamedPipeHandleStateW},
};

pub use self::flags::{Direction, ImpersonationLevel, PipeType};
pub(in crate::pipe) use self::{
    end::{cancel_io, disconnect},
    flags::{InstanceFlags, OpenFlags},
    flush::{
        PipeState, cancel_synchronous_io, flush, is_released, pipe_state, pipe_type, write_quota,
        write_room,
    },
    hold::{create_shut, take_place},
    impersonation::ActingAsClient,
    library::{app_container, client_is_remote},
    random::random,
    wait::{FreeInstance, PipeDevice},
    write::{Begun, WaitingWrite, write},
};
use crate::name::PipeName;

/// The failures on which the next step depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipe) enum Code {
    /// `ERROR_FILE_NOT_FOUND` (2).
    NotFound,
    /// `ERROR_ACCESS_DENIED` (5).
    AccessDenied,
    /// `ERROR_PIPE_BUSY` (231).
    Busy,
    /// `ERROR_PIPE_NOT_CONNECTED` (233): the other end called `DisconnectNamedPipe`.
    Disconnected,
    /// `ERROR_PIPE_LISTENING` (536): no client has opened the instance.
    Listening,
    /// `ERROR_CANNOT_IMPERSONATE` (1368): the client shows who it is with each write, and nothing
    /// was read from it yet.
    NothingRead,
    Other,
}

impl Code {
    pub(in crate::pipe) fn of(error: &io::Error) -> Self {
        match error.raw_os_error().and_then(|code| u32::try_from(code).ok()).unwrap_or_default() {
            ERROR_FILE_NOT_FOUND => Self::NotFound,
            ERROR_ACCESS_DENIED => Self::AccessDenied,
            ERROR_PIPE_BUSY => Self::Busy,
            ERROR_PIPE_NOT_CONNECTED => Self::Disconnected,
            ERROR_PIPE_LISTENING => Self::Listening,
            ERROR_CANNOT_IMPERSONATE => Self::NothingRead,
            _ => Self::Other,
        }
    }
}

/// Creates one instance of a pipe, which clients can open from then on.
pub(in crate::pipe) fn create_instance(
    name: &PipeName,
    flags: InstanceFlags,
    security: &security::Descriptor,
) -> io::Result<OwnedHandle> {
    let path = wide(name.as_str());
    let security = security.attributes();
    // SAFETY: `path` ends with a NUL, and it and the security descriptor outlive the call.
    let handle = unsafe {
        CreateNamedPipeW(
            path.as_ptr(),
            flags.open_mode,
            flags.pipe_mode,
            flags.max_instances,
            flags.out_buffer,
            flags.in_buffer,
            0,
            &security,
        )
    };
    owned(handle)
}

/// Registers the server end of a pipe with the runtime.
///
/// # Panics
///
/// Outside a Tokio runtime with I/O enabled, as Tokio's handles do.
pub(in crate::pipe) fn register_server(handle: OwnedHandle) -> io::Result<NamedPipeServer> {
    // SAFETY: the handle comes from `create_instance`, which asks for overlapped I/O, and is nobody
    // else's.
    unsafe { NamedPipeServer::from_raw_handle(handle.into_raw_handle()) }
}

/// Returns how many instances the pipe has.
pub(in crate::pipe) fn instances(server: BorrowedHandle<'_>) -> io::Result<u32> {
    let mut count = 0;
    // SAFETY: the handle is open while it is borrowed; every other pointer may be null, as
    // `GetNamedPipeHandleStateW` documents.
    let ok = unsafe {
        GetNamedPipeHandleStateW(
            server.as_raw_handle(),
            ptr::null_mut(),
            &mut count,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            0,
        )
    };
    if ok == 0 { Err(io::Error::last_os_error()) } else { Ok(count) }
}

/// The path led to something other than a pipe, and nothing was sent to it.
#[derive(Debug, thiserror::Error)]
#[error("what has this name is not a pipe; nothing was sent to it")]
struct NotAPipe;

/// Opens the client end of a pipe, and returns the pipe's type too if the system tells.
pub(in crate::pipe) fn open(
    name: &PipeName,
    flags: OpenFlags,
) -> io::Result<(OwnedHandle, Option<PipeType>)> {
    open_path(name.as_str(), flags)
}

/// Opens what has this path, and refuses it if it is not a pipe. No name should lead out of the
/// folder of pipes. If one does, nothing is written to a file.
fn open_path(path: &str, flags: OpenFlags) -> io::Result<(OwnedHandle, Option<PipeType>)> {
    let handle = open_unchecked(path, flags)?;
    // Only a pipe has a pipe type. The pipe type of some pipes, perhaps another machine's, cannot
    // be asked for; these still have the file type of pipes.
    let pipe_type = pipe_type(handle.as_handle());
    // SAFETY: the handle is open.
    let is_pipe = || unsafe { GetFileType(handle.as_raw_handle()) } == FILE_TYPE_PIPE;
    if pipe_type.is_none() && !is_pipe() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, NotAPipe));
    }
    Ok((handle, pipe_type))
}

fn open_unchecked(path: &str, flags: OpenFlags) -> io::Result<OwnedHandle> {
    let path = wide(path);
    // SAFETY: `path` ends with a NUL and outlives the call; no security attributes and no template
    // are given.
    let handle = unsafe {
        CreateFileW(
            path.as_ptr(),
            flags.access,
            0,
            ptr::null(),
            OPEN_EXISTING,
            flags.flags,
            ptr::null_mut(),
        )
    };
    owned(handle)
}

/// Registers the client end of a pipe with the runtime.
///
/// # Panics
///
/// Outside a Tokio runtime with I/O enabled, as Tokio's handles do.
pub(in crate::pipe) fn register_client(handle: OwnedHandle) -> io::Result<NamedPipeClient> {
    // SAFETY: the handle comes from `open`, which asks for overlapped I/O, and is nobody else's.
    unsafe { NamedPipeClient::from_raw_handle(handle.into_raw_handle()) }
}

/// Turns the status of a call of `ntdll` or `bcrypt` into an error of Win32.
fn check(status: NTSTATUS) -> io::Result<()> {
    if status == STATUS_SUCCESS {
        return Ok(());
    }
    // SAFETY: the function takes a number.
    let code = unsafe { RtlNtStatusToDosError(status) };
    Err(io::Error::from_raw_os_error(code as i32))
}

fn owned(handle: windows_sys::Win32::Foundation::HANDLE) -> io::Result<OwnedHandle> {
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call that returned the handle succeeded and gave it to nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn wide(path: &str) -> Vec<u16> {
    path.encode_utf16().chain([0]).collect()
}
