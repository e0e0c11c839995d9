//! Which servers a client trusts. The client judges the open pipe before it sends the first byte.

mod creators;
mod evidence;
mod limits;
mod rule;
mod service;
mod verdict;

use std::{fmt, path::PathBuf, sync::Arc};

pub use self::{creators::MayServe, evidence::ServerIdentity};
use self::{
    limits::{Image, Limits, Session},
    rule::Rule,
};
use crate::sid::Sid;

/// Which server a client trusts. A pipe's name does not tell who the server is: any program can be
/// the first to create it.
///
/// # How it is judged
///
/// The client judges the open pipe before it sends a byte. It looks at two facts, and neither may
/// contradict the rule: the pipe's owner, and the user of the process that created the instance.
/// The process often cannot be seen, because an ordinary user may not look into a service's
/// process. Then the owner alone decides; nobody can set the owner to another user. The process
/// alone decides only where the pipe has no owner, which happens under Wine.
///
/// The owner is that of the pipe, not of the instance. Where the pipe's access rules let others
/// create instances ([`MayServe`]), the owner alone proves nothing, and a server whose process
/// cannot be seen is refused. A service's rules should grant its clients `0x12019b` and not
/// `GENERIC_WRITE`, which contains the right to create instances.
/// [`Access`](crate::security::Access) does so.
///
/// A service that runs as LocalService, NetworkService or a virtual account (`NT SERVICE\name`) is
/// neither SYSTEM nor an administrator. So only the rules [`service`](Self::service) and
/// [`user`](Self::user) trust it.
///
/// Elevated and other processes of one user count as the same user. A server of this crate names
/// its user as the pipe's owner. The pipe of another server, if that is elevated, may be owned by
/// the group of administrators; then the process must be seen to be the user's. A sandbox
/// (integrity below medium) does not count as its user for a client that is not in a sandbox.
///
/// An owner that looks like an ordinary user may be an administrator who runs elevated. The client
/// believes this if it sees that the process is that user's and has the rights of an administrator.
///
/// # Rules and limits
///
/// A rule names accounts, or a service, which stands for its account. There is one rule, and it
/// decides alone. The methods that begin with `and_` limit it: a server must be what the rule
/// trusts *and* be in the session *and* be started from the file. The limits are no rules of their
/// own, because every user may have processes in any of their own sessions, and may start any
/// program that they can read. Services and limits concern this machine only: with them a pipe of
/// another machine is refused.
///
/// # Examples
///
/// ```no_run
/// # async fn order() -> Result<(), npipes::Error> {
/// use npipes::{ConnectOptions, security::ServerTrust};
///
/// let options = ConnectOptions::new().server_trust(ServerTrust::system_or_administrators());
/// let connection = options.connect("orders").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct ServerTrust {
    rule: Rule,
    limits: Limits,
}

impl ServerTrust {
    /// Trusts this process's user, SYSTEM and administrators, who control the machine anyway. On a
    /// pipe of another machine it checks nothing. This is the default.
    pub const fn same_user_or_privileged() -> Self {
        Self::by(Rule::SameUserOrPrivileged)
    }

    /// Trusts this process's user only.
    pub const fn same_user() -> Self {
        Self::by(Rule::SameUser)
    }

    /// Trusts SYSTEM and administrators only.
    pub const fn system_or_administrators() -> Self {
        Self::by(Rule::Privileged)
    }

    /// Trusts this user only, for example a service's account: `S-1-5-19` is LocalService,
    /// `S-1-5-20` is NetworkService, and `sc.exe showsid NAME` shows that of a virtual account.
    ///
    /// # Examples
    ///
    /// ```
    /// use npipes::{ConnectOptions, security::ServerTrust};
    ///
    /// let local_service = "S-1-5-19".parse()?;
    /// let options = ConnectOptions::new().server_trust(ServerTrust::user(local_service));
    /// # Ok::<(), npipes::Error>(())
    /// ```
    pub const fn user(sid: Sid) -> Self {
        Self::by(Rule::User(sid))
    }

    /// Trusts the Windows service of this name, for any account that it runs as. The name is the
    /// one that `sc.exe` takes, not the display name.
    ///
    /// The client asks the service control manager which process the service runs in. That must be
    /// the process that created the pipe's instance. The pipe's owner must not contradict: it must
    /// be the service's account, SYSTEM or administrators. The service's account is that of the
    /// process. If the process cannot be seen, it is the account that the service is set to run as.
    /// An ordinary user may ask for both, unless the access rules of the service say otherwise.
    ///
    /// Services that share a process, as many of Windows' own do, count as one. Only administrators
    /// can set up a service. If it does not exist or does not run, nobody is trusted.
    ///
    /// The client asks the manager by a remote procedure call, on a blocking thread, after the pipe
    /// was opened. This adds to the time that connecting takes.
    ///
    /// # Examples
    ///
    /// ```
    /// use npipes::{ConnectOptions, security::ServerTrust};
    ///
    /// let options = ConnectOptions::new().server_trust(ServerTrust::service("OrdersAgent"));
    /// ```
    pub fn service(name: impl Into<String>) -> Self {
        Self::by(Rule::Service(name.into().into()))
    }

