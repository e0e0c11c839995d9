//! Which servers a client trusts. The client judges the open pipe before it sends the first byte.

use std::{fmt, io, sync::Arc, time::SystemTime};

use tracing::warn;

use super::{peer::Credentials, stream::PipeHandle, users};
use crate::{
    error::{Error, Operation, UntrustedServer},
    name::PipeName,
};

/// Which server a client trusts. A pipe's name does not tell who the server is: any program can be
/// the first to create it.
///
/// On Unix the client judges the user of the process that began to listen, before it sends a byte.
/// The kernel recorded that user when the process began to listen (unix(7): `SO_PEERCRED`). If a
/// service manager listens for its services, as systemd does, the service manager counts as the
/// server.
///
/// The overflow user, 65534, is not trusted by its number where some users have no number, as in many
/// containers: it stands for all of them (user_namespaces(7)).
///
/// # Examples
///
/// ```no_run
/// # async fn order() -> Result<(), npipes::Error> {
/// use npipes::{ConnectOptions, security::ServerTrust};
///
/// let options = ConnectOptions::new().server_trust(ServerTrust::same_user());
/// let connection = options.connect("orders").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct ServerTrust {
    rule: Rule,
}

#[derive(Clone)]
enum Rule {
    SameUserOrPrivileged,
    SameUser,
    User(u32),
    Judge(Arc<dyn Fn(&ServerIdentity) -> bool + Send + Sync>),
    Any,
}

impl ServerTrust {
    /// Trusts this process's user and root, who controls the machine anyway. This is the default.
    pub const fn same_user_or_privileged() -> Self {
        Self { rule: Rule::SameUserOrPrivileged }
    }

    /// Trusts this process's user only.
    pub const fn same_user() -> Self {
        Self { rule: Rule::SameUser }
    }

    /// Trusts root only.
    pub const fn system_or_administrators() -> Self {
        Self::uid(0)
    }

    /// On Unix: trusts the user with this number only, for example a service's user; 0 is root.
    pub const fn uid(uid: u32) -> Self {
        Self { rule: Rule::User(uid) }
    }

    /// Trusts the servers for which `judge` returns true. `judge` is called on the runtime's thread
    /// and should not block. A panic of `judge` reaches the caller.
    pub fn judged_by<F>(judge: F) -> Self
    where
        F: Fn(&ServerIdentity) -> bool + Send + Sync + 'static,
    {
        Self { rule: Rule::Judge(Arc::new(judge)) }
    }

    /// Trusts any server: whoever was first to create the pipe, which may be any program of any
    /// user.
    pub const fn any_without_check() -> Self {
        Self { rule: Rule::Any }
    }

    /// Judges the server of an open pipe.
    pub(in crate::pipe) async fn judge(
        &self,
        pipe: &PipeHandle,
        opened: SystemTime,
        name: &PipeName,
    ) -> Result<(), Error> {
        if matches!(self.rule, Rule::Any) {
            return Ok(());
        }
        let server = ServerIdentity::of(pipe, true, opened)
            .map_err(|e| Error::io(Operation::Identify, Some(name), e))?;
        match self.rule.trusts(&server, users::this_user(), users::is_of_one(server.uid)) {
            true => Ok(()),
            false => Err(untrusted(name, &server)),
        }
    }
}

impl Rule {
    /// `is_known` says whether the server's number is that of one user.
    fn trusts(&self, server: &ServerIdentity, this: u32, is_known: bool) -> bool {
        match self {
            Self::SameUserOrPrivileged | Self::SameUser | Self::User(_) if !is_known => false,
            Self::SameUserOrPrivileged => server.uid == this || server.uid == 0,
            Self::SameUser => server.uid == this,
            Self::User(uid) => server.uid == *uid,
            Self::Judge(judge) => judge(server),
            Self::Any => true,
        }
    }
}

fn untrusted(name: &PipeName, server: &ServerIdentity) -> Error {
    let &ServerIdentity { uid, process_id, .. } = server;
    warn!(pipe = %name, user = uid, ?process_id, "the server is not trusted");
    Error::UntrustedServer(Box::new(UntrustedServer {
        pipe: name.clone(),
        owner: None,
        user: None,
        uid: Some(uid),
        process_id,
        others_may_serve: false,
        reason: None,
    }))
}

impl Default for ServerTrust {
    fn default() -> Self {
        Self::same_user_or_privileged()
    }
}

impl fmt::Debug for ServerTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Rule::SameUserOrPrivileged => f.write_str("ServerTrust(same user or privileged)"),
            Rule::SameUser => f.write_str("ServerTrust(same user)"),
            Rule::User(uid) => write!(f, "ServerTrust(uid {uid})"),
            Rule::Judge(_) => f.write_str("ServerTrust(judged)"),
            Rule::Any => f.write_str("ServerTrust(any)"),
        }
    }
}

/// Who serves a pipe, as far as its client can tell: on Unix the process that began to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerIdentity {
    /// The id of the process that began to listen, where the operating system tells it. That
    /// process may have ended, and another process may have its id by now.
    pub process_id: Option<u32>,
    /// The user that it ran as.
    pub uid: u32,
    /// The group that it ran as.
    pub gid: u32,
}

impl ServerIdentity {
    /// Returns who serves an open pipe.
    pub(in crate::pipe) fn of(pipe: &PipeHandle, _: bool, _: SystemTime) -> io::Result<Self> {
        let Credentials { process_id, uid, gid } = Credentials::of(pipe.stream())?;
        Ok(Self { process_id, uid, gid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: u32 = 1001;
    const BOB: u32 = 1002;

    #[track_caller]
    fn alice_trusts(uid: u32, usual: bool, same_user: bool) {
        let server = ServerIdentity { process_id: None, uid, gid: 7 };
        let rules = [Rule::SameUserOrPrivileged, Rule::SameUser];
        assert_eq!(rules.map(|rule| rule.trusts(&server, ALICE, true)), [usual, same_user]);
        assert_eq!(Rule::User(ALICE).trusts(&server, BOB, true), uid == ALICE);
        assert!(Rule::Any.trusts(&server, ALICE, true));
        let judge = Rule::Judge(Arc::new(|server| server.gid == 7));
        assert!(judge.trusts(&server, ALICE, true));
    }

    #[test]
    fn a_rule_trusts_whom_it_names_and_nobody_else() {
        alice_trusts(ALICE, true, true);
        alice_trusts(0, true, false);
        alice_trusts(BOB, false, false);
    }

    #[test]
    fn a_number_that_stands_for_many_users_is_trusted_by_no_rule_about_users() {
        let server = ServerIdentity { process_id: None, uid: ALICE, gid: 7 };
        for rule in [Rule::SameUserOrPrivileged, Rule::SameUser, Rule::User(ALICE)] {
            assert!(!rule.trusts(&server, ALICE, false));
        }
        assert!(Rule::Any.trusts(&server, ALICE, false));
    }
}
