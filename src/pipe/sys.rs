//! Every `unsafe` and every call of the Windows API. Handles come and go as owned types, failures as
//! `io::Error`, and the operating system's codes have their names here.

mod flush;
mod wait;

use std::{
    io,
    os::windows::io::{AsRawHandle, FromRawHandle, IntoRawHandle, OwnedHandle},
    ptr,
};

use tokio::net::windows::named_pipe::{NamedPipeClient, NamedPipeServer};
use windows_sys::Win32::{
    Foundation::{
        ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND, ERROR_PIPE_BUSY, ERROR_PIPE_NOT_CONNECTED,
        INVALID_HANDLE_VALUE,
    },
    Storage::FileSystem::{
        CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_GENERIC_READ,
        FILE_READ_ATTRIBUTES, FILE_WRITE_ATTRIBUTES, FILE_WRITE_DATA, OPEN_EXISTING,
        PIPE_ACCESS_DUPLEX, PIPE_ACCESS_INBOUND, PIPE_ACCESS_OUTBOUND, READ_CONTROL,
        SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT, SYNCHRONIZE,
    },
    System::Pipes::{
        CreateNamedPipeW, GetNamedPipeHandleStateW, PIPE_ACCEPT_REMOTE_CLIENTS, PIPE_READMODE_BYTE,
        PIPE_READMODE_MESSAGE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_TYPE_MESSAGE,
        SetNamedPipeHandleState,
    },
};

pub(super) use self::{
    flush::{Look, cancel_synchronous_io, flush, is_released, look},
    wait::{FreeInstance, PipeDevice},
};
use crate::name::PipeName;

/// The failures that decide what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// `ERROR_FILE_NOT_FOUND` (2).
    NotFound,
    /// `ERROR_ACCESS_DENIED` (5).
    AccessDenied,
    /// `ERROR_PIPE_BUSY` (231).
    Busy,
    /// `ERROR_PIPE_NOT_CONNECTED` (233): the other end called `DisconnectNamedPipe`.
    Disconnected,
    Other,
}

impl Code {
    pub(super) fn of(error: &io::Error) -> Self {
        match error.raw_os_error().and_then(|code| u32::try_from(code).ok()).unwrap_or_default() {
            ERROR_FILE_NOT_FOUND => Self::NotFound,
            ERROR_ACCESS_DENIED => Self::AccessDenied,
            ERROR_PIPE_BUSY => Self::Busy,
            ERROR_PIPE_NOT_CONNECTED => Self::Disconnected,
            _ => Self::Other,
        }
    }
}

/// In which directions a pipe carries data, seen from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Direction {
    /// Both ways.
    #[default]
    Duplex,
    /// From the client to the server.
    Inbound,
    /// From the server to the client.
    Outbound,
}

/// What the operating system keeps of write boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PipeType {
    /// Nothing: the pipe is a stream of bytes.
    #[default]
    Byte,
    /// Each write is a message, for peers that read a message at a time. This crate reads both
    /// types as bytes, since a frame has a length of its own.
    Message,
}

/// The words that `CreateNamedPipeW` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InstanceWords {
    pub(super) open_mode: u32,
    pub(super) pipe_mode: u32,
    pub(super) max_instances: u32,
    pub(super) out_buffer: u32,
    pub(super) in_buffer: u32,
}

impl InstanceWords {
    pub(super) fn new(direction: Direction, pipe_type: PipeType) -> Self {
        let access = match direction {
            Direction::Duplex => PIPE_ACCESS_DUPLEX,
            Direction::Inbound => PIPE_ACCESS_INBOUND,
            Direction::Outbound => PIPE_ACCESS_OUTBOUND,
        };
        let kind = match pipe_type {
            PipeType::Byte => PIPE_TYPE_BYTE,
            PipeType::Message => PIPE_TYPE_MESSAGE,
        };
        Self {
            open_mode: access | FILE_FLAG_OVERLAPPED,
            pipe_mode: kind | PIPE_READMODE_BYTE | PIPE_REJECT_REMOTE_CLIENTS,
            max_instances: 255,
            out_buffer: 0,
            in_buffer: 0,
        }
    }

    /// Asks for a name that nobody owns yet.
    pub(super) fn first(mut self) -> Self {
        self.open_mode |= FILE_FLAG_FIRST_PIPE_INSTANCE;
        self
    }

    pub(super) fn accept_remote_clients(mut self) -> Self {
        self.pipe_mode &= !PIPE_REJECT_REMOTE_CLIENTS;
        self.pipe_mode |= PIPE_ACCEPT_REMOTE_CLIENTS;
        self
    }
}

/// Creates one instance of a pipe, which clients can open from then on.
///
/// # Panics
///
/// Outside a Tokio runtime with I/O enabled, as Tokio's handles do.
pub(super) fn create_instance(
    name: &PipeName,
    words: InstanceWords,
) -> io::Result<NamedPipeServer> {
    let path = wide(name);
    // SAFETY: `path` ends with a NUL and outlives the call; no security attributes are given.
    let handle = unsafe {
        CreateNamedPipeW(
            path.as_ptr(),
            words.open_mode,
            words.pipe_mode,
            words.max_instances,
            words.out_buffer,
            words.in_buffer,
            0,
            ptr::null(),
        )
    };
    let handle = owned(handle)?;
    // SAFETY: the handle is a pipe's server end, opened for overlapped I/O, and nobody else's.
    unsafe { NamedPipeServer::from_raw_handle(handle.into_raw_handle()) }
}

