//! The checks before a client is handed out: who it is, and whether it has sent something.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use crate::{
    name::PipeName,
    pipe::{
        imp::{self, Arrival, Peer, Server},
        pending::Pending,
    },
};

/// A connected client whose admission is not decided. It gives the server's end if the client is
/// admitted.
pub(super) type Candidate = Pending<Option<Arrival>>;

/// Whether a client is admitted.
pub(super) type Filter = dyn Fn(&Peer) -> bool + Send + Sync;

/// The conditions of a listener.
#[derive(Clone)]
pub(super) struct Admission {
    pub(super) filter: Option<Arc<Filter>>,
    pub(super) handshake: Option<Duration>,
}

impl Admission {
    /// The most clients that are undecided at once. One more pushes out the client that has been
    /// silent for the longest. So the cost of silent clients has a limit, and a client that speaks
    /// is decided before them.
    pub(super) const MAX_CANDIDATES: usize = 256;

    /// How long the filter waits, if no time is set, for the first byte of a client that shows who
    /// it is only with its writes.
    const DEFAULT_HANDSHAKE: Duration = Duration::from_secs(5);

    pub(super) const fn none() -> Self {
        Self { filter: None, handshake: None }
    }

    /// Begins to decide on a client that has just connected.
    pub(super) fn examine(&self, arrival: Arrival, pipe: &PipeName) -> Candidacy {
        if self.filter.is_none() && self.handshake.is_none() {
            return Candidacy::Admitted(arrival);
        }
        let conditions = self.clone();
        let pipe = pipe.clone();
        Candidacy::Undecided(Pending::new(async move {
            let server = &arrival.server;
            let wait = conditions.handshake.unwrap_or(Self::DEFAULT_HANDSHAKE);
            let deadline = Instant::now().checked_add(wait);
            if conditions.handshake.is_some() && !speaks(server, deadline).await {
                debug!(%pipe, "dropped a client that says nothing");
                return None;
            }
            let Some(filter) = conditions.filter else {
                return Some(arrival);
            };
            let mut peer = Peer::client_of(server, arrival.seen);
            if peer.as_ref().is_err_and(imp::shows_itself_later) && speaks(server, deadline).await {
                peer = Peer::client_of(server, arrival.seen);
            }
            match peer {
                Ok(peer) if filter(&peer) => Some(arrival),
                Ok(peer) => {
                    warn!(%pipe, user = %peer.user_id(), process = peer.process_id, "refused a client");
                    None
                }
                Err(error) => {
                    warn!(%pipe, %error, "refused a client that cannot be identified");
                    None
                }
            }
        }))
    }
}

/// Waits until something has arrived from the client, or the client has left. Returns false at the
/// deadline.
async fn speaks(server: &Server, deadline: Option<Instant>) -> bool {
    match deadline {
        Some(deadline) => timeout_at(deadline, imp::speaks(server)).await.is_ok(),
        None => imp::speaks(server).await.is_ok(),
    }
}

pub(super) enum Candidacy {
    Admitted(Arrival),
    Undecided(Candidate),
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("filter", &self.filter.as_ref().map(|_| ".."))
            .field("handshake", &self.handshake)
            .finish()
    }
}
