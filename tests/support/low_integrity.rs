//! A thread that is for the time of one call what a sandbox's process is.
#![allow(unsafe_code)]

use std::{
    fs::{File, OpenOptions},
    io,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
    ptr,
};

use windows_sys::Win32::{
    Foundation::HANDLE,
    Security::{
        DuplicateTokenEx, RevertToSelf, SID_AND_ATTRIBUTES, SecurityImpersonation,
        SetTokenInformation, TOKEN_ADJUST_DEFAULT, TOKEN_DUPLICATE, TOKEN_IMPERSONATE,
        TOKEN_MANDATORY_LABEL, TOKEN_QUERY, TokenImpersonation, TokenIntegrityLevel,
    },
    System::{
        SystemServices::{SE_GROUP_INTEGRITY, SECURITY_MANDATORY_LOW_RID},
        Threading::{GetCurrentProcess, OpenProcessToken, SetThreadToken},
    },
};

/// Opens the pipe as a process of low integrity would.
pub(crate) fn open_at_low_integrity(name: &str) -> io::Result<File> {
    let token = lowered_token();
    // SAFETY: no thread means this one, and the token is open.
    let ok = unsafe { SetThreadToken(ptr::null(), token.as_raw_handle()) };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    let opened = OpenOptions::new().read(true).write(true).open(format!(r"\\.\pipe\{name}"));
    // SAFETY: it takes nothing.
    assert_ne!(unsafe { RevertToSelf() }, 0);
    opened
}

/// Returns what a call gave that says whether it succeeded.
#[track_caller]
fn given(ok: i32, handle: HANDLE) -> OwnedHandle {
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    // SAFETY: the call succeeded and gave the handle to nobody else.
    unsafe { OwnedHandle::from_raw_handle(handle) }
}

/// Returns this process's token, lowered, for a thread to act with.
fn lowered_token() -> OwnedHandle {
    let mut token = ptr::null_mut();
    // SAFETY: it takes nothing and returns a pseudo handle that need not be closed.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the pseudo handle is always valid.
    let ok = unsafe { OpenProcessToken(process, TOKEN_DUPLICATE | TOKEN_QUERY, &mut token) };
    let own = given(ok, token);
    let mut copy = ptr::null_mut();
    // SAFETY: the token is open; attributes are optional.
    let ok = unsafe {
        DuplicateTokenEx(
            own.as_raw_handle(),
            TOKEN_ADJUST_DEFAULT | TOKEN_IMPERSONATE | TOKEN_QUERY,
            ptr::null(),
            SecurityImpersonation,
            TokenImpersonation,
            &mut copy,
        )
    };
    let copy = given(ok, copy);
    // S-1-16-4096: revision 1, one number, authority 16; aligned as a SID is.
    let mut low = [
        u32::from_ne_bytes([1, 1, 0, 0]),
        u32::from_ne_bytes([0, 0, 0, 16]),
        SECURITY_MANDATORY_LOW_RID as u32,
    ];
    let label = TOKEN_MANDATORY_LABEL {
        Label: SID_AND_ATTRIBUTES {
            Sid: low.as_mut_ptr().cast(),
            Attributes: SE_GROUP_INTEGRITY as u32,
        },
    };
    // SAFETY: the token is open, the label and the SID that it points to outlive the call.
    let ok = unsafe {
        SetTokenInformation(
            copy.as_raw_handle(),
            TokenIntegrityLevel,
            ptr::from_ref(&label).cast(),
            size_of_val(&label) as u32,
        )
    };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    copy
}
