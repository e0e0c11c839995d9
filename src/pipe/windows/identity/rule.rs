//! Which servers a client trusts, given what it knows about the server.

use std::sync::Arc;

use super::{
    creators::MayServe,
    evidence::{ServerIdentity, is_sandbox_to},
};
use crate::{pipe::windows::peer::Peer, sid::Sid};

#[derive(Clone)]
pub(super) enum Rule {
    SameUserOrPrivileged,
    SameUser,
    Privileged,
    User(Sid),
    /// Trusts by the answer of the service control manager, which other code asks.
    Service(Arc<str>),
    Judge(Arc<dyn Fn(&ServerIdentity) -> bool + Send + Sync>),
    Any,
}

impl Rule {
    /// Returns whether the rule trusts a pipe whose owner and process are both plainly this user.
    pub(super) fn trusts_user(&self, this: &Peer) -> bool {
        match self {
            Self::SameUserOrPrivileged | Self::SameUser => true,
            Self::User(sid) => *sid == this.user,
            Self::Privileged | Self::Service(_) | Self::Judge(_) | Self::Any => false,
        }
    }

    pub(super) fn trusts(&self, server: &ServerIdentity, this: &Peer) -> bool {
        match self {
            Self::SameUserOrPrivileged => {
                Trusted { user: Some(this.user), privileged: true }.are(server, this)
            }
            Self::SameUser => {
                Trusted { user: Some(this.user), privileged: false }.are(server, this)
            }
            Self::Privileged => Trusted { user: None, privileged: true }.are(server, this),
            Self::User(sid) => Trusted { user: Some(*sid), privileged: false }.are(server, this),
            Self::Service(_) => false,
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
    /// Returns whether owner and process both belong to these accounts.
    fn are(self, server: &ServerIdentity, this: &Peer) -> bool {
        let process_is_trusted = |process: &Peer| self.is(process, this);
        match server.owner {
            Some(owner) if self.owns(owner) => match &server.account {
                Some(process) => process_is_trusted(process),
                None => self.may_all_serve(server.may_serve, this),
            },
            // The pipe of an elevated process: the owner does not tell the user.
            Some(Sid::ADMINISTRATORS) => server
                .account
                .as_ref()
                .is_some_and(|process| process.administrator && process_is_trusted(process)),
            // The pipe of an elevated process whose user owns the pipe.
            Some(owner) => server.account.as_ref().is_some_and(|process| {
                self.privileged && process.administrator && process.user == owner
            }),
            None => server.account.as_ref().is_some_and(process_is_trusted),
        }
    }

    fn owns(self, owner: Sid) -> bool {
        self.user == Some(owner)
            || (self.privileged && matches!(owner, Sid::SYSTEM | Sid::ADMINISTRATORS))
    }

    /// Returns whether everybody who may have created the instance belongs to these accounts.
    fn may_all_serve(self, may_serve: MayServe, this: &Peer) -> bool {
        match may_serve {
            MayServe::OwnerAlone => true,
            MayServe::ThisUser => self.user == Some(this.user),
            MayServe::Others => false,
        }
    }

    fn is(self, process: &Peer, this: &Peer) -> bool {
        (self.user == Some(process.user) && !is_sandbox_to(this, process.integrity))
            || (self.privileged && (process.user == Sid::SYSTEM || process.administrator))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::windows::peer::IntegrityLevel;

    const ALICE: Sid = Sid::EVERYONE;
    const BOB: Sid = Sid::AUTHENTICATED_USERS;

    /// An ordinary process of `user`.
    fn ordinary(user: Sid) -> Peer {
        let elevated = false;
        let integrity = IntegrityLevel::MEDIUM;
        Peer {
            process_id: Some(8),
            process_created: None,
            session: 1,
            user,
            integrity,
            elevated,
            administrator: false,
        }
    }

    fn elevated(user: Sid) -> Peer {
        let integrity = IntegrityLevel::HIGH;
        Peer { integrity, elevated: true, administrator: true, ..ordinary(user) }
    }

    fn sandboxed(user: Sid) -> Peer {
        Peer { integrity: IntegrityLevel::LOW, ..ordinary(user) }
    }

    fn server(owner: impl Into<Option<Sid>>, process: impl Into<Option<Peer>>) -> ServerIdentity {
        let (owner, process, may_serve) = (owner.into(), process.into(), MayServe::OwnerAlone);
        ServerIdentity {
            owner,
            process_id: Some(8),
            process_created: None,
            session: Some(1),
            account: process,
            may_serve,
        }
    }

    /// Checks whether Alice's client trusts the server, by each of the rules.
    #[track_caller]
    fn alice_trusts(server: ServerIdentity, usual: bool, same_user: bool, privileged: bool) {
        let rules = [Rule::SameUserOrPrivileged, Rule::SameUser, Rule::Privileged];
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
        let rules = [
            Rule::SameUserOrPrivileged,
            Rule::SameUser,
            Rule::Privileged,
            Rule::User(ALICE),
            Rule::Any,
        ];
        for this in [ordinary(ALICE), elevated(ALICE), sandboxed(ALICE)] {
            for process in [ordinary(ALICE), elevated(ALICE), sandboxed(ALICE)] {
                if is_sandbox_to(&this, process.integrity) {
                    continue;
                }
                let server = server(ALICE, process);
                for rule in rules.iter().filter(|rule| rule.trusts_user(&this)) {
                    assert!(rule.trusts(&server, &this), "{server:?} {this:?}");
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
        // Another process has the id by now, or the process serves in an attacker's pipe.
        alice_trusts(server(BOB, ordinary(ALICE)), false, false, false);
        alice_trusts(server(BOB, elevated(ALICE)), false, false, false);
        alice_trusts(server(BOB, ordinary(Sid::SYSTEM)), false, false, false);
    }

    #[test]
    fn an_owner_does_not_vouch_for_another_process() {
        // A user who may create instances can serve in the owner's name.
        alice_trusts(server(ALICE, ordinary(BOB)), false, false, false);
        alice_trusts(server(Sid::SYSTEM, ordinary(BOB)), false, false, false);
        alice_trusts(server(Sid::ADMINISTRATORS, ordinary(ALICE)), true, false, false);
    }

    #[test]
    fn an_owner_whose_pipe_others_may_serve_does_not_vouch_for_the_instance() {
        let pipe = |owner, may_serve| ServerIdentity { may_serve, ..server(owner, None) };
        for owner in [ALICE, Sid::SYSTEM, Sid::ADMINISTRATORS] {
            alice_trusts(pipe(owner, MayServe::Others), false, false, false);
        }
        // Where Alice is trusted, she may serve in the pipe of another trusted user.
        alice_trusts(pipe(Sid::SYSTEM, MayServe::ThisUser), true, false, false);
        // A process that can be seen tells who serves the instance.
        let seen = ServerIdentity { may_serve: MayServe::Others, ..server(ALICE, ordinary(ALICE)) };
        alice_trusts(seen, true, true, false);
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
        let judge = Rule::Judge(Arc::new(|server| server.owner == Some(BOB)));
        assert!(judge.trusts(&server(BOB, None), &ordinary(ALICE)));
        assert!(!judge.trusts(&server(ALICE, ordinary(ALICE)), &ordinary(ALICE)));
    }
}
