//! What the operating system tells of a pipe's server.

use std::{
    io,
    os::windows::io::{AsHandle, BorrowedHandle},
    time::SystemTime,
};

use super::creators::MayServe;
use crate::{
    pipe::windows::{
        peer::{IntegrityLevel, Peer},
        process::PeerProcess,
        stream::PipeHandle,
        sys::{
            process::Process,
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
    /// The process that created this instance. It may have ended, and its id be another's:
    /// [`process()`](Self::process) says more.
    pub process_id: Option<u32>,
    /// When that process was created, if it could be seen and was older than the open pipe.
    pub(super) process_created: Option<SystemTime>,
    /// The terminal services session in which the process created this instance, as the operating
    /// system wrote it down at that moment. `None` on another machine.
    pub session: Option<u32>,
    /// Whom that process runs as. `None` where this process may not know, as an ordinary user's may
    /// not of a system service, and on another machine.
    pub process: Option<Peer>,
    /// Whom the pipe's rules let create instances, and so be the server: where that is anybody but the
    /// owner, the owner alone proves nothing.
    pub may_serve: MayServe,
}

impl ServerIdentity {
    /// Returns who serves a pipe that was open by that moment, by all that there is to ask.
    pub(in crate::pipe) fn of(
        pipe: &PipeHandle,
        local: bool,
        opened: SystemTime,
    ) -> io::Result<Self> {
        let pipe = pipe.as_handle();
        let this = Peer::this_process()?;
        let evidence = Evidence::of(pipe, this.user, Questions { local, all: true })?;
        Ok(evidence.server(&this, opened))
    }

    /// Returns the process that has the id that the pipe tells, held so that its id stays its own.
    ///
    /// It is the process that had the id when the server was judged, and had it before the pipe was
    /// open. That it created the instance is not proved: the one that did may have handed the
    /// instance on and ended before, and the id have become another's.
    ///
    /// # Errors
    ///
    /// As [`Peer::process`].
    pub fn process(&self) -> io::Result<PeerProcess> {
        PeerProcess::again(self.process_id, self.process_created)
    }
}

/// How much is asked of a pipe's server. Each question is a system call that somebody's connect waits
/// for, so no more is asked than the verdict needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Questions {
    /// Whether the pipe is one of this machine: another's ids mean other processes here.
    pub(super) local: bool,
    /// All there is to ask.
    pub(super) all: bool,
}

/// The two that say who serves a pipe, the second one held.
pub(super) struct Evidence {
    owner: Option<Sid>,
    process_id: Option<u32>,
    process: Option<Seen>,
    session: Option<u32>,
    /// `None` where the verdict does not need it.
    may_serve: Option<MayServe>,
}

enum Seen {
    /// This process, of which all is known.
    This,
    /// With its token, if this process may ask for that.
    Other(Process, Option<Token>),
}

impl Evidence {
    /// Asks who serves a pipe, for a process that runs as `this`.
    pub(super) fn of(
        pipe: BorrowedHandle<'_>,
        this: Sid,
        Questions { local, all }: Questions,
    ) -> io::Result<Self> {
        let owner = security::owner(pipe)?;
        let process_id = local.then(|| token::server_process_id(pipe).ok()).flatten();
        let process = process_id.and_then(|id| match id == std::process::id() {
            true => Some(Seen::This),
            false => {
                let process = Process::open(id).ok()?;
                let token = Token::of_process(&process).ok();
                Some(Seen::Other(process, token))
            }
        });
        let session = (local && all).then(|| token::server_session(pipe).ok()).flatten();
        let has_user = matches!(process, Some(Seen::This | Seen::Other(_, Some(_))));
        let may_serve = match all || !has_user {
            true => Some(MayServe::by_rules(&security::rules(pipe)?, owner, this)),
            false => None,
        };
        Ok(Self { owner, process_id, process, session, may_serve })
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
                Some(Seen::This) => true,
                Some(Seen::Other(_, Some(token))) => is_the_users(token),
                Some(Seen::Other(_, None)) | None => false,
            }
    }

    /// Returns what it says of the server of a pipe that was open by that moment: a process that was
    /// created later is not the server's, whose id it has.
    pub(super) fn server(&self, this: &Peer, opened: SystemTime) -> ServerIdentity {
        let &Self { owner, process_id, process: ref seen, session, may_serve } = self;
        let process_created = match seen {
            Some(Seen::This) => this.process_created,
            Some(Seen::Other(process, _)) => {
                process.created().ok().filter(|created| *created <= opened)
            }
            None => None,
        };
        let process = match seen {
            Some(Seen::This) => Some(*this),
            Some(Seen::Other(_, Some(token))) if process_created.is_some() => {
                Peer::of(token, process_id, process_created).ok()
            }
            Some(Seen::Other(..)) | None => None,
        };
        let may_serve = may_serve.unwrap_or(MayServe::Others);
        ServerIdentity { owner, process_id, process_created, session, process, may_serve }
    }
}

/// Returns whether processes of this level must not speak for the user to `this` one.
pub(super) fn is_sandbox_to(this: &Peer, level: IntegrityLevel) -> bool {
    level < this.integrity.min(IntegrityLevel::MEDIUM)
}
