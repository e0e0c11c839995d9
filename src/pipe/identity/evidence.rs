//! What the operating system tells of a pipe's server.

use std::{io, os::windows::io::BorrowedHandle};

use super::creators::MayServe;
use crate::{
    pipe::{
        peer::{IntegrityLevel, Peer},
        sys::{
            security,
            token::{self, Token},
        },
    },
    sid::Sid,
};

/// Who serves a pipe, as far as its client can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerIdentity {
    /// The owner of the pipe, who created its first instance or allowed it: the operating system
    /// vouches for that. Where an administrator runs elevated, it may be the group
    /// [`Sid::ADMINISTRATORS`]. Only Wine has pipes without an owner.
    pub owner: Option<Sid>,
    /// The process that created this instance. It may have ended, and its id be another's.
    pub process_id: Option<u32>,
    /// Whom that process runs as. `None` where this process may not know, as an ordinary user's may
    /// not of a system service, and on another machine.
    pub process: Option<Peer>,
    /// Whom the pipe's rules let create instances, and so be the server: where that is anybody but the
    /// owner, the owner alone proves nothing.
    pub may_serve: MayServe,
}

/// The two that say who serves a pipe. Each question is a system call that somebody's connect waits
/// for, so no more is asked than the verdict needs.
pub(super) struct Evidence {
    owner: Option<Sid>,
    process_id: Option<u32>,
    process: Option<Process>,
    /// `None` where the verdict does not need it.
    may_serve: Option<MayServe>,
}

enum Process {
    /// This one, of which all is known.
    This,
    Other(Token),
}

impl Evidence {
    /// Asks who serves a pipe, for a process that runs as `this`; `all` there is to ask, or what a
    /// rule needs.
    pub(super) fn of(
        pipe: BorrowedHandle<'_>,
        local: bool,
        this: Sid,
        all: bool,
    ) -> io::Result<Self> {
        let owner = security::owner(pipe)?;
        // Another machine's ids mean other processes here.
        let process_id = local.then(|| token::server_process_id(pipe).ok()).flatten();
        let process = process_id.and_then(|id| match id == std::process::id() {
            true => Some(Process::This),
            false => Token::of_process(id).ok().map(Process::Other),
        });
        let may_serve = match all || process.is_none() {
            true => Some(MayServe::by_rules(&security::rules(pipe)?, owner, this)),
            false => None,
        };
        Ok(Self { owner, process_id, process, may_serve })
    }

    /// Returns whether both speak for this process's user, which most servers are. Where the rule
    /// trusts that user, the rest of what a token tells cannot change the verdict.
    pub(super) fn are_plainly(&self, this: &Peer) -> bool {
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

    pub(super) fn server(self, this: &Peer) -> ServerIdentity {
        let Self { owner, process_id, process, may_serve } = self;
        let process = match process {
            Some(Process::This) => Some(*this),
            Some(Process::Other(token)) => Peer::of(&token, process_id).ok(),
            None => None,
        };
        let may_serve = may_serve.unwrap_or(MayServe::Others);
        ServerIdentity { owner, process_id, process, may_serve }
    }
}

/// Returns whether processes of this level must not speak for the user to `this` one.
pub(super) fn is_sandbox_to(this: &Peer, level: IntegrityLevel) -> bool {
    level < this.integrity.min(IntegrityLevel::MEDIUM)
}
