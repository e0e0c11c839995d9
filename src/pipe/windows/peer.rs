//! Who is at the other end, and how far to rely on that.

use std::{fmt, io, os::windows::io::AsHandle, sync::OnceLock, time::SystemTime};

use super::{
    process::PeerProcess,
    sys::{
        self, Code,
        token::{self, Token},
    },
};
use crate::sid::Sid;

/// The account that a process runs as: on the server's side the client of a pipe, on the client's
/// side the server.
///
/// # What it is worth
///
/// For a client, every field except [`process_id`](Self::process_id) comes from the token that the
/// operating system keeps for the pipe. A client cannot forge this token. It tells who opened the
/// pipe. For a client that asks for dynamic tracking, it tells who wrote the data that was read
/// last. It does not tell who writes next: a process can hand its end on to another.
///
/// For a server, the fields come from the process whose id is that of the process that created the
/// instance. An id can be given to another process after its process has ended, and a handle can
/// have been handed on. So this is evidence in addition to the owner of the pipe, and not enough
/// alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The id of the process, where the operating system tells it. The id can be forged and goes
    /// stale: the process may have ended or handed the pipe on, and another process may have its id
    /// by now. Use it for logs, and decide nothing by it. [`process`](Self::process) says more.
    pub process_id: Option<u32>,
    /// When that process was created, if it could be seen and was older than the connection.
    pub(in crate::pipe) process_created: Option<SystemTime>,
    /// The terminal services session.
    pub session: u32,
    /// The user.
    pub user: Sid,
    /// How far the process is trusted to write to its user's objects.
    pub integrity: IntegrityLevel,
    /// Whether the user's rights are raised, as "Run as administrator" does.
    pub elevated: bool,
    /// Whether the process has the rights of an administrator now. An administrator who is not
    /// elevated does not have them.
    pub administrator: bool,
}

impl Peer {
    /// Returns the client of a pipe that was open by the moment `opened`.
    ///
    /// The calling thread acts as the client for the time of two system calls, inside this call.
    /// Afterwards it always acts as before: if the operating system refuses that, the process ends.
    pub(in crate::pipe) fn client_of(
        server: &impl AsHandle,
        opened: SystemTime,
    ) -> io::Result<Self> {
        let server = server.as_handle();
        let token = Token::of_client(server)?;
        let id = token::client_process_id(server).ok();
        let process = id.filter(|_| !sys::client_is_remote(server)).and_then(|id| {
            let process = PeerProcess::as_of(id, opened).ok()?;
            let same = token::client_process_id(server).is_ok_and(|again| again == id);
            same.then_some(process)
        });
        Self::of(&token, id, process.map(|process| process.created()))
    }

    /// Returns this process. The system is asked once: a process keeps its user, and asking costs
    /// as much as opening a pipe.
    pub(in crate::pipe) fn this_process() -> io::Result<Self> {
        static THIS: OnceLock<Peer> = OnceLock::new();
        if let Some(this) = THIS.get() {
            return Ok(this.clone());
        }
        let id = std::process::id();
        let created = sys::process::Process::open(id)?.created()?;
        let this = Self::of(&Token::of_this_process()?, Some(id), Some(created))?;
        Ok(THIS.get_or_init(|| this).clone())
    }

    pub(in crate::pipe) fn of(
        token: &Token,
        process_id: Option<u32>,
        process_created: Option<SystemTime>,
    ) -> io::Result<Self> {
        Ok(Self {
            process_id,
            process_created,
            session: token.session()?,
            user: token.user()?,
            integrity: IntegrityLevel::new(token.integrity()?),
            elevated: token.is_elevated()?,
            administrator: token.is_member(Sid::ADMINISTRATORS)?,
        })
    }

    /// Returns whether the peer's user is the user that this process runs as, elevated or not.
    /// Returns false if that cannot be found out.
    #[must_use]
    pub fn is_same_user(&self) -> bool {
        Self::this_process().is_ok_and(|this| this.user == self.user)
    }

    /// Returns the system's identifier of the user as text: here the [`user`](Self::user), such as
    /// `S-1-5-21-1-2-3-1001`, and on Unix the number.
    #[must_use]
    pub fn user_id(&self) -> String {
        self.user.to_string()
    }

