//! The judgement of an open pipe's server: the questions, their order, and the result.

use std::{io, os::windows::io::AsHandle, time::SystemTime};

use tracing::warn;

use super::{
    ServerTrust,
    creators::MayServe,
    evidence::{Evidence, Questions, ServerIdentity},
    rule::Rule,
    service::Answer,
};
use crate::{
    error::{Error, Operation, UntrustedServer},
    name::PipeName,
    pipe::windows::{peer::Peer, stream::PipeHandle},
};

impl ServerTrust {
    /// Judges the server of an open pipe.
    ///
    /// # Errors
    ///
    /// [`Error::UntrustedServer`], or [`Error::Io`] if the operating system does not tell: an
    /// unknown server is not trusted.
    ///
    /// # Cancel safety
    ///
    /// A dropped future may leave a question to the service control manager or a look at two files
    /// on a blocking thread. Each ends by itself and holds nothing of the pipe. For another
    /// machine's pipe it may also leave a handle, for as long as a question to that machine takes.
    pub(in crate::pipe) async fn judge(
        &self,
        pipe: &PipeHandle,
        opened: SystemTime,
        name: &PipeName,
    ) -> Result<(), Error> {
        let unknown = |e| Error::io(Operation::Identify, Some(name), e);
        let local = name.is_local();
        if self.limits.are_none()
            && (matches!(self.rule, Rule::Any)
                || matches!(self.rule, Rule::SameUserOrPrivileged) && !local)
        {
            return Ok(());
        }
        let this = Peer::this_process().map_err(unknown)?;
        let judges = matches!(self.rule, Rule::Judge(_) | Rule::Service(_));
        let questions = Questions { local, all: judges || !self.limits.are_none() };
        let handle = pipe.as_handle();
        let evidence = if local {
            Evidence::of(handle, this.user, questions)
        } else {
            // For a pipe of another machine, GetSecurityInfo takes as long as the network does.
            let handle = handle.try_clone_to_owned().map_err(unknown)?;
            tokio::task::spawn_blocking(move || {
                Evidence::of(handle.as_handle(), this.user, questions)
            })
            .await
            .unwrap_or_else(|e| Err(io::Error::other(e)))
        }
        .map_err(unknown)?;
        if self.limits.are_none() && self.rule.trusts_user(&this) && evidence.are_plainly(&this) {
            return Ok(());
        }
        let server = evidence.server(&this, opened);
        let is_of_this_machine = matches!(self.rule, Rule::Service(_)) || !self.limits.are_none();
        let refusal = if is_of_this_machine && !local {
            Some(Refusal(Some("of another machine's processes nothing is known".to_owned())))
        } else {
            self.refuses(&server, &this).await.map_err(unknown)?
        };
        match refusal {
            None => Ok(()),
            Some(Refusal(reason)) => Err(untrusted(name, &server, reason)),
        }
    }

    /// Returns why the server is not trusted. The caller holds the evidence meanwhile.
    async fn refuses(&self, server: &ServerIdentity, this: &Peer) -> io::Result<Option<Refusal>> {
        let by_rule = match &self.rule {
            Rule::Service(name) => {
                Answer::of(name, server).await?.refuses(name, server).map(|why| Refusal(Some(why)))
            }
            rule => (!rule.trusts(server, this)).then_some(Refusal(None)),
        };
        match by_rule {
            None => Ok(self.limits.refuse(server, this).await?.map(|why| Refusal(Some(why)))),
            refusal => Ok(refusal),
        }
    }
}

/// A server is not trusted. The text gives the reason if the account alone does not explain it.
struct Refusal(Option<String>);

fn untrusted(name: &PipeName, server: &ServerIdentity, reason: Option<String>) -> Error {
    let (owner, process_id) = (server.owner, server.process_id);
    let user = server.account.as_ref().map(|process| process.user);
    let others_may_serve = user.is_none() && server.may_serve != MayServe::OwnerAlone;
    warn!(pipe = %name, ?owner, ?user, ?process_id, ?reason, "the server is not trusted");
    let pipe = name.clone();
    Error::UntrustedServer(Box::new(UntrustedServer {
        pipe,
        owner,
        user,
        uid: None,
        process_id,
        others_may_serve,
        reason,
    }))
}
