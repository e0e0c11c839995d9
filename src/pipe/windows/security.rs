//! Who may open a pipe: the rules, and the security descriptor that is made from them.

mod descriptor;
mod sddl;

use std::io;

pub use self::descriptor::SecurityDescriptor;
use super::{
    peer::Peer,
    sys::{app_container, security::Descriptor},
};
use crate::sid::Sid;

/// The rights that a client needs and no more: `FILE_GENERIC_READ | FILE_GENERIC_WRITE` without
/// `FILE_CREATE_PIPE_INSTANCE` (4). With that right a client could be the server for others.
const CONNECT: u32 = 0x12_019B;

/// Who may connect to a pipe. The user that the server runs as may always do everything. Nobody
/// else may do anything unless this names them.
///
/// Elevated and other processes of one user count as the same user: the rule names the user, and
/// the user owns the pipe. This is so also where the group of administrators would own the pipe of
/// an administrator by default.
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

    /// Lets the user that the server runs as do everything, and nobody else anything. An
    /// administrator cannot be kept out completely, because administrators may take ownership of
    /// any object.
    pub const fn current_user_only() -> Self {
        Self { system: false, clients: Vec::new(), app_containers: false, low_integrity: false }
    }

    /// As [`current_user_and_system`](Self::current_user_and_system), and lets everybody connect
    /// who has logged on with their own name.
    pub fn authenticated_users() -> Self {
        Self::current_user_and_system().allow(Sid::AUTHENTICATED_USERS)
    }

    /// As [`current_user_and_system`](Self::current_user_and_system), and lets the users of this
    /// machine connect. These are the members of the group `BUILTIN\Users` (`S-1-5-32-545`): by
    /// default everybody with an account here or in the machine's domain, also the accounts of
    /// services, and no guests.
    pub fn users() -> Self {
        Self::current_user_and_system().allow(Sid::USERS)
    }

    /// As [`current_user_and_system`](Self::current_user_and_system), and lets everybody connect
    /// who has logged on at this machine or at its remote desktop (`INTERACTIVE`, `S-1-5-4`). These
    /// users see its screen. Services, scheduled tasks, and logons over the network are not among
    /// them.
    pub fn interactive_users() -> Self {
        Self::current_user_and_system().allow(Sid::INTERACTIVE)
    }

    /// As [`current_user_and_system`](Self::current_user_and_system), and lets the app containers
    /// of this package connect that the server's user runs:
    /// [`allow_package_family`](Self::allow_package_family).
    ///
    /// # Errors
    ///
    /// As [`allow_package_family`](Self::allow_package_family).
    pub fn package_family(family: &str) -> io::Result<Self> {
        Self::current_user_and_system().allow_package_family(family)
    }

    /// Lets this user, or the members of this group, connect. It does not let them create instances
    /// of the pipe, with which they could be the server for others.
    pub fn allow(mut self, client: Sid) -> Self {
        self.clients.push(client);
        self
    }

    /// Also lets the app containers of the package with this family name, `Name_publisher`, connect
    /// if their user may connect. App containers run at low integrity, so this also lets [other
    /// processes of low integrity](Self::allow_low_integrity) of those users connect.
    ///
    /// A packaged program that is no app container, such as a desktop program, runs with its user's
    /// rights and needs no such rule.
    /// [`PeerProcess::package_family`](crate::security::PeerProcess::package_family) tells the
    /// package of such a program.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an empty name or one with a NUL. `Unsupported` where the operating system
    /// has no app containers, such as Wine. Otherwise the error of
    /// `DeriveAppContainerSidFromAppContainerName`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use npipes::{ListenerOptions, security::Access};
    ///
    /// let access = Access::package_family("Contoso.Orders_8wekyb3d8bbwe")?;
    /// let options = ListenerOptions::new().access(access);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn allow_package_family(self, family: &str) -> io::Result<Self> {
        Ok(self.allow_app_container(app_container(family)?))
    }

    /// Also lets the app container with this identifier, an `S-1-15-2-...`, connect if its user may
    /// connect. An app container runs at low integrity, so this also lets [other processes of low
    /// integrity](Self::allow_low_integrity) of those users connect.
    pub fn allow_app_container(self, container: Sid) -> Self {
        self.allow(container).allow_low_integrity()
    }

    /// Also lets processes of low integrity, which are mostly sandboxes, connect if their user may
    /// connect.
    pub const fn allow_low_integrity(mut self) -> Self {
        self.low_integrity = true;
        self
    }

    /// Also lets app containers connect if their user may connect. Such a process needs a rule for
    /// itself and one for its user. It runs at low integrity, so this also lets processes of low
    /// integrity connect.
    pub const fn allow_app_containers(mut self) -> Self {
        self.app_containers = true;
        self.low_integrity = true;
        self
    }

    /// Returns the descriptor in Windows' definition language, for a server that runs as `user`.
    fn to_sddl(&self, user: Sid) -> String {
        // The owner is named because the default owner for an elevated administrator is the group,
        // which does not tell a client the user. No rule refuses the group NETWORK: a process that
        // was started over the network, for example by ssh, is a member.
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
    pub(in crate::pipe) fn descriptor(&self) -> io::Result<SecurityDescriptor> {
        let user = Peer::this_process()?.user;
        Descriptor::from_sddl(&self.to_sddl(user)).map(SecurityDescriptor::new)
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
    fn the_groups_of_users_may_connect_and_not_create_instances() {
        let own = "O:S-1-5-21-1-2-3-1001D:P(A;;FA;;;S-1-5-21-1-2-3-1001)(A;;FA;;;SY)";
        reads(Access::users(), &format!("{own}(A;;0x12019b;;;S-1-5-32-545)"));
        reads(Access::interactive_users(), &format!("{own}(A;;0x12019b;;;S-1-5-4)"));
    }

    #[test]
    fn one_app_container_is_added_by_label_and_rule() {
        let own = "O:S-1-5-21-1-2-3-1001D:P(A;;FA;;;S-1-5-21-1-2-3-1001)";
        let container = "S-1-15-2-1-2-3-4-5-6-7";
        let access = Access::current_user_only().allow_app_container(container.parse().unwrap());
        reads(access, &format!("{own}(A;;0x12019b;;;{container})S:(ML;;NW;;;LW)"));
    }

    #[test]
    fn a_name_that_no_package_has_is_refused() {
        let error = Access::package_family("").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn sandboxes_are_added_by_label_and_rule() {
        let own = "O:S-1-5-21-1-2-3-1001D:P(A;;FA;;;S-1-5-21-1-2-3-1001)";
        let low = Access::current_user_only().allow_low_integrity();
        reads(low, &format!("{own}S:(ML;;NW;;;LW)"));
        let contained = Access::current_user_only().allow_app_containers();
        reads(contained, &format!("{own}(A;;0x12019b;;;AC)S:(ML;;NW;;;LW)"));
    }
}
