//! Whom a client takes for the server that it means, judged on the open pipe before the first byte.

use std::{
    fmt, io,
    os::windows::io::{AsHandle, BorrowedHandle},
    sync::Arc,
};

use tracing::warn;

use super::{
    peer::{IntegrityLevel, Peer},
    stream::PipeStream,
    sys::{
        security,
        token::{self, Token},
    },
};
use crate::{
    error::{Error, Operation, UntrustedServer},
    name::PipeName,
    sid::Sid,
};

/// Who serves a pipe, as far as its client can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PipeServer {
    /// The owner of the pipe, who created its first instance or allowed it: the operating system
    /// vouches for that. Where an administrator runs elevated, it may be the group
    /// [`Sid::ADMINISTRATORS`]. Only Wine has pipes without an owner.
    pub owner: Option<Sid>,
    /// The process that created this instance. It may have ended, and its id be another's.
    pub process_id: Option<u32>,
    /// Whom that process runs as. `None` where this process may not know, as an ordinary user's may
    /// not of a system service, and on another machine.
    pub process: Option<Peer>,
}

/// Whom a client trusts to be the server. A pipe's name says nothing of that: whoever is first to
/// create it has it.
///
/// # How it is judged
///
/// On the open pipe, before a byte is sent, by two witnesses that must not contradict the rule: the
/// pipe's owner, and the user of the process that created the instance. The second is often out of
/// sight, since an ordinary user may not look into a service's process; then the owner alone
/// decides, which nobody can set to somebody else. The process alone never does.
///
/// Elevated and other processes of one user count as one. A server of this crate names its user as
/// the pipe's owner; another's may, if it is elevated, be owned by the group of administrators, and
/// then its process must be seen to be the user's.
/// A sandbox, of integrity below medium, does not count as its user to one that is not.
///
/// An owner that is an ordinary user may be an administrator who runs elevated; that is believed if
/// the process is seen to be that user's and to have the rights of an administrator.
///
/// # Examples
///
/// ```no_run
/// # async fn order() -> Result<(), npipes::Error> {
/// use npipes::{ConnectOptions, ServerIdentity};
///
/// let options = ConnectOptions::new().server_identity(ServerIdentity::system_or_administrators());
/// let connection = options.connect("orders").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct ServerIdentity(Rule);

#[derive(Clone)]
enum Rule {
    Usual,
    SameUser,
    Privileged,
    User(Sid),
    Judge(Arc<dyn Fn(&PipeServer) -> bool + Send + Sync>),
    Any,
}

impl ServerIdentity {
    /// Trusts this process's user, SYSTEM and administrators, who own the machine anyway. On a pipe
    /// of another machine it checks nothing. This is the default.
    pub const fn usual() -> Self {
        Self(Rule::Usual)
    }

    /// Trusts this process's user only.
    pub const fn same_user() -> Self {
        Self(Rule::SameUser)
    }

    /// Trusts SYSTEM and administrators only.
    pub const fn system_or_administrators() -> Self {
        Self(Rule::Privileged)
    }

    /// Trusts this user only, a service's account for instance.
    pub const fn user(sid: Sid) -> Self {
        Self(Rule::User(sid))
    }

    /// Trusts whom `judge` returns true for. It is called on the runtime's thread and should not
    /// block; a panic is the caller's.
    pub fn judged_by<F>(judge: F) -> Self
    where
        F: Fn(&PipeServer) -> bool + Send + Sync + 'static,
    {
        Self(Rule::Judge(Arc::new(judge)))
    }

    /// Trusts whoever was first to create the pipe, which may be any program of any user.
    pub const fn any_without_check() -> Self {
        Self(Rule::Any)
    }

