//! Clients of low integrity, as a sandbox's are: this thread becomes one for the time of a call.
#![allow(unsafe_code)]

use std::ptr;

use npipes::{
    Listener, ListenerOptions, connect,
    security::{Access, SecurityDescriptor},
};
use windows_sys::Win32::{
    Foundation::ERROR_ACCESS_DENIED,
    Security::TOKEN_QUERY,
    System::Threading::{GetCurrentThread, OpenThreadToken},
};

use crate::{
    low_integrity::open_at_low_integrity,
    rules,
    support::{unique_name, within},
};

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

#[tokio::test]
async fn a_package_s_app_containers_are_let_in_by_its_family_name() {
    if rules::APP_CONTAINERS.skips("a_package_s_app_containers_are_let_in_by_its_family_name") {
        return;
    }
    let access = Access::package_family("Microsoft.MicrosoftEdge_8wekyb3d8bbwe").unwrap();
    let name = unique_name();
    let mut listener = ListenerOptions::new().access(access).bind(&name).unwrap();
    let _client = within(connect(&name)).await.unwrap();
    let server = within(listener.accept()).await.unwrap();
    let text = SecurityDescriptor::of(server.get_ref()).unwrap().to_string();
    assert!(text.contains(&format!("(A;;0x12019b;;;{EDGE})")), "{text}");
}

/// The container of the package Microsoft.MicrosoftEdge_8wekyb3d8bbwe: the first 28 bytes of the SHA-256
/// of its name in lower case, in UTF-16.
const EDGE: &str =
    "S-1-15-2-3624051433-2125758914-1423191267-1740899205-1073925389-3782572162-737981194";

#[test]
fn a_package_has_a_rule_or_the_system_has_no_app_containers() {
    if let Err(e) = Access::package_family("Contoso.Deluxe_yda3mdg2t4ngp") {
        assert_eq!(e.kind(), std::io::ErrorKind::Unsupported);
    }
}
