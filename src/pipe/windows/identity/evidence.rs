//! What the operating system tells about a pipe's server.

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
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerIdentity {
    /// The owner of the pipe, who created its first instance or allowed it. The operating system
    /// guarantees that. If an administrator runs elevated, the owner may be the group
    /// [`Sid::ADMINISTRATORS`]. Only Wine has pipes without an owner.
    pub owner: Option<Sid>,
    /// The id of the process that created this instance. That process may have ended, and another
    /// process may have its id by now. [`process()`](Self::process) says more.
    pub process_id: Option<u32>,
    /// When that process was created, if it could be seen and was older than the open pipe.
    pub(super) process_created: Option<SystemTime>,
    /// The terminal services session in which the process created this instance, as the operating
    /// system recorded it at that moment. `None` for a pipe of another machine.
    pub session: Option<u32>,
    /// The account that the process runs as. `None` where this process may not know it: for
    /// example, an ordinary user's process may not know that of a system service. `None` also for a
    /// pipe of another machine.
    pub account: Option<Peer>,
    /// Who may create instances by the pipe's rules, and so be the server. If anybody but the owner
    /// may, the owner alone proves nothing.
    pub may_serve: MayServe,
}

impl ServerIdentity {
    /// Returns who serves a pipe that was open by that moment, by every question that can be asked.
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

    /// Returns the process that has the id that the pipe tells. While this is held, no other
    /// process gets its id.
    ///
    /// This process had the id when the server was judged, and already had it before the pipe was
    /// open. This does not prove that it created the instance: the process that did may have handed
    /// the instance on and ended before, and another process may have got the id.
    ///
    /// # Errors
    ///
    /// As [`Peer::process`].
    pub fn process(&self) -> io::Result<PeerProcess> {
        PeerProcess::again(self.process_id, self.process_created)
    }
}

/// How much to ask about a pipe's server. Each question is a system call for which a connect waits,
/// so only what the verdict needs is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Questions {
    /// Whether the pipe is one of this machine. The ids of another machine mean other processes
    /// here.
    pub(super) local: bool,
    /// Whether to ask every question.
    pub(super) all: bool,
}

/// The owner of a pipe and the process that serves it; the process is held.
pub(super) struct Evidence {
    owner: Option<Sid>,
    process_id: Option<u32>,
    process: Option<Seen>,
    session: Option<u32>,
    /// `None` where the verdict does not need it.
    may_serve: Option<MayServe>,
}

enum Seen {
    /// This process, about which everything is known.
    This,
    /// Another process, with its token if this process may ask for that.
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

    /// Returns whether owner and process are both this process's user, as for most servers. Where
    /// the rule trusts that user, the other facts of a token cannot change the verdict.
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

    /// Returns what the evidence tells about the server of a pipe that was open by that moment. A
    /// process that was created later is not the server's process, though it has its id.
    pub(super) fn server(&self, this: &Peer, opened: SystemTime) -> ServerIdentity {
        let &Self { owner, process_id, process: ref seen, session, may_serve } = self;
        let process_created = match seen {
            Some(Seen::This) => this.process_created,
            Some(Seen::Other(process, _)) => {
                process.created().ok().filter(|created| *created <= opened)
            }
            None => None,
        };
        let account = match seen {
            Some(Seen::This) => Some(this.clone()),
            Some(Seen::Other(_, Some(token))) if process_created.is_some() => {
                Peer::of(token, process_id, process_created).ok()
            }
            Some(Seen::Other(..)) | None => None,
        };
        let may_serve = may_serve.unwrap_or(MayServe::Others);
        ServerIdentity { owner, process_id, process_created, session, account, may_serve }
    }
}

/// Returns whether `this` process must not take a process of this level for its user.
pub(super) fn is_sandbox_to(this: &Peer, level: IntegrityLevel) -> bool {
    level < this.integrity.min(IntegrityLevel::MEDIUM)
}