    /// Judges the server of an open pipe.
    ///
    /// # Errors
    ///
    /// [`Error::UntrustedServer`], or [`Error::Io`] if the operating system does not tell: what is
    /// not known is not trusted.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind.
    pub(super) async fn judge(&self, pipe: &PipeStream, name: &PipeName) -> Result<(), Error> {
        let unknown = |e| Error::io(Operation::Identify, Some(name), e);
        let local = name.is_local();
        if matches!(self.0, Rule::Any) || (matches!(self.0, Rule::Usual) && !local) {
            return Ok(());
        }
        let this = Peer::this_process().map_err(unknown)?;
        let handle = pipe.as_handle();
        let witnesses = if local {
            Witnesses::of(handle, local)
        } else {
            // Through the network GetSecurityInfo takes as long as the network does.
            let handle = handle.try_clone_to_owned().map_err(unknown)?;
            tokio::task::spawn_blocking(move || Witnesses::of(handle.as_handle(), local))
                .await
                .unwrap_or_else(|e| Err(io::Error::other(e)))
        }
        .map_err(unknown)?;
        if self.0.trusts_user(&this) && witnesses.are_plainly(&this) {
            return Ok(());
        }
        let server = witnesses.server(&this);
        if self.0.trusts(&server, &this) {
            return Ok(());
        }
        let (owner, process_id) = (server.owner, server.process_id);
        let user = server.process.map(|process| process.user);
        warn!(pipe = %name, ?owner, ?user, ?process_id, "the server is not trusted");
        let pipe = name.clone();
        Err(Error::UntrustedServer(Box::new(UntrustedServer { pipe, owner, user, process_id })))
    }
}

/// The two that say who serves a pipe. Each question is a system call that somebody's connect waits
/// for, so no more is asked than the verdict needs.
struct Witnesses {
    owner: Option<Sid>,
    process_id: Option<u32>,
    process: Option<Process>,
}

enum Process {
    /// This one, of which all is known.
    This,
    Other(Token),
}

impl Witnesses {
    fn of(pipe: BorrowedHandle<'_>, local: bool) -> io::Result<Self> {
        let owner = security::owner(pipe)?;
        // Another machine's ids mean other processes here.
        let process_id = local.then(|| token::server_process_id(pipe).ok()).flatten();
        let process = process_id.and_then(|id| match id == std::process::id() {
            true => Some(Process::This),
            false => Token::of_process(id).ok().map(Process::Other),
        });
        Ok(Self { owner, process_id, process })
    }

    /// Returns whether both speak for this process's user, which most servers are. Where the rule
    /// trusts that user, the rest of what a token tells cannot change the verdict.
    fn are_plainly(&self, this: &Peer) -> bool {
        let is_the_users = |token: &Token| {
            token.user().is_ok_and(|user| user == this.user)
                && token
                    .integrity()
                    .is_ok_and(|level| !is_sandbox_to(this, IntegrityLevel::new(level)))
        };
        self.owner == Some(this.user)
            && match &self.process {
                Some(Process::This) => true,
                Some(Process::Other(token)) => is_the_users(token),
                None => false,
            }
    }

    fn server(self, this: &Peer) -> PipeServer {
        let Self { owner, process_id, process } = self;
        let process = match process {
            Some(Process::This) => Some(*this),
            Some(Process::Other(token)) => Peer::of(&token, process_id).ok(),
            None => None,
        };
        PipeServer { owner, process_id, process }
    }
}

/// Returns whether processes of this level must not speak for the user to `this` one.
fn is_sandbox_to(this: &Peer, level: IntegrityLevel) -> bool {
    level < this.integrity.min(IntegrityLevel::MEDIUM)
}

impl Rule {
    /// Returns whether a pipe is trusted whose owner and process are both plainly this user.
    fn trusts_user(&self, this: &Peer) -> bool {
        match self {
            Self::Usual | Self::SameUser => true,
            Self::User(sid) => *sid == this.user,
            Self::Privileged | Self::Judge(_) | Self::Any => false,
        }
    }

