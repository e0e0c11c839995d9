//! What the system tells about names: the user or session of a name, and the names that exist.

use std::io;

use super::peer::Peer;
pub(in crate::pipe) use super::sys::random;
use crate::{
    error::Error,
    name::{LOCAL_PREFIX, PipeName},
    sid::Sid,
};

/// Returns this process's user, in the form that a name contains.
pub(in crate::pipe) fn user() -> io::Result<Sid> {
    Ok(Peer::this_process()?.user)
}

/// Returns the names of the pipes that exist, in no particular order.
pub(in crate::pipe) fn list() -> io::Result<Vec<PipeName>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(LOCAL_PREFIX)? {
        let name = entry?.file_name();
        if let Some(name) = name.to_str().and_then(listed) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Returns the name for this entry of the list of pipes; `None` if its path means another pipe.
fn listed(name: &str) -> Option<PipeName> {
    PipeName::new(&format!("{LOCAL_PREFIX}{name}")).ok()
}

#[cfg_attr(docsrs, doc(cfg(windows)))]
impl PipeName {
    /// On Windows: returns the name `NAME-N` of this process's terminal services session, such as
    /// `tray-1`. Each desktop has one such name. Services are in session 0.
    ///
    /// Anybody can create such a name: see [`per_user`](Self::per_user).
    ///
    /// # Errors
    ///
    /// As [`per_user`](Self::per_user).
    pub fn per_session(name: &str) -> Result<Self, Error> {
        let this = Peer::this_process().map_err(|e| Self::failed(name, e))?;
        Ok(Self::new(&format!("{name}-{}", this.session))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_the_list_is_the_pipe_and_no_other() {
        for name in ["orders", r"ProtectedPrefix\LocalService\x", r"pipe\x", "Winsock2-0"] {
            let listed = listed(name).unwrap();
            assert_eq!(listed.as_str(), format!(r"\\.\pipe\{name}"));
        }
        for name in ["a/b", "a.", "a ", r"..\x", r"a\\b", ""] {
            assert_eq!(listed(name), None, "{name}");
        }
    }
}
