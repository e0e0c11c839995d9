//! A Windows service as the server. The service control manager tells the service's process.

use std::{io, sync::Arc};

use super::evidence::ServerIdentity;
use crate::{pipe::windows::sys::service, sid::Sid};

/// What the service control manager tells about a service.
#[derive(Debug)]
pub(super) enum Answer {
    NoSuchService,
    NotRunning,
    Runs {
        process_id: u32,
        /// The account that the service is set to run as, where that was asked.
        account: Option<Sid>,
    },
}

impl Answer {
    /// Asks on a thread that may block. It asks for the account where the server's process does not
    /// tell it.
    ///
    /// Call this after the pipe has told its server's process, and after that process is held, if
    /// that is allowed. Then the answer is compared with the process that has the id now.
    pub(super) async fn of(name: &Arc<str>, server: &ServerIdentity) -> io::Result<Self> {
        /// `ERROR_SERVICE_DOES_NOT_EXIST`.
        const NO_SUCH_SERVICE: i32 = 1060;
        let (name, wants_account) = (Arc::clone(name), server.account.is_none());
        let ask = move || {
            let Some(process_id) = service::process_id(&name)? else {
                return Ok(Self::NotRunning);
            };
            let account = wants_account.then(|| service::account(&name)).transpose()?;
            Ok(Self::Runs { process_id, account })
        };
        match tokio::task::spawn_blocking(ask).await.unwrap_or_else(|e| Err(io::Error::other(e))) {
            Err(e) if e.raw_os_error() == Some(NO_SUCH_SERVICE) => Ok(Self::NoSuchService),
            answer => answer,
        }
    }

    /// Returns why this is not the server of a pipe.
    ///
    /// The pipe's owner must not contradict. An id that was given to another process could become
    /// the service's by chance or by patience. But only the service's account and those who control
    /// the machine can create a pipe in its name.
    pub(super) fn refuses(&self, name: &str, server: &ServerIdentity) -> Option<String> {
        let (process_id, account) = match *self {
            Self::NoSuchService => return Some(format!("there is no service {name}")),
            Self::NotRunning => return Some(format!("the service {name} does not run")),
            Self::Runs { process_id, account } => (process_id, account),
        };
        if server.process_id != Some(process_id) {
            return Some(format!("the service {name} is process {process_id}"));
        }
        let user = server.account.as_ref().map(|process| process.user);
        let is_the_services = match server.owner {
            Some(owner) => {
                matches!(owner, Sid::SYSTEM | Sid::ADMINISTRATORS)
                    || user.or(account) == Some(owner)
            }
            None => user.is_some(),
        };
        (!is_the_services).then(|| match user.or(account) {
            Some(account) => format!("the service {name} runs as {account}"),
            None => format!("the account of the service {name} is unknown"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::windows::{
        identity::creators::MayServe,
        peer::{IntegrityLevel, Peer},
    };

    const OF_THE_SERVICE: Sid = Sid::EVERYONE;
    const OF_SOMEBODY: Sid = Sid::AUTHENTICATED_USERS;

    fn server(owner: impl Into<Option<Sid>>, user: Option<Sid>) -> ServerIdentity {
        let process = user.map(|user| Peer {
            process_id: Some(8),
            process_created: None,
            session: 0,
            user,
            integrity: IntegrityLevel::SYSTEM,
            elevated: false,
            administrator: false,
        });
        ServerIdentity {
            owner: owner.into(),
            process_id: Some(8),
            process_created: None,
            session: Some(0),
            account: process,
            may_serve: MayServe::Others,
        }
    }

    fn runs(process_id: u32, account: impl Into<Option<Sid>>) -> Answer {
        Answer::Runs { process_id, account: account.into() }
    }

    #[track_caller]
    fn is_refused(answer: &Answer, server: &ServerIdentity, why: &str) {
        assert_eq!(answer.refuses("Spooler", server).as_deref(), Some(why));
    }

    #[test]
    fn the_process_that_the_manager_names_is_trusted() {
        let out_of_sight = server(OF_THE_SERVICE, None);
        assert_eq!(runs(8, OF_THE_SERVICE).refuses("Spooler", &out_of_sight), None);
        let seen = server(OF_THE_SERVICE, Some(OF_THE_SERVICE));
        assert_eq!(runs(8, None).refuses("Spooler", &seen), None);
        for owner in [Sid::SYSTEM, Sid::ADMINISTRATORS] {
            assert_eq!(runs(8, OF_THE_SERVICE).refuses("Spooler", &server(owner, None)), None);
        }
        assert_eq!(runs(8, None).refuses("Spooler", &server(None, Some(OF_THE_SERVICE))), None);
    }

    #[test]
    fn a_service_without_a_process_is_nobodys_server() {
        let server = server(OF_THE_SERVICE, None);
        is_refused(&Answer::NoSuchService, &server, "there is no service Spooler");
        is_refused(&Answer::NotRunning, &server, "the service Spooler does not run");
    }

    #[test]
    fn another_process_is_not_the_service() {
        let seen = server(OF_THE_SERVICE, Some(OF_THE_SERVICE));
        is_refused(&runs(12, None), &seen, "the service Spooler is process 12");
        let unknown = ServerIdentity { process_id: None, ..seen };
        is_refused(&runs(12, None), &unknown, "the service Spooler is process 12");
    }

    #[test]
    fn a_pipe_of_another_account_is_not_the_services_whatever_its_process_id() {
        let why = format!("the service Spooler runs as {OF_THE_SERVICE}");
        is_refused(&runs(8, OF_THE_SERVICE), &server(OF_SOMEBODY, None), &why);
        is_refused(&runs(8, None), &server(OF_SOMEBODY, Some(OF_THE_SERVICE)), &why);
        let why = "the account of the service Spooler is unknown";
        is_refused(&runs(8, None), &server(OF_SOMEBODY, None), why);
        is_refused(&runs(8, None), &server(None, None), why);
    }
}
