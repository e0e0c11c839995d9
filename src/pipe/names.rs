//! Names that programs often build by hand: one for each user, one for each session, a random one.

use std::io;

use super::imp;
use crate::{
    error::{Error, Operation},
    name::PipeName,
};

impl PipeName {
    /// Returns the name `NAME-USER` of this process's user, such as `agent-S-1-5-21-1-2-3-1001` or
    /// on Unix `agent-1001`. Each user has one such name.
    ///
    /// The name keeps apart users who do nothing wrong. Any user can create it first, so a client
    /// still [judges the server](crate::ConnectOptions::server_trust), as it does by default.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if the name with its addition is no valid name, and [`Error::Io`] if
    /// the operating system does not tell the user.
    ///
    /// # Examples
    ///
    /// ```
    /// use npipes::PipeName;
    ///
    /// let name = PipeName::per_user("agent")?;
    /// # if cfg!(windows) {
    /// assert!(name.as_str().starts_with(r"\\.\pipe\agent-S-1-5-"));
    /// # }
    /// # Ok::<(), npipes::Error>(())
    /// ```
    pub fn per_user(name: &str) -> Result<Self, Error> {
        let user = imp::user().map_err(|e| Self::failed(name, e))?;
        Ok(Self::new(&format!("{name}-{user}"))?)
    }

    /// Returns the name `NAME-X`, where X is 128 random bits from the operating system, as 32
    /// hexadecimal digits. A process makes such a name for one other process and tells it the name,
    /// for example by an argument.
    ///
    /// Nobody can create the name before. The name is no secret: any process can list the names
    /// that exist.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if the name with its addition is no valid name, and [`Error::Io`] if
    /// the operating system has no random numbers.
    pub fn random(name: &str) -> Result<Self, Error> {
        let random = imp::random().map_err(|e| Self::failed(name, e))?;
        Ok(Self::new(&format!("{name}-{random:032x}"))?)
    }

    /// Returns the names of the pipes that exist on this machine, in no particular order.
    ///
    /// On Windows a name exists as long as a server's handle does, also if the server lets nobody
    /// in. Names that Windows cannot open as a path, such as one with a `/`, are left out. On Unix
    /// the list has the sockets in the folder of names, also those that a server has left behind.
    /// It has no sockets at a path of their own. To find out whether a server is there, connect to
    /// it: that is a single call and tells more than this list.
    ///
    /// # Errors
    ///
    /// The error of the operating system. Wine cannot list pipes.
    pub fn list() -> io::Result<Vec<Self>> {
        imp::list()
    }

    pub(super) fn failed(name: &str, source: io::Error) -> Error {
        match Self::new(name) {
            Ok(name) => Error::io(Operation::Identify, Some(&name), source),
            Err(error) => error.into(),
        }
    }
}