/// Returns how many instances the pipe has.
pub(super) fn instances(server: &NamedPipeServer) -> io::Result<u32> {
    let mut count = 0;
    // SAFETY: the handle is open while `server` is borrowed; every other pointer may be null, as
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

/// The words that `CreateFileW` takes to open a pipe's client end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenWords {
    pub(super) access: u32,
    pub(super) flags: u32,
    pub(super) message_read_mode: bool,
}

impl OpenWords {
    /// The least rights that serve: a server that lets others connect must not grant
    /// `GENERIC_WRITE`, which contains `FILE_CREATE_PIPE_INSTANCE`, so this does not ask for it.
    pub(super) const fn new(direction: Direction) -> Self {
        const WRITE: u32 = FILE_WRITE_DATA | FILE_READ_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE;
        let access = match direction {
            Direction::Duplex => FILE_GENERIC_READ | WRITE,
            Direction::Inbound => WRITE,
            Direction::Outbound => FILE_GENERIC_READ,
        };
        Self {
            access,
            flags: FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
            message_read_mode: false,
        }
    }

    /// `SetNamedPipeHandleState` needs a right of its own for this.
    pub(super) const fn message_read_mode(mut self) -> Self {
        self.access |= FILE_WRITE_ATTRIBUTES;
        self.message_read_mode = true;
        self
    }
}

/// Opens the client end of a pipe.
pub(super) fn open(name: &PipeName, words: OpenWords) -> io::Result<OwnedHandle> {
    let path = wide(name);
    // SAFETY: `path` ends with a NUL and outlives the call; no security attributes and no template
    // are given.
    let handle = unsafe {
        CreateFileW(
            path.as_ptr(),
            words.access,
            0,
            ptr::null(),
            OPEN_EXISTING,
            words.flags,
            ptr::null_mut(),
        )
    };
    let handle = owned(handle)?;
    if words.message_read_mode {
        read_messages(&handle)?;
    }
    Ok(handle)
}

fn read_messages(client: &OwnedHandle) -> io::Result<()> {
    let mode = PIPE_READMODE_MESSAGE;
    // SAFETY: the handle is open; the mode outlives the call, and what is null stays as it is.
    let ok =
        unsafe { SetNamedPipeHandleState(client.as_raw_handle(), &mode, ptr::null(), ptr::null()) };
    if ok == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Opens the client end of a pipe with no right but to look at it, so that nobody else gets that
/// instance.
pub(super) fn take_place(name: &PipeName) -> io::Result<OwnedHandle> {
    let words = OpenWords::new(Direction::Inbound);
    open(name, OpenWords { access: FILE_READ_ATTRIBUTES | SYNCHRONIZE, ..words })
}

/// Registers the client end of a pipe with the runtime.
///
/// # Panics
///
/// Outside a Tokio runtime with I/O enabled, as Tokio's handles do.
pub(super) fn register_client(handle: OwnedHandle) -> io::Result<NamedPipeClient> {
    // SAFETY: the handle comes from `open`, which asks for overlapped I/O, and is nobody else's.
    unsafe { NamedPipeClient::from_raw_handle(handle.into_raw_handle()) }
}

fn owned(handle: windows_sys::Win32::Foundation::HANDLE) -> io::Result<OwnedHandle> {
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call that returned the handle succeeded and gave it to nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn wide(name: &PipeName) -> Vec<u16> {
    name.as_str().encode_utf16().chain([0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server can grant to everybody: all of a client's rights but
    /// `FILE_CREATE_PIPE_INSTANCE`, which is `FILE_APPEND_DATA`.
    const GRANTED: u32 = 0x0012_019b;

    #[test]
    fn remote_clients_are_refused_unless_asked_for() {
        for pipe_type in [PipeType::Byte, PipeType::Message] {
            let words = InstanceWords::new(Direction::Duplex, pipe_type);
            assert_ne!(words.pipe_mode & PIPE_REJECT_REMOTE_CLIENTS, 0);
            let words = words.accept_remote_clients();
            assert_eq!(words.pipe_mode & PIPE_REJECT_REMOTE_CLIENTS, 0);
        }
    }

    #[test]
    fn only_the_first_instance_asks_to_be_the_first() {
        let words = InstanceWords::new(Direction::Duplex, PipeType::Byte);
        assert_eq!(words.open_mode & FILE_FLAG_FIRST_PIPE_INSTANCE, 0);
        assert_ne!(words.first().open_mode & FILE_FLAG_FIRST_PIPE_INSTANCE, 0);
    }

    #[test]
    fn a_client_asks_for_the_least_rights_that_serve() {
        for (direction, rights) in [
            (Direction::Duplex, 0x0012_008b),
            (Direction::Inbound, 0x0012_0082),
            (Direction::Outbound, 0x0012_0089),
        ] {
            let words = OpenWords::new(direction);
            assert_eq!(words.access, rights, "{direction:?}");
            assert_eq!(words.message_read_mode().access, rights | 0x100, "{direction:?}");
            assert_eq!(words.message_read_mode().access & !GRANTED, 0, "{direction:?}");
        }
    }
}
