//! Why no connection was made, or why the server is not trusted.

use std::{error, fmt, io, time::Duration};

use thiserror::Error as ThisError;

use crate::{name::PipeName, sid::Sid};

/// How often connecting was tried, and why the attempts failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Attempts {
    /// Times the server had no free instance (`ERROR_PIPE_BUSY`, 231).
    pub busy: u32,
    /// Times there was no such pipe (`ERROR_FILE_NOT_FOUND`, 2), or its server closed it before it
    /// could be judged.
    pub not_found: u32,
    /// Times access was denied (`ERROR_ACCESS_DENIED`, 5).
    pub access_denied: u32,
    /// Times something else went wrong.
    pub other: u32,
    /// Times the deadline passed before another machine answered: at most once.
    pub unanswered: u32,
}

impl Attempts {
    /// Returns the number of attempts, all of which failed.
    #[must_use]
    pub fn total(&self) -> u32 {
        [self.busy, self.not_found, self.access_denied, self.other, self.unanswered]
            .into_iter()
            .fold(0, u32::saturating_add)
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes = [
            ("busy", self.busy),
            ("not found", self.not_found),
            ("access denied", self.access_denied),
            ("another error", self.other),
            ("no answer", self.unanswered),
        ];
        let mut separator = "";
        for (cause, count) in causes.into_iter().filter(|&(_, count)| count > 0) {
            match count {
                1 => write!(f, "{separator}{cause} once")?,
                _ => write!(f, "{separator}{cause} {count} times")?,
            }
            separator = ", ";
        }
        Ok(())
    }
}

/// Why no connection was made.
///
/// Its text includes what the operating system reported last, and `source` continues below that.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectError {
    /// The pipe.
    pub pipe: PipeName,
    /// Time from the first attempt to the end of the last.
    pub elapsed: Duration,
    /// What was tried.
    pub attempts: Attempts,
    /// The time that connecting may take, if it was over.
    pub timeout: Option<Duration>,
    /// What the operating system reported last.
    pub source: io::Error,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pipe, attempts, timeout, source, .. } = self;
        write!(f, "connecting to {pipe} ")?;
        match timeout {
            Some(timeout) => write!(f, "timed out after {timeout:?}")?,
            None => f.write_str("failed")?,
        }
        write!(f, ", {attempts}: {source}")
    }
}

impl error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.source()
    }
}

/// The server of a pipe that a client does not trust: somebody else listens on the name, by
/// accident or on purpose. Nothing was sent to it.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error(
    "the server of {pipe} is not trusted: {}{}{}",
    Reason(.reason),
    Identity(.owner, .user, .uid, .process_id),
    if *.others_may_serve { ", and others may create instances of the pipe" } else { "" }
)]
#[non_exhaustive]
pub struct UntrustedServer {
    /// The pipe.
    pub pipe: PipeName,
    /// Who owns the pipe.
    pub owner: Option<Sid>,
    /// The user of the server's process, if this process may query it.
    pub user: Option<Sid>,
    /// On Unix: the number of the server's user.
    pub uid: Option<u32>,
    /// The server's process.
    pub process_id: Option<u32>,
    /// Whether the server's process is not known and the pipe's access rules let others than the
    /// owner create instances. Then the owner says nothing about who serves this instance.
    pub others_may_serve: bool,
    /// What the server is not, if a rule asks for more than an account: a service, a session, a
    /// program.
    pub reason: Option<String>,
}

struct Reason<'a>(&'a Option<String>);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(reason) => write!(f, "{reason}; "),
            None => Ok(()),
        }
    }
}

struct Identity<'a>(&'a Option<Sid>, &'a Option<Sid>, &'a Option<u32>, &'a Option<u32>);

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(owner, user, uid, process_id) = self;
        if let Some(uid) = uid {
            write!(f, "its user is {uid}")?;
            return match process_id {
                Some(id) => write!(f, ", its process {id}"),
                None => f.write_str(", its process is unknown"),
            };
        }
        match owner {
            Some(owner) => write!(f, "the pipe's owner is {owner}")?,
            None => f.write_str("the pipe has no owner")?,
        }
        match (process_id, user) {
            (Some(id), Some(user)) => write!(f, ", its process {id} runs as {user}"),
            (Some(id), None) => write!(f, ", the user of its process {id} is unknown"),
            (None, _) => f.write_str(", its process is unknown"),
        }
    }
}
