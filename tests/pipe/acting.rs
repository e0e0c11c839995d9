//! A server that acts as its client, and has its token.
#![allow(unsafe_code)]

use std::{
    fs::OpenOptions,
    io,
    os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

use npipes::{
    ConnectOptions, Connection, Error, Listener, PipeStream, connect, security::ImpersonationLevel,
};
use windows_sys::Win32::{
    Foundation::ERROR_BAD_IMPERSONATION_LEVEL,
    Security::{
        DuplicateToken, GetTokenInformation, SecurityIdentification, SecurityImpersonation,
        TOKEN_QUERY, TokenImpersonationLevel,
    },
    System::Threading::{GetCurrentThread, OpenThreadToken},
};

use crate::{
    rules,
    support::{unique_name, within},
};

async fn pair(level: ImpersonationLevel) -> (Connection<PipeStream>, Connection<PipeStream>) {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let options = ConnectOptions::new().impersonation(level);
    let client = within(options.connect(&name)).await.unwrap();
    (within(listener.accept()).await.unwrap(), client)
}

/// Returns the level of the token that this thread acts with, if it acts with one.
fn acting_at() -> Option<i32> {
    // SAFETY: it takes nothing and returns a pseudo handle that need not be closed.
    let thread = unsafe { GetCurrentThread() };
    let mut token = ptr::null_mut();
    // SAFETY: the pseudo handle is always valid.
    let ok = unsafe { OpenThreadToken(thread, TOKEN_QUERY, 1, &mut token) };
    // SAFETY: where the call succeeded it gave the handle to nobody else.
    (ok != 0).then(|| level(unsafe { OwnedHandle::from_raw_handle(token) }.as_handle()))
}

fn level(token: BorrowedHandle<'_>) -> i32 {
    let (mut level, mut len) = (0_i32, 0);
    // SAFETY: the handle is open, and the result has the size given.
    let ok = unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            TokenImpersonationLevel,
            ptr::from_mut(&mut level).cast(),
            4,
            &mut len,
        )
    };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    level
}

#[tokio::test]
async fn the_thread_acts_as_the_client_during_the_call_and_not_after_it() {
    let (server, _client) = pair(ImpersonationLevel::FullImpersonation).await;
    assert_eq!(server.as_client(acting_at).unwrap(), Some(SecurityImpersonation));
    assert_eq!(acting_at(), None);
}

#[tokio::test]
async fn a_panic_ends_the_acting_too() {
    let (server, _client) = pair(ImpersonationLevel::FullImpersonation).await;
    let panicking = || server.as_client(|| assert!(acting_at().is_none(), "as planned"));
    catch_unwind(AssertUnwindSafe(panicking)).unwrap_err();
    assert_eq!(acting_at(), None);
}

#[tokio::test]
async fn the_inner_of_two_calls_ends_with_the_thread_as_the_outer_ones_client() {
    let (outer, _client) = pair(ImpersonationLevel::FullImpersonation).await;
    let (inner, _other) = pair(ImpersonationLevel::Identification).await;
    let levels = outer.as_client(|| (inner.as_client(acting_at).unwrap(), acting_at())).unwrap();
    assert!(levels.0.is_some());
    assert_eq!(levels.1, Some(SecurityImpersonation));
    assert_eq!(acting_at(), None);
}

#[tokio::test]
async fn a_client_that_lends_nothing_lets_nothing_be_opened_in_its_name() {
    if rules::IMPERSONATION_LEVEL
        .skips("a_client_that_lends_nothing_lets_nothing_be_opened_in_its_name")
    {
        return;
    }
    let name = unique_name();
    let _listener = Listener::bind(&name).unwrap();
    let open = || OpenOptions::new().read(true).write(true).open(format!(r"\\.\pipe\{name}"));
    let (server, _client) = pair(ImpersonationLevel::Identification).await;
    assert_eq!(server.as_client(acting_at).unwrap(), Some(SecurityIdentification));
    let error = server.as_client(open).unwrap().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(ERROR_BAD_IMPERSONATION_LEVEL as i32));
    let (server, _client) = pair(ImpersonationLevel::FullImpersonation).await;
    server.as_client(open).unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_cannot_be_identified_is_not_acted_as() {
    if rules::IMPERSONATION_LEVEL.skips("a_client_that_cannot_be_identified_is_not_acted_as") {
        return;
    }
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    // It states no level, so it shows who it is with what it writes, and has written nothing.
    let _client =
        OpenOptions::new().read(true).write(true).open(format!(r"\\.\pipe\{name}")).unwrap();
    let server = within(listener.accept()).await.unwrap();
    let error = server.as_client(|| panic!("it must not be called")).unwrap_err();
    let Error::Io { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.raw_os_error(), Some(1368), "{error}");
    server.client_token().unwrap_err();
}

#[tokio::test]
async fn the_clients_token_can_be_asked_and_copied_and_outlives_the_connection() {
    let (server, client) = pair(ImpersonationLevel::FullImpersonation).await;
    let token = server.client_token().unwrap();
    assert_eq!(acting_at(), None);
    drop((server, client));
    assert_eq!(level(token.as_handle()), SecurityImpersonation);
    let mut copy = ptr::null_mut();
    // SAFETY: the token is open, and the result outlives the call.
    let ok = unsafe { DuplicateToken(token.as_raw_handle(), SecurityIdentification, &mut copy) };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    // SAFETY: the call succeeded and gave the handle to nobody else.
    let copy = unsafe { OwnedHandle::from_raw_handle(copy) };
    assert_eq!(level(copy.as_handle()), SecurityIdentification);
}

#[tokio::test]
async fn a_client_cannot_act_as_its_server() {
    let name = unique_name();
    let _listener = Listener::bind(&name).unwrap();
    let client = within(connect(&name)).await.unwrap();
    client.as_client(|| panic!("it must not be called")).unwrap_err();
    let error = client.client_token().unwrap_err();
    assert!(error.to_string().starts_with(r"identifying the peer of \\.\pipe\"), "{error}");
}
