//! Names that products write by hand: one for each user, for each session, for nobody else.

use std::io;

use super::{peer::Peer, sys};
use crate::{
    error::{Error, Operation},
    name::{LOCAL_PREFIX, PipeName},
};

impl PipeName {
    /// Returns the name `NAME-SID` of this process's user, such as `agent-S-1-5-21-1-2-3-1001`: what
    /// each user has one of.
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
    /// assert!(name.as_str().starts_with(r"\\.\pipe\agent-S-1-5-"));
    /// # Ok::<(), npipes::Error>(())
    /// ```
    pub fn per_user(name: &str) -> Result<Self, Error> {
        let user = Self::of_this_process(name)?.user;
        Ok(Self::new(&format!("{name}-{user}"))?)
    }

    /// Returns the name `NAME-N` of this process's terminal services session, such as `tray-1`: what
    /// each desktop has one of. Services are in session 0.
    ///
    /// Anybody can create such a name: see [`per_user`](Self::per_user).
    ///
    /// # Errors
    ///
    /// As [`per_user`](Self::per_user).
    pub fn per_session(name: &str) -> Result<Self, Error> {
        let session = Self::of_this_process(name)?.session;
        Ok(Self::new(&format!("{name}-{session}"))?)
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
        let random = sys::random().map_err(|e| Self::failed(name, e))?;
        Ok(Self::new(&format!("{name}-{random:032x}"))?)
    }

    /// Returns the names of the pipes that exist on this machine, in no order.
    ///
    /// A name is there as long as a server's handle is, whether it lets anybody in or not. Those that
    /// Windows cannot open as a path, such as one with a `/`, are left out. Looking for one's server
    /// here says less than connecting does, which takes a single call.
    ///
    /// # Errors
    ///
    /// What the operating system says; Wine cannot list pipes.
    pub fn list() -> io::Result<Vec<Self>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(LOCAL_PREFIX)? {
            let name = entry?.file_name();
            if let Some(name) = name.to_str().and_then(Self::listed) {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Returns the name that stands so in the list of pipes; `None` if its path means another one.
    fn listed(name: &str) -> Option<Self> {
        Self::new(&format!("{}{name}", LOCAL_PREFIX)).ok()
    }

    fn of_this_process(name: &str) -> Result<Peer, Error> {
        Peer::this_process().map_err(|e| Self::failed(name, e))
    }

    fn failed(name: &str, source: io::Error) -> Error {
        match Self::new(name) {
            Ok(name) => Error::io(Operation::Identify, Some(&name), source),
            Err(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_the_list_is_the_pipe_and_no_other() {
        for name in ["orders", r"ProtectedPrefix\LocalService\x", r"pipe\x", "Winsock2-0"] {
            let listed = PipeName::listed(name).unwrap();
            assert_eq!(listed.as_str(), format!(r"\\.\pipe\{name}"));
        }
        for name in ["a/b", "a.", "a ", r"..\x", r"a\\b", ""] {
            assert_eq!(PipeName::listed(name), None, "{name}");
        }
    }
}
