//! Acting as the client of a pipe: its token, and what is done in its name.

use std::os::windows::io::{AsHandle, OwnedHandle};

use super::PipeStream;
use crate::{
    connection::Connection,
    error::{Error, Operation},
    pipe::windows::sys::{ActingAsClient, token::Token},
};

impl PipeStream {
    /// Returns the token that the client has shown; on the server's end only. It can be queried,
    /// duplicated and acted with (`TOKEN_QUERY | TOKEN_DUPLICATE | TOKEN_IMPERSONATE`).
    ///
    /// It is of the level that the client lends,
    /// [`ImpersonationLevel`](crate::security::ImpersonationLevel): with `Identification`, the
    /// default of this crate's clients, it answers who the client is and what it may do
    /// (`AccessCheck`), and nothing can be done with it. It is a copy of that moment, and outlives
    /// the connection. The calling thread acts as the client for the time of two system calls, as
    /// [`peer`](Self::peer) has it.
    ///
    /// # Errors
    ///
    /// As [`peer`](Self::peer).
    pub fn client_token(&self) -> Result<OwnedHandle, Error> {
        self.only_server()?;
        Token::of_client_to_act_with(self.as_handle())
            .map_err(|e| Error::io(Operation::Identify, self.name(), e))
    }

    /// Calls `act` while the calling thread acts as the client, and returns what it returns; on the
    /// server's end only.
    ///
    /// What the thread opens meanwhile is opened with the client's rights, if the client lends them:
    /// it has connected with
    /// [`ImpersonationLevel::FullImpersonation`](crate::security::ImpersonationLevel), and this
    /// process has the privilege to impersonate (`SeImpersonatePrivilege`, which services have) or
    /// is the client's user. Else the thread acts at the level of identification, and opening
    /// anything fails with `ERROR_BAD_IMPERSONATION_LEVEL` (1346).
    ///
    /// When `act` returns or panics, the thread acts again as it did before. Should the operating
    /// system refuse that, the process ends: whatever ran next would run as the client. So it may
    /// be nested, and the inner call ends with the thread as the outer one's client.
    ///
    /// `act` is no place to wait: what another task does on this thread would be done as the client,
    /// so it must not run a runtime (`block_on`). It cannot await. A thread that it starts acts as
    /// the process. A handle that it opens keeps the client's rights.
    ///
    /// # Errors
    ///
    /// As [`peer`](Self::peer), and what `OpenThreadToken` says if the thread acts as somebody whose
    /// token this process may not open. `act` is not called then.
    ///
    /// # Panics
    ///
    /// When `act` does.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    /// use npipes::Listener;
    ///
    /// let mut listener = Listener::bind("orders")?;
    /// let mut connection = listener.accept().await?;
    /// let path = connection.receive_text().await?.unwrap_or_default();
    /// // What the client may not read, it does not get.
    /// let file = connection.as_client(|| std::fs::File::open(&path))??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn as_client<R>(&self, act: impl FnOnce() -> R) -> Result<R, Error> {
        self.only_server()?;
        let _acting = ActingAsClient::begin(self.as_handle())
            .map_err(|e| Error::io(Operation::Identify, self.name(), e))?;
        Ok(act())
    }
}

impl Connection<PipeStream> {
    /// Returns the token that the client has shown; on the server's end only:
    /// [`PipeStream::client_token`].
    ///
    /// # Errors
    ///
    /// As [`PipeStream::peer`].
    pub fn client_token(&self) -> Result<OwnedHandle, Error> {
        self.get_ref().client_token()
    }

    /// Calls `act` while the calling thread acts as the client; on the server's end only:
    /// [`PipeStream::as_client`].
    ///
    /// # Errors
    ///
    /// As [`PipeStream::peer`], and then `act` is not called.
    ///
    /// # Panics
    ///
    /// When `act` does.
    pub fn as_client<R>(&self, act: impl FnOnce() -> R) -> Result<R, Error> {
        self.get_ref().as_client(act)
    }
}
