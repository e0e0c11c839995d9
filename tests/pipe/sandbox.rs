//! Clients of low integrity, as a sandbox's are: this thread becomes one for the time of a call.
#![allow(unsafe_code)]

use std::{
    fs::{File, OpenOptions},
    io,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
    ptr,
};

use npipes::{Access, Listener, ListenerOptions, Sid};
use windows_sys::Win32::{
    Foundation::{ERROR_ACCESS_DENIED, HANDLE},
    Security::{
        DuplicateTokenEx, RevertToSelf, SID_AND_ATTRIBUTES, SecurityImpersonation,
        SetTokenInformation, TOKEN_ADJUST_DEFAULT, TOKEN_DUPLICATE, TOKEN_IMPERSONATE,
        TOKEN_MANDATORY_LABEL, TOKEN_QUERY, TokenImpersonation, TokenIntegrityLevel,
    },
    System::{
        SystemServices::SE_GROUP_INTEGRITY,
        Threading::{
            GetCurrentProcess, GetCurrentThread, OpenProcessToken, OpenThreadToken, SetThreadToken,
        },
    },
};

use crate::{support::unique_name, wine};

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
    let low: Sid = "S-1-16-4096".parse().unwrap();
    // Aligned as the structure is.
    let mut low: Vec<u32> =
        low.to_bytes().chunks_exact(4).map(|b| u32::from_ne_bytes(b.try_into().unwrap())).collect();
    let label = TOKEN_MANDATORY_LABEL {
        Label: SID_AND_ATTRIBUTES {
            Sid: low.as_mut_ptr().cast(),
            Attributes: SE_GROUP_INTEGRITY as u32,
        },
    };
    let size = size_of_val(&label) as u32;
    // SAFETY: the token is open, the label and the SID that it points to outlive the call.
    let ok = unsafe {
        SetTokenInformation(
            copy.as_raw_handle(),
            TokenIntegrityLevel,
            ptr::from_ref(&label).cast(),
            size,
        )
    };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    copy
}

/// Opens the pipe as a process of low integrity would.
fn open_at_low_integrity(name: &str) -> io::Result<File> {
    let token = lowered_token();
    // SAFETY: no thread means this one, and the token is open.
    let ok = unsafe { SetThreadToken(ptr::null(), token.as_raw_handle()) };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    let opened = OpenOptions::new().read(true).write(true).open(format!(r"\\.\pipe\{name}"));
    // SAFETY: it takes nothing.
    assert_ne!(unsafe { RevertToSelf() }, 0);
    opened
}

#[tokio::test]
async fn a_sandbox_can_connect_where_it_is_allowed() {
    for access in [
        Access::current_user_and_system().allow_low_integrity(),
        Access::current_user_only().allow_app_containers(),
    ] {
        let name = unique_name();
        let _listener = ListenerOptions::new().access(access).bind(&name).unwrap();
        open_at_low_integrity(&name).unwrap();
    }
}

#[tokio::test]
async fn a_sandbox_cannot_connect_unless_it_is_allowed() {
    let test = "a_sandbox_cannot_connect_unless_it_is_allowed";
    if wine::skips(test, "Wine does not enforce integrity levels") {
        return;
    }
    let name = unique_name();
    let _listener = Listener::bind(&name).unwrap();
    let error = open_at_low_integrity(&name).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(ERROR_ACCESS_DENIED as i32));
}

#[tokio::test]
async fn the_thread_is_itself_again_after_that() {
    let name = unique_name();
    let _listener = Listener::bind(&name).unwrap();
    let _ = open_at_low_integrity(&name);
    let mut token = ptr::null_mut();
    // SAFETY: it takes nothing and returns a pseudo handle that need not be closed.
    let thread = unsafe { GetCurrentThread() };
    // SAFETY: the pseudo handle is always valid.
    let acts = unsafe { OpenThreadToken(thread, TOKEN_QUERY, 1, &mut token) };
    assert_eq!(acts, 0);
}
