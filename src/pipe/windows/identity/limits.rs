//! The limits of a rule: the session of the server, and the file that it was started from.

use std::{env, io, path::Path, sync::Arc};

use super::evidence::ServerIdentity;
use crate::pipe::windows::peer::Peer;

/// The limits of a rule. A server must be within all of them.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) session: Option<Session>,
    pub(super) image: Option<Image>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    OfThisProcess,
    Id(u32),
}

#[derive(Debug, Clone)]
pub(super) enum Image {
    OfThisProcess,
    At(Arc<Path>),
}

impl Limits {
    pub(super) const fn none() -> Self {
        Self { session: None, image: None }
    }

    pub(super) const fn are_none(&self) -> bool {
        self.session.is_none() && self.image.is_none()
    }

    /// Returns why a server is not within the limits.
    ///
    /// # Errors
    ///
    /// The operating system's error for the file that the server must be started from.
    ///
    /// # Cancel safety
    ///
    /// A dropped future may leave a look at two files, which ends by itself.
    pub(super) async fn refuse(
        &self,
        server: &ServerIdentity,
        this: &Peer,
    ) -> io::Result<Option<String>> {
        if let Some(reason) = self.session.and_then(|session| session.refuses(server, this)) {
            return Ok(Some(reason));
        }
        match &self.image {
            Some(image) => image.refuses(server).await,
            None => Ok(None),
        }
    }
}

impl Session {
    fn refuses(self, server: &ServerIdentity, this: &Peer) -> Option<String> {
        let wanted = match self {
            Self::OfThisProcess => this.session,
            Self::Id(id) => id,
        };
        match server.session {
            Some(session) if session == wanted => None,
            Some(session) => Some(format!("it is in session {session} and not {wanted}")),
            None => Some("its session is unknown".to_owned()),
        }
    }
}

impl Image {
    async fn refuses(&self, server: &ServerIdentity) -> io::Result<Option<String>> {
        let process = match server.process() {
            Ok(process) => process,
            Err(e) => return Ok(Some(format!("its program is unknown: {e}"))),
        };
        let wanted = match self {
            Self::OfThisProcess => env::current_exe()?.into(),
            Self::At(path) => Arc::clone(path),
        };
        // The files may be on another machine of the network.
        let look = move || {
            let image = process.image_path()?;
            Ok(match process.has_image(&wanted)? {
                true => None,
                false => {
                    Some(format!("its program is {} and not {}", image.display(), wanted.display()))
                }
            })
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_else(|e| Err(io::Error::other(e)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::windows::identity::creators::MayServe;

    fn server(session: Option<u32>) -> ServerIdentity {
        ServerIdentity {
            owner: None,
            process_id: Some(8),
            process_created: None,
            session,
            account: None,
            may_serve: MayServe::OwnerAlone,
        }
    }

    async fn refusal(limits: Limits, server: ServerIdentity) -> Option<String> {
        limits.refuse(&server, &Peer::this_process().unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_server_is_in_the_session_or_refused() {
        let this = Peer::this_process().unwrap().session;
        let of = |session| Limits { session: Some(session), ..Limits::none() };
        assert_eq!(refusal(of(Session::OfThisProcess), server(Some(this))).await, None);
        assert_eq!(refusal(of(Session::Id(7)), server(Some(7))).await, None);
        for (session, wanted) in [(Session::OfThisProcess, this), (Session::Id(7), 7)] {
            let refused = refusal(of(session), server(Some(wanted + 1))).await;
            let reason = format!("it is in session {} and not {wanted}", wanted + 1);
            assert_eq!(refused, Some(reason));
            let refused = refusal(of(session), server(None)).await;
            assert_eq!(refused.as_deref(), Some("its session is unknown"));
        }
    }

    #[tokio::test]
    async fn a_server_whose_process_is_unknown_is_refused_where_its_program_counts() {
        let exe = env::current_exe().unwrap();
        for image in [Image::OfThisProcess, Image::At(exe.into())] {
            let limits = Limits { image: Some(image), ..Limits::none() };
            let nobody = ServerIdentity { process_id: None, ..server(None) };
            let reason = refusal(limits, nobody).await.unwrap();
            assert_eq!(reason, "its program is unknown: it is not known which process the peer is");
        }
    }

    #[tokio::test]
    async fn without_limits_everybody_is_within_them() {
        assert!(Limits::none().are_none());
        assert_eq!(refusal(Limits::none(), server(None)).await, None);
    }
}