    fn trusts(&self, server: &PipeServer, this: &Peer) -> bool {
        match self {
            Self::Usual => Trusted { user: Some(this.user), privileged: true }.are(server, this),
            Self::SameUser => {
                Trusted { user: Some(this.user), privileged: false }.are(server, this)
            }
            Self::Privileged => Trusted { user: None, privileged: true }.are(server, this),
            Self::User(sid) => Trusted { user: Some(*sid), privileged: false }.are(server, this),
            Self::Judge(judge) => judge(server),
            Self::Any => true,
        }
    }
}

/// The accounts that a rule trusts.
#[derive(Clone, Copy)]
struct Trusted {
    user: Option<Sid>,
    /// SYSTEM and administrators.
    privileged: bool,
}

impl Trusted {
    /// Returns whether owner and process are both of these accounts.
    fn are(self, server: &PipeServer, this: &Peer) -> bool {
        let process_is_trusted = |process: &Peer| self.is(process, this);
        match server.owner {
            Some(owner) if self.owns(owner) => {
                server.process.as_ref().is_none_or(process_is_trusted)
            }
            // An elevated process's, whose user the owner does not tell.
            Some(Sid::ADMINISTRATORS) => server
                .process
                .is_some_and(|process| process.administrator && process_is_trusted(&process)),
            // An elevated process's, which owns the pipe in its user's name.
            Some(owner) => server.process.is_some_and(|process| {
                self.privileged && process.administrator && process.user == owner
            }),
            None => server.process.as_ref().is_some_and(process_is_trusted),
        }
    }

    fn owns(self, owner: Sid) -> bool {
        self.user == Some(owner)
            || (self.privileged && matches!(owner, Sid::SYSTEM | Sid::ADMINISTRATORS))
    }

    fn is(self, process: &Peer, this: &Peer) -> bool {
        (self.user == Some(process.user) && !is_sandbox_to(this, process.integrity))
            || (self.privileged && (process.user == Sid::SYSTEM || process.administrator))
    }
}

