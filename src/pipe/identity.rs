//! Whom a client takes for the server that it means, judged on the open pipe before the first byte.

mod creators;
mod evidence;
mod rule;

use std::{fmt, io, os::windows::io::AsHandle, sync::Arc};

use tracing::warn;

pub use self::{creators::MayServe, evidence::ServerIdentity};
use self::{evidence::Evidence, rule::Rule};
use super::{peer::Peer, stream::PipeStream};
use crate::{
    error::{Error, Operation, UntrustedServer},
    name::PipeName,
    sid::Sid,
};

/// Whom a client trusts to be the server. A pipe's name says nothing of that: whoever is first to
/// create it has it.
///
/// # How it is judged
///
/// On the open pipe, before a byte is sent, by two witnesses that must not contradict the rule: the
/// pipe's owner, and the user of the process that created the instance. The second is often out of
/// sight, since an ordinary user may not look into a service's process; then the owner alone
/// decides, which nobody can set to somebody else. The process alone decides only where the pipe
/// has no owner, which is so under Wine.
///
/// The owner is the pipe's, not the instance's: where the pipe's access rules let others create
/// instances ([`MayServe`]), the owner alone proves nothing, and a server whose process is out of
/// sight is refused. A service's rules should grant its clients `0x12019b` and not `GENERIC_WRITE`,
/// which contains that right; [`Access`](crate::security::Access) does so.
///
/// A service that runs as LocalService, NetworkService or a virtual account (`NT SERVICE\name`) is
/// neither SYSTEM nor an administrator, so no rule but [`user`](Self::user) trusts it.
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
/// use npipes::{ConnectOptions, security::ServerTrust};
///
/// let options = ConnectOptions::new().server_trust(ServerTrust::system_or_administrators());
/// let connection = options.connect("orders").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct ServerTrust(Rule);

impl ServerTrust {
    /// Trusts this process's user, SYSTEM and administrators, who own the machine anyway. On a pipe
    /// of another machine it checks nothing. This is the default.
    pub const fn same_user_or_privileged() -> Self {
        Self(Rule::SameUserOrPrivileged)
    }

    /// Trusts this process's user only.
    pub const fn same_user() -> Self {
        Self(Rule::SameUser)
    }

    /// Trusts SYSTEM and administrators only.
    pub const fn system_or_administrators() -> Self {
        Self(Rule::Privileged)
    }

    /// Trusts this user only, a service's account for instance: `S-1-5-19` is LocalService, `S-1-5-20`
    /// NetworkService, and `sc.exe showsid NAME` tells a virtual account's.
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
        Self(Rule::User(sid))
    }

    /// Trusts whom `judge` returns true for. It is called on the runtime's thread and should not
    /// block; a panic is the caller's.
    pub fn judged_by<F>(judge: F) -> Self
    where
        F: Fn(&ServerIdentity) -> bool + Send + Sync + 'static,
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
        if matches!(self.0, Rule::Any) || (matches!(self.0, Rule::SameUserOrPrivileged) && !local) {
            return Ok(());
        }
        let this = Peer::this_process().map_err(unknown)?;
        let (user, all) = (this.user, matches!(self.0, Rule::Judge(_)));
        let handle = pipe.as_handle();
        let evidence = if local {
            Evidence::of(handle, local, user, all)
        } else {
            // Through the network GetSecurityInfo takes as long as the network does.
            let handle = handle.try_clone_to_owned().map_err(unknown)?;
            tokio::task::spawn_blocking(move || Evidence::of(handle.as_handle(), local, user, all))
                .await
                .unwrap_or_else(|e| Err(io::Error::other(e)))
        }
        .map_err(unknown)?;
        if self.0.trusts_user(&this) && evidence.are_plainly(&this) {
            return Ok(());
        }
        let server = evidence.server(&this);
        if self.0.trusts(&server, &this) {
            return Ok(());
        }
        let (owner, process_id) = (server.owner, server.process_id);
        let user = server.process.map(|process| process.user);
        let others_may_serve = user.is_none() && server.may_serve != MayServe::OwnerAlone;
        warn!(pipe = %name, ?owner, ?user, ?process_id, "the server is not trusted");
        let pipe = name.clone();
        Err(Error::UntrustedServer(Box::new(UntrustedServer {
            pipe,
            owner,
            user,
            process_id,
            others_may_serve,
        })))
    }
}

impl Default for ServerTrust {
    fn default() -> Self {
        Self::same_user_or_privileged()
    }
}

impl fmt::Debug for ServerTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::SameUserOrPrivileged => f.write_str("ServerTrust(usual)"),
            Rule::SameUser => f.write_str("ServerTrust(same user)"),
            Rule::Privileged => f.write_str("ServerTrust(system or administrators)"),
            Rule::User(sid) => write!(f, "ServerTrust({sid})"),
            Rule::Judge(_) => f.write_str("ServerTrust(judged)"),
            Rule::Any => f.write_str("ServerTrust(any)"),
        }
    }
}
