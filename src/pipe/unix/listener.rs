//! A listener's socket, and the clients that wait in its queue.

use std::{
    io,
    path::Path,
    task::{Context, Poll},
};

use tokio::net::UnixListener;
use tracing::{debug, warn};

use super::{Arrival, access::Access, claim::Claim};
use crate::{
    error::{Error, Operation},
    name::PipeName,
    pipe::{
        outage::Outages,
        places::{Place, Places},
    },
};

/// How a socket is made.
#[derive(Debug, Clone)]
pub(in crate::pipe) struct ListenSettings {
    access: Access,
}

impl ListenSettings {
    pub(in crate::pipe) const fn new() -> Self {
        Self { access: Access::current_user_and_system() }
    }

    pub(in crate::pipe) fn set_access(&mut self, access: Access) {
        self.access = access;
    }

    /// Returns whether the system keeps write boundaries: it never does.
    #[expect(clippy::unused_self, reason = "other systems have pipes that do")]
    pub(in crate::pipe) fn keeps_messages(&self) -> bool {
        false
    }
}

/// Takes possession of a name, and lets `size` clients connect.
pub(in crate::pipe) fn listen(
    name: &PipeName,
    settings: &ListenSettings,
    _: Option<u8>,
    size: u8,
    places: Places,
) -> Result<(Backlog, Claim), Error> {
    let Some((listener, claim)) = claim(name, settings, size)? else {
        return Err(Error::NameTaken { pipe: name.clone() });
    };
    let backlog = Backlog {
        name: name.clone(),
        listener,
        size: size.into(),
        places,
        place: None,
        full: false,
        outages: Outages::default(),
    };
    Ok((backlog, claim))
}

/// Takes possession of a name, and listens with a queue of `size` clients; `None` if another
/// process or listener has the name.
pub(super) fn claim(
    name: &PipeName,
    settings: &ListenSettings,
    size: u8,
) -> Result<Option<(UnixListener, Claim)>, Error> {
    let failed = |e| Error::io(Operation::Listen, Some(name), e);
    // Linux lets in one client more than the given number (af_unix.c: `unix_recvq_full`).
    let queue = i32::from(size) - i32::from(cfg!(any(target_os = "linux", target_os = "android")));
    let claimed = Claim::take(Path::new(name.as_str()), &settings.access, queue).map_err(failed)?;
    let Some((listener, claim)) = claimed else { return Ok(None) };
    Ok(Some((UnixListener::from_std(listener).map_err(failed)?, claim)))
}

/// Returns whether a client could not be accepted because it has left already, or because a signal
/// came (accept(2)).
pub(super) fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

/// The clients of a listener that have connected and were not accepted.
pub(in crate::pipe) struct Backlog {
    name: PipeName,
    listener: UnixListener,
    size: usize,
    places: Places,
    /// The place of the next client.
    place: Option<Place>,
    /// The limit of clients was reached, and this was logged.
    full: bool,
    outages: Outages,
}

impl Backlog {
    /// Returns how many clients may wait.
    pub(in crate::pipe) fn waiting(&self) -> usize {
        self.size
    }

    /// Returns the next client that has connected, if there is a place for one.
    ///
    /// Returns a failure once, and tries again after a while: the client waits in the queue.
    pub(in crate::pipe) fn poll_connected(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Option<Result<Arrival, Error>> {
        loop {
            if self.outages.poll_retry(cx).is_pending() {
                return None;
            }
            if self.place.is_none() {
                let Poll::Ready(place) = self.places.poll_take(cx) else {
                    if !self.full {
                        self.full = true;
                        debug!(pipe = %self.name, "all instances are in use");
                    }
                    return None;
                };
                self.place = Some(place);
                self.full = false;
            }
            match self.listener.poll_accept(cx) {
                Poll::Pending => return None,
                Poll::Ready(Ok((client, _))) => {
                    if let Some(attempts) = self.outages.end() {
                        warn!(pipe = %self.name, attempts, "clients can be accepted again");
                    }
                    let place = self.place.take().unwrap_or_default();
                    return Some(Ok(Arrival::now(client, place)));
                }
                Poll::Ready(Err(e)) if is_passing(&e) => {}
                Poll::Ready(Err(error)) => {
                    let text = error.to_string();
                    if self.outages.failed(Some(error)) {
                        warn!(pipe = %self.name, error = text, "no client can be accepted");
                    }
                    if let Some(error) = self.outages.take_unreported() {
                        return Some(Err(Error::io(Operation::Accept, Some(&self.name), error)));
                    }
                }
            }
        }
    }
}
