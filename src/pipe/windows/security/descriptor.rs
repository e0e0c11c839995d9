//! A security descriptor as a value, and the error for a text that describes none.

use std::{fmt, io, os::windows::io::AsHandle, str::FromStr, sync::Arc};

use super::sddl::first_refused;
use crate::{
    error::Error,
    pipe::windows::{peer::Peer, sys::security::Descriptor},
    sid::Sid,
};

/// A security descriptor: the full language of Windows, where [`Access`](crate::security::Access)
/// does not suffice. Cloning costs a reference count.
///
/// # Examples
///
/// ```
/// use npipes::{Error, security::SecurityDescriptor};
///
/// let descriptor: SecurityDescriptor = "D:P(A;;FA;;;SY)(A;;0x12019b;;;BU)".parse()?;
/// let error = "D:P(A;;FA;;;SY)(A;;oops;;;BU)".parse::<SecurityDescriptor>().unwrap_err();
/// assert!(matches!(error, Error::InvalidSecurityDescriptor { position: Some(15), .. }));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct SecurityDescriptor(Arc<Descriptor>);

impl SecurityDescriptor {
    pub(super) fn new(descriptor: Descriptor) -> Self {
        Self(Arc::new(descriptor))
    }

    /// Returns the owner, access rules and integrity label of an open pipe, from either end.
    ///
    /// # Errors
    ///
    /// The error of `GetSecurityInfo`: `ERROR_ACCESS_DENIED` if the handle was opened without
    /// `READ_CONTROL`. Every pipe of this crate has that right.
    pub fn of(pipe: &impl AsHandle) -> io::Result<Self> {
        Descriptor::of(pipe.as_handle()).map(Self::new)
    }

    /// Returns the owner: on Windows there always is one.
    ///
    /// # Errors
    ///
    /// The error of `GetSecurityDescriptorOwner`.
    pub fn owner(&self) -> io::Result<Option<Sid>> {
        self.0.owner()
    }

    pub(in crate::pipe) fn as_descriptor(&self) -> &Descriptor {
        &self.0
    }
}

impl FromStr for SecurityDescriptor {
    type Err = Error;

    /// Returns the descriptor that `text` describes, in the security descriptor definition language.
    ///
    /// If the text names no owner, the owner is this process's user, because clients check for that
    /// user. By default the operating system would make the group of administrators the owner of an
    /// elevated process's pipe.
    ///
    /// Rules for other users than the server's own should grant `0x12019b` and not `GA`, `GW` or
    /// `FW`, which let others create instances of the pipe and be the server. The server's own user
    /// needs all rights (`FA`); otherwise no second instance can be created.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSecurityDescriptor`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let accepted = |part: &str| Descriptor::from_sddl(part).is_ok();
        owned(text).map(Self::new).map_err(|source| Error::InvalidSecurityDescriptor {
            text: text.to_owned(),
            position: first_refused(text, accepted),
            source,
        })
    }
}

/// Writes the owner, access rules and integrity label in the definition language.
impl fmt::Display for SecurityDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_sddl().map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for SecurityDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

fn owned(text: &str) -> io::Result<Descriptor> {
    let descriptor = Descriptor::from_sddl(text)?;
    match descriptor.owner()? {
        Some(_) => Ok(descriptor),
        None => Descriptor::from_sddl(&format!("O:{}{text}", Peer::this_process()?.user)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_said_to_be_the_owner_is_this_processs_user() {
        let descriptor: SecurityDescriptor = "D:P(A;;FA;;;SY)".parse().unwrap();
        assert_eq!(descriptor.owner().unwrap(), Some(Peer::this_process().unwrap().user));
        let descriptor: SecurityDescriptor = "O:SYD:P(A;;FA;;;SY)".parse().unwrap();
        assert_eq!(descriptor.owner().unwrap(), Some(Sid::SYSTEM));
    }

    #[track_caller]
    fn is_refused_at(text: &str, position: Option<usize>) {
        match text.parse::<SecurityDescriptor>() {
            Err(Error::InvalidSecurityDescriptor { text: given, position: at, source }) => {
                assert_eq!((given.as_str(), at), (text, position), "{source}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_wrong_rule_is_pointed_at() {
        is_refused_at("D:P(A;;FA;;;SY)(A;;oops;;;BU)", Some(15));
        is_refused_at("D:(A;;FA;;;SY)(Q;;FA;;;BU)(A;;nor this;;;BU)", Some(14));
        is_refused_at("O:SYD:(A;;FA;;;SY)(A;;FA;;;S-1-x)", Some(18));
        is_refused_at("O:SYG:SYD:(A;;FA;;;SY", Some(10));
    }

    #[test]
    fn a_wrong_owner_or_group_is_pointed_at() {
        is_refused_at("O:xxD:P(A;;FA;;;SY)", Some(0));
        is_refused_at("O:SYG:xxD:P(A;;FA;;;SY)", Some(4));
    }

    #[test]
    fn what_is_not_the_language_at_all_is_refused_from_the_start() {
        is_refused_at("everybody", Some(0));
        is_refused_at("rw-rw-rw- D:(A;;FA;;;SY)", Some(0));
    }

    #[test]
    fn a_nul_does_not_hide_what_follows_it() {
        is_refused_at("D:(A;;FA;;;SY)\0(A;;FA;;;WD)", Some(14));
    }

    #[test]
    fn the_error_quotes_the_text_and_the_place() {
        let error = "D:P(A;;FA;;;SY)(A;;oops;;;BU)".parse::<SecurityDescriptor>().unwrap_err();
        let says = r#"invalid security descriptor "D:P(A;;FA;;;SY)(A;;oops;;;BU)", refused from byte 15 on, at "(A;;oops;;;BU)": "#;
        assert!(error.to_string().starts_with(says), "{error}");
    }
}
