//! Clients of low integrity, as a sandbox's are: this thread becomes one for the time of a call.
#![allow(unsafe_code)]

use std::ptr;

use npipes::{Listener, ListenerOptions, security::Access};
use windows_sys::Win32::{
    Foundation::ERROR_ACCESS_DENIED,
    Security::TOKEN_QUERY,
    System::Threading::{GetCurrentThread, OpenThreadToken},
};

use crate::{low_integrity::open_at_low_integrity, rules, support::unique_name};

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
    if rules::INTEGRITY.skips("a_sandbox_cannot_connect_unless_it_is_allowed") {
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