    /// Returns the peer's process. While this is held, no other process gets its id.
    ///
    /// This process had the id when the peer was identified, and already had it before the
    /// connection was accepted (a client's process) or opened (a server's process). A process that
    /// was created later, or has taken the id over since, is recognized by its creation time and is
    /// an error.
    ///
    /// # What it is worth
    ///
    /// It is as reliable as the id that the pipe tells. The operating system records that id when
    /// an end is opened, and as far as is known a client of this machine does not choose it. But a
    /// process can open an end, hand it on to another, and end. If another process has its id
    /// before `accept` has seen the client, this returns that other process. A client that comes
    /// through the network, from this machine or another, states an id of its own choice; its
    /// process is never found. So use this to find out which program calls. It does not replace the
    /// [`user`](Self::user): [`PeerProcess`].
    ///
    /// # Errors
    ///
    /// `NotFound`: the process has ended, or another process has its id by now. Also if, when the
    /// peer was identified, the process could not be seen or was not older than the connection, as
    /// after the clock was set back. The error of `OpenProcess`: `ERROR_INVALID_PARAMETER` (87) if
    /// no process has the id, and `ERROR_ACCESS_DENIED` (5) if this process may not look into it.
    /// For example, an ordinary user's process may not look into another user's process.
    pub fn process(&self) -> io::Result<PeerProcess> {
        PeerProcess::again(self.process_id, self.process_created)
    }

    /// Returns the name of the user's account, as `DOMAIN\name`.
    ///
    /// It asks the local security authority, which may ask a domain controller. The call can take
    /// as long as the network does, so make it on a blocking thread.
    ///
    /// # Errors
    ///
    /// The error of `LookupAccountSidW`: `ERROR_NONE_MAPPED` (1332) if the account has no name.
    pub fn account_name(&self) -> io::Result<String> {
        token::account_name(self.user)
    }
}

/// Returns whether a client could not be identified because it shows who it is with what it writes,
/// and nothing was read from it yet.
pub(in crate::pipe) fn shows_itself_later(error: &io::Error) -> bool {
    Code::of(error) == Code::NothingRead
}

/// A process's integrity level. A process cannot write to objects of a higher level, whoever its
/// user is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntegrityLevel(u32);

impl IntegrityLevel {
    /// The level of a process that nobody vouches for.
    pub const UNTRUSTED: Self = Self(0);
    /// A sandbox, such as a browser's or an app container.
    pub const LOW: Self = Self(0x1000);
    /// An ordinary process.
    pub const MEDIUM: Self = Self(0x2000);
    /// An elevated process.
    pub const HIGH: Self = Self(0x3000);
    /// A system process.
    pub const SYSTEM: Self = Self(0x4000);

    pub(in crate::pipe) const fn new(level: u32) -> Self {
        Self(level)
    }
}

impl fmt::Display for IntegrityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UNTRUSTED => f.write_str("untrusted"),
            Self::LOW => f.write_str("low"),
            Self::MEDIUM => f.write_str("medium"),
            Self::HIGH => f.write_str("high"),
            Self::SYSTEM => f.write_str("system"),
            Self(other) => write!(f, "{other:#06x}"),
        }
    }
}

impl fmt::Debug for IntegrityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IntegrityLevel({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_process(id: u32) -> io::Result<Peer> {
        let process = sys::process::Process::open(id)?;
        Peer::of(&Token::of_process(&process)?, Some(id), Some(process.created()?))
    }

    #[test]
    fn this_process_has_a_user_and_a_level() {
        let this = Peer::this_process().unwrap();
        assert_eq!(this.process_id, Some(std::process::id()));
        assert!(this.user.to_string().starts_with("S-1-5-"), "{this:?}");
        assert!(this.integrity >= IntegrityLevel::LOW, "{this:?}");
        assert_eq!(of_process(std::process::id()).unwrap(), this);
    }

    #[test]
    fn this_processs_account_has_a_name() {
        let name = Peer::this_process().unwrap().account_name().unwrap();
        let user = std::env::var("USERNAME").unwrap();
        assert!(name.to_lowercase().ends_with(&user.to_lowercase()), "{name} is not {user}");
    }

    #[test]
    fn an_account_that_does_not_exist_has_no_name() {
        let user = "S-1-5-21-1-2-3-4".parse().unwrap();
        let nobody = Peer { user, ..Peer::this_process().unwrap() };
        assert_eq!(nobody.account_name().unwrap_err().raw_os_error(), Some(1332));
    }

    #[test]
    fn a_process_that_does_not_exist_is_an_error() {
        // Ids are multiples of four.
        let error = of_process(u32::MAX - 3).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(87));
    }

    #[test]
    fn levels_are_ordered_and_have_names() {
        assert!(IntegrityLevel::LOW < IntegrityLevel::MEDIUM);
        assert_eq!(IntegrityLevel::HIGH.to_string(), "high");
        assert_eq!(IntegrityLevel(0x2100).to_string(), "0x2100");
    }
}