impl Default for ServerIdentity {
    fn default() -> Self {
        Self::usual()
    }
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Usual => f.write_str("ServerIdentity(usual)"),
            Rule::SameUser => f.write_str("ServerIdentity(same user)"),
            Rule::Privileged => f.write_str("ServerIdentity(system or administrators)"),
            Rule::User(sid) => write!(f, "ServerIdentity({sid})"),
            Rule::Judge(_) => f.write_str("ServerIdentity(judged)"),
            Rule::Any => f.write_str("ServerIdentity(any)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Sid = Sid::EVERYONE;
    const BOB: Sid = Sid::AUTHENTICATED_USERS;

    /// An ordinary process of `user`.
    fn ordinary(user: Sid) -> Peer {
        let elevated = false;
        let integrity = IntegrityLevel::MEDIUM;
        Peer { process_id: Some(8), session: 1, user, integrity, elevated, administrator: false }
    }

    fn elevated(user: Sid) -> Peer {
        let integrity = IntegrityLevel::HIGH;
        Peer { integrity, elevated: true, administrator: true, ..ordinary(user) }
    }

    fn sandboxed(user: Sid) -> Peer {
        Peer { integrity: IntegrityLevel::LOW, ..ordinary(user) }
    }

    fn server(owner: impl Into<Option<Sid>>, process: impl Into<Option<Peer>>) -> PipeServer {
        PipeServer { owner: owner.into(), process_id: Some(8), process: process.into() }
    }

    /// Checks whom Alice's client trusts, by each of the rules.
    #[track_caller]
    fn alice_trusts(server: PipeServer, usual: bool, same_user: bool, privileged: bool) {
        let rules = [Rule::Usual, Rule::SameUser, Rule::Privileged];
        assert_eq!(
            rules.map(|rule| rule.trusts(&server, &ordinary(ALICE))),
            [usual, same_user, privileged],
            "{server:?}"
        );
        let named = Rule::User(ALICE).trusts(&server, &ordinary(BOB));
        assert_eq!(named, same_user, "by name: {server:?}");
    }

    #[test]
    fn what_is_plainly_the_users_is_what_the_whole_judgement_trusts() {
        let rules = [Rule::Usual, Rule::SameUser, Rule::Privileged, Rule::User(ALICE), Rule::Any];
        for this in [ordinary(ALICE), elevated(ALICE), sandboxed(ALICE)] {
            for process in [ordinary(ALICE), elevated(ALICE), sandboxed(ALICE)] {
                if is_sandbox_to(&this, process.integrity) {
                    continue;
                }
                for rule in rules.iter().filter(|rule| rule.trusts_user(&this)) {
                    assert!(rule.trusts(&server(ALICE, process), &this), "{process:?} {this:?}");
                }
            }
        }
        assert!(!Rule::User(BOB).trusts_user(&ordinary(ALICE)));
        assert!(!Rule::Judge(Arc::new(|_| true)).trusts_user(&ordinary(ALICE)));
    }

    #[test]
    fn the_same_user_is_trusted() {
        alice_trusts(server(ALICE, ordinary(ALICE)), true, true, false);
        alice_trusts(server(ALICE, None), true, true, false);
    }

    #[test]
    fn the_same_user_elevated_is_the_same_user() {
        alice_trusts(server(ALICE, elevated(ALICE)), true, true, true);
        alice_trusts(server(Sid::ADMINISTRATORS, elevated(ALICE)), true, true, true);
    }

    #[test]
    fn the_group_of_administrators_is_nobodys_user() {
        alice_trusts(server(Sid::ADMINISTRATORS, None), true, false, true);
        alice_trusts(server(Sid::ADMINISTRATORS, elevated(BOB)), true, false, true);
    }

    #[test]
    fn system_is_trusted_as_system_only() {
        alice_trusts(server(Sid::SYSTEM, None), true, false, true);
        alice_trusts(server(Sid::SYSTEM, ordinary(Sid::SYSTEM)), true, false, true);
    }

    #[test]
    fn another_user_is_not_trusted() {
        alice_trusts(server(BOB, None), false, false, false);
        alice_trusts(server(BOB, ordinary(BOB)), false, false, false);
        alice_trusts(server(None, ordinary(BOB)), false, false, false);
    }

    #[test]
    fn another_user_is_an_administrator_only_where_that_is_seen() {
        alice_trusts(server(BOB, elevated(BOB)), true, false, true);
    }

    #[test]
    fn another_process_does_not_vouch_for_an_owner() {
        // An id that is another's by now, or a process that serves in an attacker's pipe.
        alice_trusts(server(BOB, ordinary(ALICE)), false, false, false);
        alice_trusts(server(BOB, elevated(ALICE)), false, false, false);
        alice_trusts(server(BOB, ordinary(Sid::SYSTEM)), false, false, false);
    }

    #[test]
    fn an_owner_does_not_vouch_for_another_process() {
        // Whoever may create instances serves in the owner's name.
        alice_trusts(server(ALICE, ordinary(BOB)), false, false, false);
        alice_trusts(server(Sid::SYSTEM, ordinary(BOB)), false, false, false);
        alice_trusts(server(Sid::ADMINISTRATORS, ordinary(ALICE)), true, false, false);
    }

    #[test]
    fn a_sandbox_is_not_its_user() {
        alice_trusts(server(ALICE, sandboxed(ALICE)), false, false, false);
        // Except to another sandbox.
        let to_a_sandbox =
            Rule::SameUser.trusts(&server(ALICE, sandboxed(ALICE)), &sandboxed(ALICE));
        assert!(to_a_sandbox);
    }

    #[test]
    fn nobody_known_is_nobody_trusted() {
        alice_trusts(server(None, None), false, false, false);
        assert!(Rule::Any.trusts(&server(None, None), &ordinary(ALICE)));
    }

    #[test]
    fn a_judge_decides_alone() {
        let judge = ServerIdentity::judged_by(|server| server.owner == Some(BOB)).0;
        assert!(judge.trusts(&server(BOB, None), &ordinary(ALICE)));
        assert!(!judge.trusts(&server(ALICE, ordinary(ALICE)), &ordinary(ALICE)));
    }
}
