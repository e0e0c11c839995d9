//! Who may open a pipe: rules as a value, and the security descriptor that they become.

mod sddl;

use std::{fmt, io, os::windows::io::AsHandle, str::FromStr, sync::Arc};

use self::sddl::first_refused;
use super::{peer::Peer, sys::security::Descriptor};
use crate::{error::Error, sid::Sid};

/// What a client needs and no more: `FILE_GENERIC_READ | FILE_GENERIC_WRITE` without
/// `FILE_CREATE_PIPE_INSTANCE` (4), by which it could be the server for others.
const CONNECT: u32 = 0x12_019B;

/// Who may connect to a pipe. Whatever is set here, the user that the server runs as may do
/// everything, and nobody whom this does not name may do anything.
///
/// Elevated and other processes of one user count as one: the rule names the user, and the pipe is
/// owned by the user, also where an administrator's would be owned by the group of administrators.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), npipes::Error> {
/// use npipes::{ListenerOptions, security::Access};
///
/// let listener = ListenerOptions::new()
///     .access(Access::authenticated_users())
///     .bind("npipes-doc-access")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Access {
    system: bool,
    clients: Vec<Sid>,
    app_containers: bool,
    low_integrity: bool,
}

impl Access {
    /// Lets the user that the server runs as, and SYSTEM, do everything. This is the default.
    pub const fn current_user_and_system() -> Self {
        let mut access = Self::current_user_only();
        access.system = true;
        access
    }

    /// Lets the user that the server runs as do everything, and nobody else anything; as far as an
    /// administrator can be kept out, who may take possession of whatever there is.
    pub const fn current_user_only() -> Self {
        Self { system: false, clients: Vec::new(), app_containers: false, low_integrity: false }
    }

    /// As [`current_user_and_system`](Self::current_user_and_system), and lets everybody connect
    /// who has logged on with a name of his own.
    pub fn authenticated_users() -> Self {
        Self::current_user_and_system().allow(Sid::AUTHENTICATED_USERS)
    }

    /// Lets this user, or the members of this group, connect; not create instances of the pipe, by
    /// which they could be the server for others.
    pub fn allow(mut self, client: Sid) -> Self {
        self.clients.push(client);
        self
    }

    /// Lets also processes of low integrity connect, sandboxes for the most part, of the users that
    /// may connect.
    pub const fn allow_low_integrity(mut self) -> Self {
        self.low_integrity = true;
        self
    }

    /// Lets also app containers connect, of the users that may connect. Such a process needs a rule
    /// for itself and one for its user, and runs at low integrity, so this is allowed too.
    pub const fn allow_app_containers(mut self) -> Self {
        self.app_containers = true;
        self.low_integrity = true;
        self
    }

    /// Returns the descriptor in Windows' definition language, for a server that runs as `user`.
    fn to_sddl(&self, user: Sid) -> String {
        // The owner is named since the default one of an elevated administrator is the group, by
        // which a client cannot tell the user. No rule refuses the group NETWORK: a process that
        // was started over the network, as by ssh, is a member.
        let mut text = format!("O:{user}D:P(A;;FA;;;{user})");
        if self.system {
            text.push_str("(A;;FA;;;SY)");
        }
        for client in &self.clients {
            text.push_str(&format!("(A;;{CONNECT:#x};;;{client})"));
        }
        if self.app_containers {
            text.push_str(&format!("(A;;{CONNECT:#x};;;AC)"));
        }
        if self.low_integrity {
            text.push_str("S:(ML;;NW;;;LW)");
        }
        text
    }
}

impl Default for Access {
    fn default() -> Self {
        Self::current_user_and_system()
    }
}

impl Access {
    /// Returns the descriptor for a server that runs as this process's user.
    pub(super) fn descriptor(&self) -> io::Result<SecurityDescriptor> {
        let user = Peer::this_process()?.user;
        Descriptor::from_sddl(&self.to_sddl(user)).map(SecurityDescriptor::new)
    }
}

/// A security descriptor: the full language of Windows, where [`Access`] does not suffice. Cloning
/// costs a reference count.
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
    fn new(descriptor: Descriptor) -> Self {
        Self(Arc::new(descriptor))
    }

    /// Returns owner, access rules and integrity label of an open pipe, either end.
    ///
    /// # Errors
    ///
    /// What `GetSecurityInfo` says: `ERROR_ACCESS_DENIED` if the handle was opened without
    /// `READ_CONTROL`, which every pipe of this crate has.
    pub fn of(pipe: &impl AsHandle) -> io::Result<Self> {
        Descriptor::of(pipe.as_handle()).map(Self::new)
    }

    /// Returns the owner: on Windows there always is one.
    ///
    /// # Errors
    ///
    /// What `GetSecurityDescriptorOwner` says.
    pub fn owner(&self) -> io::Result<Option<Sid>> {
        self.0.owner()
    }

    pub(super) fn as_descriptor(&self) -> &Descriptor {
        &self.0
    }
}

impl FromStr for SecurityDescriptor {
    type Err = Error;

    /// Returns the descriptor that `text` describes, in the security descriptor definition language.
    ///
    /// A text that names no owner means this process's user, whose name clients look for; the
    /// operating system would make an elevated process's pipe the group of administrators'.
    ///
    /// Rules for others than the server's own user should grant `0x12019b` and not `GA`, `GW` or
    /// `FW`, which let others create instances of the pipe and be the server. The server's own user
    /// needs all of it (`FA`), or no second instance can be created.
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

/// Writes owner, access rules and integrity label in the definition language.
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

    fn user() -> Sid {
        "S-1-5-21-1-2-3-1001".parse().unwrap()
    }

    #[track_caller]
    fn reads(access: Access, text: &str) {
        assert_eq!(access.to_sddl(user()), text);
        let descriptor: SecurityDescriptor = text.parse().unwrap();
        assert_eq!(descriptor.owner().unwrap(), Some(user()));
    }

    #[test]
    fn the_default_is_the_current_user_and_system() {
        assert_eq!(Access::default(), Access::current_user_and_system());
        let text = "O:S-1-5-21-1-2-3-1001D:P(A;;FA;;;S-1-5-21-1-2-3-1001)(A;;FA;;;SY)";
        reads(Access::default(), text);
    }

    #[test]
    fn the_current_user_can_be_the_only_one() {
        let text = "O:S-1-5-21-1-2-3-1001D:P(A;;FA;;;S-1-5-21-1-2-3-1001)";
        reads(Access::current_user_only(), text);
    }

    #[test]
    fn others_may_connect_and_not_create_instances() {
        let text = "O:S-1-5-21-1-2-3-1001D:P(A;;FA;;;S-1-5-21-1-2-3-1001)(A;;FA;;;SY)\
                    (A;;0x12019b;;;S-1-5-11)";
        reads(Access::authenticated_users(), text);
        const FILE_CREATE_PIPE_INSTANCE: u32 = 4;
        const GENERIC_READ_AND_WRITE: u32 = 0x12_019F;
        assert_eq!(CONNECT, GENERIC_READ_AND_WRITE & !FILE_CREATE_PIPE_INSTANCE);
    }

    #[test]
    fn sandboxes_are_added_by_label_and_rule() {
        let own = "O:S-1-5-21-1-2-3-1001D:P(A;;FA;;;S-1-5-21-1-2-3-1001)";
        let low = Access::current_user_only().allow_low_integrity();
        reads(low, &format!("{own}S:(ML;;NW;;;LW)"));
        let contained = Access::current_user_only().allow_app_containers();
        reads(contained, &format!("{own}(A;;0x12019b;;;AC)S:(ML;;NW;;;LW)"));
    }

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
