//! Names that products write by hand: one for each user, for each session, for nobody else.

use std::io;

use super::imp;
use crate::{
    error::{Error, Operation},
    name::PipeName,
};

impl PipeName {
    /// Returns the name `NAME-USER` of this process's user, such as `agent-S-1-5-21-1-2-3-1001` or on
    /// Unix `agent-1001`: what each user has one of.
    ///
    /// It keeps users apart who do nothing wrong. Whoever comes first has a name, so a client still
    /// [judges the server](crate::ConnectOptions::server_trust), as it does by default.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if the name with its addition is none, and [`Error::Io`] if the
    /// operating system does not tell the user.
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

    /// Returns the name `NAME-X`, where X is 128 bits of the operating system's random numbers, as 32
    /// hexadecimal digits: what a process makes for one other, and tells it, as by an argument.
    ///
    /// Nobody can create it before. It is no secret: any process can list the names that exist.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if the name with its addition is none, and [`Error::Io`] if the
    /// operating system has no random numbers.
    pub fn random(name: &str) -> Result<Self, Error> {
        let random = imp::random().map_err(|e| Self::failed(name, e))?;
        Ok(Self::new(&format!("{name}-{random:032x}"))?)
    }

    /// Returns the names of the pipes that exist on this machine, in no order.
    ///
    /// On Windows a name is there as long as a server's handle is, whether it lets anybody in or not.
    /// Those that Windows cannot open as a path, such as one with a `/`, are left out. On Unix
    /// these are the sockets in the folder of names, also those that a server has left behind, and
    /// none that are at a path of their own. Looking for one's server here says less than
    /// connecting does, which takes a single call.
    ///
    /// # Errors
    ///
    /// What the operating system says; Wine cannot list pipes.
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