    /// Trusts the servers for which `judge` returns true. `judge` is called on the runtime's thread
    /// and should not block; asking for the files of programs can block. A panic of `judge` reaches
    /// the caller.
    pub fn judged_by<F>(judge: F) -> Self
    where
        F: Fn(&ServerIdentity) -> bool + Send + Sync + 'static,
    {
        Self::by(Rule::Judge(Arc::new(judge)))
    }

    /// Trusts any server: whoever was first to create the pipe, which may be any program of any
    /// user.
    pub const fn any_without_check() -> Self {
        Self::by(Rule::Any)
    }

    /// Limits the rule to servers of this process's terminal services session. For example, a tray
    /// icon and its agent of one logon are in one session. Services are in session 0.
    ///
    /// The operating system records the session when the instance is created. This limit keeps
    /// apart the logons of one user, and the logons of two users that the rule trusts.
    ///
    /// # Examples
    ///
    /// ```
    /// use npipes::{ConnectOptions, security::ServerTrust};
    ///
    /// let trust = ServerTrust::same_user().and_same_session().and_same_image();
    /// let options = ConnectOptions::new().server_trust(trust);
    /// ```
    pub const fn and_same_session(mut self) -> Self {
        self.limits.session = Some(Session::OfThisProcess);
        self
    }

    /// Limits the rule to servers of this terminal services session.
    pub const fn and_session(mut self, id: u32) -> Self {
        self.limits.session = Some(Session::Id(id));
        self
    }

    /// Limits the rule to servers that were started from the same file as this process:
    /// [`and_image`](Self::and_image).
    pub fn and_same_image(mut self) -> Self {
        self.limits.image = Some(Image::OfThisProcess);
        self
    }

    /// Limits the rule to servers that were started from the file with this path.
    ///
    /// The files are compared and not the paths; a copy is another file. This process must be able
    /// to see the server's process; an ordinary user cannot see that of a service. Anybody who may
    /// write to the server's process, or to the folder of the program, can get around this. So it
    /// keeps apart programs that mean no harm, and does not guard against another program of the
    /// same user: [`PeerProcess`](crate::security::PeerProcess).
    pub fn and_image(mut self, path: impl Into<PathBuf>) -> Self {
        self.limits.image = Some(Image::At(path.into().into()));
        self
    }

    const fn by(rule: Rule) -> Self {
        Self { rule, limits: Limits::none() }
    }
}

impl Default for ServerTrust {
    fn default() -> Self {
        Self::same_user_or_privileged()
    }
}

impl fmt::Debug for ServerTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Rule::SameUserOrPrivileged => f.write_str("ServerTrust(same user or privileged")?,
            Rule::SameUser => f.write_str("ServerTrust(same user")?,
            Rule::Privileged => f.write_str("ServerTrust(system or administrators")?,
            Rule::User(sid) => write!(f, "ServerTrust({sid}")?,
            Rule::Service(name) => write!(f, "ServerTrust(service {name}")?,
            Rule::Judge(_) => f.write_str("ServerTrust(judged")?,
            Rule::Any => f.write_str("ServerTrust(any")?,
        }
        match self.limits.session {
            Some(Session::OfThisProcess) => f.write_str(", same session")?,
            Some(Session::Id(id)) => write!(f, ", session {id}")?,
            None => {}
        }
        match &self.limits.image {
            Some(Image::OfThisProcess) => f.write_str(", same image")?,
            Some(Image::At(path)) => write!(f, ", image {}", path.display())?,
            None => {}
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_shown_with_its_limits() {
        let shown = |trust: ServerTrust| format!("{trust:?}");
        assert_eq!(shown(ServerTrust::default()), "ServerTrust(same user or privileged)");
        assert_eq!(
            shown(ServerTrust::service("Spooler").and_session(0)),
            "ServerTrust(service Spooler, session 0)"
        );
        assert_eq!(
            shown(ServerTrust::same_user().and_same_session().and_same_image()),
            "ServerTrust(same user, same session, same image)"
        );
        assert_eq!(
            shown(ServerTrust::system_or_administrators().and_image("agent.exe")),
            "ServerTrust(system or administrators, image agent.exe)"
        );
    }
}
