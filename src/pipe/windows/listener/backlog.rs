//! The instances that wait for clients. A new one is created when a client takes one.

use std::{
    collections::VecDeque,
    io,
    task::{Context, Poll},
};

use tracing::{debug, warn};

use crate::{
    error::{Error, Operation},
    name::PipeName,
    pipe::{
        outage::Outages,
        places::{Place, Places},
        windows::{
            Arrival,
            instance::Instance,
            security::SecurityDescriptor,
            sys::{self, Code, InstanceFlags},
        },
    },
};

/// The instances of a listener that wait for clients.
pub(in crate::pipe) struct Backlog {
    name: PipeName,
    flags: InstanceFlags,
    security: SecurityDescriptor,
    size: usize,
    /// Oldest first: the operating system gives clients to instances in this order.
    waiting: VecDeque<Instance>,
    places: Places,
    /// The limit of instances was reached, and this was logged.
    full: bool,
    outages: Outages,
}

impl Backlog {
    /// Returns `size` waiting instances of the name, or as many as the limit allows.
    pub(in crate::pipe) fn new(
        name: PipeName,
        flags: InstanceFlags,
        security: SecurityDescriptor,
        size: usize,
        places: Places,
    ) -> Result<Self, Error> {
        let waiting = VecDeque::new();
        let outages = Outages::default();
        let mut backlog =
            Self { name, flags, security, size, waiting, places, full: false, outages };
        while backlog.waiting.len() < size {
            let Some(place) = backlog.places.try_take() else { break };
            backlog.arm(place).map_err(|e| Error::io(Operation::Listen, Some(&backlog.name), e))?;
        }
        Ok(backlog)
    }

    /// Returns how many instances wait.
    pub(in crate::pipe) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the next client that has connected, or once the reason why no further instance
    /// waits.
    pub(in crate::pipe) fn poll_connected(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Option<Result<Arrival, Error>> {
        self.poll_fill(cx);
        if let Some(error) = self.unreported_outage() {
            return Some(Err(error));
        }
        for index in 0..self.waiting.len() {
            let Poll::Ready(connected) = self.waiting[index].poll_connected(cx) else {
                continue;
            };
            let instance = self.waiting.remove(index).and_then(Instance::into_arrival);
            // This is done before the client is handed out, so that the next client does not find
            // the server busy.
            self.poll_fill(cx);
            return Some(match (connected, instance) {
                (Ok(()), Some(arrival)) => Ok(arrival),
                (Err(e), _) => Err(Error::io(Operation::Accept, Some(&self.name), e)),
                (Ok(()), None) => unreachable!("the connect future was the only other owner"),
            });
        }
        None
    }

    /// Fills the backlog as far as the limit of instances allows. If that fails, tries again after
    /// a while.
    fn poll_fill(&mut self, cx: &mut Context<'_>) {
        while self.waiting.len() < self.size {
            if self.outages.poll_retry(cx).is_pending() {
                return;
            }
            let Poll::Ready(place) = self.places.poll_take(cx) else {
                if self.waiting.is_empty() && !self.full {
                    self.full = true;
                    debug!(pipe = %self.name, "all instances are in use");
                }
                return;
            };
            match self.arm(place) {
                Ok(()) => {
                    self.full = false;
                    if let Some(attempts) = self.outages.end() {
                        warn!(pipe = %self.name, attempts, "instances can be created again");
                    }
                }
                Err(error) => self.note_outage(error),
            }
        }
    }

    fn note_outage(&mut self, error: io::Error) {
        let text = error.to_string();
        let busy = Code::of(&error) == Code::Busy;
        if self.outages.failed(Some(error).filter(|_| !busy)) {
            warn!(pipe = %self.name, error = text, "no further instance can be created");
        }
    }

    fn arm(&mut self, place: Place) -> io::Result<()> {
        let handle = sys::create_instance(&self.name, self.flags, self.security.as_descriptor())?;
        self.waiting.push_back(Instance::new(sys::register_server(handle)?, place));
        Ok(())
    }

    fn unreported_outage(&mut self) -> Option<Error> {
        if !self.waiting.is_empty() {
            return None;
        }
        let error = self.outages.take_unreported()?;
        Some(Error::io(Operation::Listen, Some(&self.name), error))
    }
}

impl Drop for Backlog {
    /// Lets nobody in from now on. If a handle is dropped while it listens, it stays open and
    /// clients can still open the pipe until the runtime's driver has run. A disconnected handle
    /// refuses clients, but `DisconnectNamedPipe` fails while an instance listens
    /// (`ERROR_PIPE_LISTENING`). So this process first connects to each free instance itself, if
    /// the pipe's access rights allow it.
    fn drop(&mut self) {
        let places = 0..self.waiting.len();
        let taken: Vec<_> = places.map_while(|_| sys::take_place(&self.name).ok()).collect();
        self.waiting.clear();
        drop(taken);
    }
}
