//! Instances that hold a pipe's name and let nobody in.

use std::{
    io,
    os::windows::io::{FromRawHandle, OwnedHandle},
    ptr,
};

use windows_sys::{
    Wdk::{
        Foundation::OBJECT_ATTRIBUTES,
        Storage::FileSystem::{
            FILE_CREATE, FILE_PIPE_MESSAGE_TYPE, FILE_PIPE_REJECT_REMOTE_CLIENTS, NtOpenFile,
        },
    },
    Win32::{
        Foundation::{HANDLE, NTSTATUS, UNICODE_STRING},
        Storage::FileSystem::{
            FILE_READ_ATTRIBUTES, FILE_SHARE_READ, FILE_SHARE_WRITE, PIPE_ACCESS_INBOUND,
            PIPE_ACCESS_OUTBOUND, READ_CONTROL, SYNCHRONIZE,
        },
        System::{
            IO::IO_STATUS_BLOCK,
            Pipes::{PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_MESSAGE, PIPE_UNLIMITED_INSTANCES},
        },
    },
};

use super::{
    Code, InstanceFlags, OpenFlags, check, flags::Direction, open_unchecked, security::Descriptor,
};
use crate::name::{LOCAL_PREFIX, PipeName};

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

/// Creates the first instance of a name that nobody owns, with a handle that cannot read and cannot
/// write. Windows' file system makes such an instance disconnected: clients find the pipe busy.
/// `CreateNamedPipeW` cannot ask for that. Wine's file system still lets clients in;
/// [`disconnect`](super::disconnect) detects that.
pub(in crate::pipe) fn create_shut(
    name: &PipeName,
    flags: InstanceFlags,
    security: &Descriptor,
) -> io::Result<OwnedHandle> {
    /// The time that `CreateNamedPipeW` documents for 0: 50 ms, in units of 100 ns from now on.
    const DEFAULT_TIMEOUT: i64 = -500_000;
    let mut path = NtPath::new(name);
    let mut attributes = path.attributes()?;
    attributes.SecurityDescriptor = security.as_ptr().cast();
    let flag = |word: u32, flag: u32, value: u32| if word & flag != 0 { value } else { 0 };
    let pipe_type = flag(flags.pipe_mode, PIPE_TYPE_MESSAGE, FILE_PIPE_MESSAGE_TYPE)
        | flag(flags.pipe_mode, PIPE_REJECT_REMOTE_CLIENTS, FILE_PIPE_REJECT_REMOTE_CLIENTS);
    let sharing = flag(flags.open_mode, PIPE_ACCESS_INBOUND, FILE_SHARE_WRITE)
        | flag(flags.open_mode, PIPE_ACCESS_OUTBOUND, FILE_SHARE_READ);
    let max_instances = match flags.max_instances {
        PIPE_UNLIMITED_INSTANCES => u32::MAX,
        max_instances => max_instances,
    };
    let mut handle = ptr::null_mut();
    let mut status_block = IO_STATUS_BLOCK::default();
    // SAFETY: what `attributes` points to, the path and the descriptor, outlives the call, and so do
    // the results and the timeout.
    let status = unsafe {
        NtCreateNamedPipeFile(
            &mut handle,
            SYNCHRONIZE,
            &attributes,
            &mut status_block,
            sharing,
            FILE_CREATE,
            0,
            pipe_type,
            0,
            0,
            max_instances,
            flags.in_buffer,
            flags.out_buffer,
            &DEFAULT_TIMEOUT,
        )
    };
    own(status, handle)
}

/// Opens the client end of a pipe with only the right to look at it, so that nobody else gets that
/// instance. If the pipe's rules do not let this user look, its owner can still open it: the system
/// always lets the owner read the rules.
pub(in crate::pipe) fn take_place(name: &PipeName) -> io::Result<OwnedHandle> {
    let flags = OpenFlags::new(Direction::Inbound);
    let flags = OpenFlags { access: FILE_READ_ATTRIBUTES | SYNCHRONIZE, ..flags };
    match open_unchecked(name.as_str(), flags) {
        Err(e) if Code::of(&e) == Code::AccessDenied => open_as_owner(name),
        opened => opened,
    }
}

/// Opens the client end as the pipe's owner. `CreateFileW` cannot do this: it always asks for the
/// rights that are denied.
fn open_as_owner(name: &PipeName) -> io::Result<OwnedHandle> {
    let mut path = NtPath::new(name);
    let attributes = path.attributes()?;
    let mut handle = ptr::null_mut();
    let mut status_block = IO_STATUS_BLOCK::default();
    // SAFETY: what `attributes` points to outlives the call, and so do the results.
    let status = unsafe {
        NtOpenFile(
            &mut handle,
            READ_CONTROL,
            &attributes,
            &mut status_block,
            FILE_SHARE_READ | FILE_SHARE_WRITE,
            0,
        )
    };
    own(status, handle)
}

fn own(status: NTSTATUS, handle: HANDLE) -> io::Result<OwnedHandle> {
    check(status)?;
    // SAFETY: the call that returned the handle succeeded and gave it to nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// A local pipe's path in the form that the calls of `ntdll` take.
struct NtPath {
    units: Vec<u16>,
    string: UNICODE_STRING,
}

impl NtPath {
    fn new(name: &PipeName) -> Self {
        let name = name.as_str().strip_prefix(LOCAL_PREFIX).unwrap_or_default();
        let units = r"\??\pipe\".encode_utf16().chain(name.encode_utf16()).collect();
        Self { units, string: UNICODE_STRING::default() }
    }

    /// Returns the attributes that name the pipe. They point into the path.
    fn attributes(&mut self) -> io::Result<OBJECT_ATTRIBUTES> {
        const OBJ_CASE_INSENSITIVE: u32 = 0x40;
        #[expect(clippy::cast_possible_truncation, reason = "the structure has 48 bytes")]
        const LEN: u32 = size_of::<OBJECT_ATTRIBUTES>() as u32;
        let Ok(bytes) = u16::try_from(2 * self.units.len()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let buffer = self.units.as_mut_ptr();
        self.string = UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: buffer };
        Ok(OBJECT_ATTRIBUTES {
            Length: LEN,
            ObjectName: &mut self.string,
            Attributes: OBJ_CASE_INSENSITIVE,
            ..OBJECT_ATTRIBUTES::default()
        })
    }
}
