//! Acting as the client of a pipe: its token, and actions in its name.

use std::os::windows::io::{AsHandle, OwnedHandle};

use super::PipeStream;
use crate::{
    connection::Connection,
    error::{Error, Operation},
    pipe::windows::sys::{ActingAsClient, token::Token},
};

impl PipeStream {
    /// Returns the token that the client has shown; on the server's end only. The token can be
    /// queried, duplicated and used for acting: it has the rights `TOKEN_QUERY`, `TOKEN_DUPLICATE`
    /// and `TOKEN_IMPERSONATE`.
    ///
    /// The client chooses the level of the token,
    /// [`ImpersonationLevel`](crate::security::ImpersonationLevel). `Identification` is the default
    /// of this crate's clients: such a token tells who the client is and what it may do
    /// (`AccessCheck`), and cannot be used for anything else. The token is a copy of that moment,
    /// and outlives the connection. The calling thread acts as the client for the time of two
    /// system calls, as in [`peer`](Self::peer).
    ///
    /// # Errors
    ///
    /// As [`peer`](Self::peer).
    pub fn client_token(&self) -> Result<OwnedHandle, Error> {
        self.only_server()?;
        Token::of_client_to_act_with(self.as_handle())
            .map_err(|e| Error::io(Operation::Identify, self.name(), e))
    }

    /// Calls `act` while the calling thread acts as the client, and returns the result of `act`; on
    /// the server's end only.
    ///
    /// The thread opens objects with the client's rights meanwhile, under two conditions: the
    /// client has connected with
    /// [`ImpersonationLevel::FullImpersonation`](crate::security::ImpersonationLevel), and this
    /// process has the privilege to impersonate (`SeImpersonatePrivilege`, which services have) or
    /// runs as the client's user. Otherwise the thread acts at the level of identification, and
    /// opening anything fails with `ERROR_BAD_IMPERSONATION_LEVEL` (1346).
    ///
    /// When `act` returns or panics, the thread acts again as it did before. If the operating
    /// system refuses that, the process ends: otherwise later code would run as the client. So
    /// calls may be nested: after the inner call the thread acts as the client of the outer call.
    ///
    /// `act` should not wait. It must not run a runtime (`block_on`): another task on this thread
    /// would act as the client. It cannot await. A thread that `act` starts acts as the process. A
    /// handle that `act` opens keeps the client's rights.
    ///
    /// # Errors
    ///
    /// As [`peer`](Self::peer), and the error of `OpenThreadToken` if the thread already acts as a
    /// user whose token this process may not open. `act` is not called then.
    ///
    /// # Panics
    ///
    /// If `act` panics.
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
    /// // The client gets only a file that it may read.
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
    /// As [`PipeStream::peer`]. `act` is not called then.
    ///
    /// # Panics
    ///
    /// If `act` panics.
    pub fn as_client<R>(&self, act: impl FnOnce() -> R) -> Result<R, Error> {
        self.get_ref().as_client(act)
    }
}
