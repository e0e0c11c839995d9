//! Makes a thread act as a pipe's client for a moment, to see who the client is or to do something
//! in its name.

use std::{
    io,
    os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle},
    process, ptr,
};

use windows_sys::Win32::{
    Foundation::ERROR_NO_TOKEN,
    Security::{TOKEN_IMPERSONATE, TOKEN_QUERY},
    System::{
        Pipes::ImpersonateNamedPipeClient,
        Threading::{GetCurrentThread, OpenThreadToken, SetThreadToken},
    },
};

/// Returns the token that this thread acts with, if that is not the token of its process.
pub(super) fn thread_token(access: u32) -> io::Result<Option<OwnedHandle>> {
    // SAFETY: it takes nothing and returns a pseudo handle that need not be closed.
    let thread = unsafe { GetCurrentThread() };
    let mut token = ptr::null_mut();
    // SAFETY: the pseudo handle is always valid. The process's own rights are used for opening: the
    // client's need not suffice.
    let ok = unsafe { OpenThreadToken(thread, access, 1, &mut token) };
    if ok == 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(code) if code == ERROR_NO_TOKEN as i32 => Ok(None),
            _ => Err(error),
        };
    }
    // SAFETY: `OpenThreadToken` succeeded and gave the handle to nobody else.
    Ok(Some(unsafe { OwnedHandle::from_raw_handle(token) }))
}

/// While this exists, this thread acts as the client of a pipe. After a drop, also a drop by a
/// panic, the thread acts again as it did before. Do not hold it across an `await`: another task
/// would run as the client.
pub(in crate::pipe) struct ActingAsClient {
    before: Option<OwnedHandle>,
    /// The state belongs to the thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl ActingAsClient {
    pub(in crate::pipe) fn begin(server: BorrowedHandle<'_>) -> io::Result<Self> {
        let before = thread_token(TOKEN_QUERY | TOKEN_IMPERSONATE)?;
        // SAFETY: the handle is open while it is borrowed.
        let ok = unsafe { ImpersonateNamedPipeClient(server.as_raw_handle()) };
        if ok == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { before, _not_send: std::marker::PhantomData })
    }
}

impl Drop for ActingAsClient {
    fn drop(&mut self) {
        let before = self.before.as_ref().map_or(ptr::null_mut(), AsRawHandle::as_raw_handle);
        // SAFETY: no thread means this one; a null token ends the impersonation, any other is open.
        let ok = unsafe { SetThreadToken(ptr::null(), before) };
        if ok == 0 {
            // `RevertToSelf` documents why: later code would run as the client.
            process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::windows::io::AsHandle, process::Command};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::windows::named_pipe::{
            ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions,
        },
    };
    use windows_sys::Win32::{
        Foundation::ERROR_CANT_OPEN_ANONYMOUS,
        Security::{ImpersonateSelf, RevertToSelf, SecurityAnonymous, SecurityIdentification},
    };

    use super::{super::token::Token, *};
    use crate::pipe::windows::start::started;

    fn is_acting() -> bool {
        thread_token(TOKEN_QUERY).unwrap().is_some()
    }

    /// Returns both ends of a pipe through which a byte has gone. Some clients show who they are
    /// with what they write.
    async fn pair(name: &str) -> (NamedPipeServer, NamedPipeClient) {
        let path = format!(r"\\.\pipe\npipes-unit-{}-{name}", process::id());
        let mut server = ServerOptions::new().create(&path).unwrap();
        let mut client = ClientOptions::new().open(&path).unwrap();
        server.connect().await.unwrap();
        client.write_all(b"!").await.unwrap();
        server.read_u8().await.unwrap();
        (server, client)
    }

    #[tokio::test]
    async fn the_thread_is_itself_again_when_the_client_is_known() {
        let (server, _client) = pair("client").await;
        let token = Token::of_client(server.as_handle()).unwrap();
        assert!(!is_acting());
        assert_eq!(token.user().unwrap(), Token::of_this_process().unwrap().user().unwrap());
    }

    #[tokio::test]
    async fn a_thread_that_acted_as_somebody_goes_on_doing_so() {
        let (server, _client) = pair("before").await;
        // SAFETY: it takes no pointers.
        assert_ne!(unsafe { ImpersonateSelf(SecurityIdentification) }, 0);
        let token = Token::of_client(server.as_handle());
        let acting = is_acting();
        // SAFETY: it takes nothing.
        assert_ne!(unsafe { RevertToSelf() }, 0);
        token.unwrap();
        assert!(acting);
        assert!(!is_acting());
    }

    #[tokio::test]
    async fn the_thread_is_itself_again_when_a_panic_ends_the_acting() {
        let (server, _client) = pair("panic").await;
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _acting = ActingAsClient::begin(server.as_handle()).unwrap();
            assert!(is_acting());
            panic!("as planned");
        }));
        assert!(caught.is_err());
        assert!(!is_acting());
    }

    #[test]
    fn a_thread_that_acts_as_nobody_shows_no_token() {
        // SAFETY: it takes no pointers.
        assert_ne!(unsafe { ImpersonateSelf(SecurityAnonymous) }, 0);
        let token = thread_token(TOKEN_QUERY);
        // SAFETY: it takes nothing.
        assert_ne!(unsafe { RevertToSelf() }, 0);
        assert_eq!(token.unwrap_err().raw_os_error(), Some(ERROR_CANT_OPEN_ANONYMOUS as i32));
    }

    #[test]
    fn a_process_that_could_not_stop_acting_as_the_client_ends() {
        const ACTING: &str = "NPIPES_ACTING_FOR_EVER";
        if std::env::var_os(ACTING).is_some() {
            let file = File::open(std::env::current_exe().unwrap()).unwrap();
            let before = Some(file.into());
            drop(ActingAsClient { before, _not_send: std::marker::PhantomData });
            // This must not be reached: the other process would then find that the test passed.
            return;
        }
        let module = module_path!().split_once("::").unwrap().1;
        let test = format!("{module}::a_process_that_could_not_stop_acting_as_the_client_ends");
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", &test]).env(ACTING, "1");
        let ended = started(|| child.output());
        let text = String::from_utf8_lossy(&ended.stdout);
        assert!(!ended.status.success() && text.contains("running 1 test"), "{ended:?}");
        assert!(!text.contains("test result"), "{text}");
    }
}
