//! The state of a simulated pipe: the listener, the waiting clients, and what a test has asked for.
//! This module does not depend on its users.

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    faults::{Cut, Faults, Refusal},
    wire::Wire,
};
use crate::{
    error::Error,
    name::{InvalidName, NameError, PipeName},
};

/// The state that all users of a simulated pipe share.
pub(super) struct Shared {
    name: PipeName,
    state: Mutex<State>,
    /// Wakes the clients that wait for a free instance when there may be one.
    freed: Notify,
}

/// The pipe, and what a test has asked for.
pub(super) struct State {
    pub(super) backlog: usize,
    pub(super) buffer: usize,
    pub(super) listening: bool,
    /// Clients that have connected and were not accepted, oldest first.
    pub(super) arrived: VecDeque<Arrival>,
    acceptor: Option<Waker>,
    /// The number of connected instances. The name exists as long as there is one.
    instances: usize,
    /// The number of connections made and accepted. It numbers the next connection.
    connected: u64,
    pub(super) attempts: u64,
    pub(super) refusing: Option<(Refusal, Span)>,
    pub(super) connect_delay: Duration,
    pub(super) accept_delay: Duration,
    pub(super) next_faults: VecDeque<Faults>,
    pub(super) faults: Faults,
    pub(super) wires: Vec<Wire>,
}

/// How long clients are refused.
#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    Times(u32),
    Until(Instant),
    UntilAdmitted,
}

/// A client that has connected and was not accepted.
pub(super) struct Arrival {
    pub(super) wire: Wire,
    pub(super) instance: Instance,
    pub(super) at: Instant,
}

/// The refusal of an attempt, and the moment at which it ends if that is known.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) until: Option<Instant>,
}

impl Shared {
    pub(super) fn new(name: PipeName, backlog: usize, buffer: usize) -> Self {
        let state = State {
            backlog,
            buffer,
            listening: false,
            arrived: VecDeque::new(),
            acceptor: None,
            instances: 0,
            connected: 0,
            attempts: 0,
            refusing: None,
            connect_delay: Duration::ZERO,
            accept_delay: Duration::ZERO,
            next_faults: VecDeque::new(),
            faults: Faults::new(),
            wires: Vec::new(),
        };
        Self { name, state: Mutex::new(state), freed: Notify::new() }
    }

    pub(super) fn name(&self) -> &PipeName {
        &self.name
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn freed(&self) -> &Notify {
        &self.freed
    }

    /// Takes possession of the name.
    pub(super) fn listen(&self) -> Result<(), Error> {
        if !self.name.is_local() {
            return Err(InvalidName::new(self.name.as_str(), NameError::Remote).into());
        }
        let mut state = self.state();
        if state.listening || state.instances > 0 {
            return Err(Error::NameTaken { pipe: self.name.clone() });
        }
        state.listening = true;
        Ok(())
    }

    /// Ends the listening. Clients that were not accepted are disconnected.
    pub(super) fn unlisten(&self) {
        let mut state = self.state();
        state.listening = false;
        state.acceptor = None;
        let turned_away = mem::take(&mut state.arrived);
        drop(state);
        for arrival in turned_away {
            arrival.wire.cut(Cut::Reset);
        }
    }

    /// Makes one attempt to connect. Also returns the number of the connection.
    pub(super) fn open(self: &Arc<Self>) -> Result<(Wire, u64), Refused> {
        let mut state = self.state();
        state.attempts += 1;
        if let Some((refusal, span)) = &mut state.refusing {
            let refusal = *refusal;
            let until = match span {
                Span::Times(0) => None,
                Span::Times(times) => {
                    *times -= 1;
                    Some(None)
                }
                Span::Until(at) => (Instant::now() < *at).then_some(Some(*at)),
                Span::UntilAdmitted => Some(None),
            };
            match until {
                Some(until) => return Err(Refused { refusal, until }),
                None => state.refusing = None,
            }
        }
        if !state.listening || state.arrived.len() >= state.backlog {
            let exists = state.listening || state.instances > 0;
            let refusal = if exists { Refusal::Busy } else { Refusal::NotFound };
            return Err(Refused { refusal, until: None });
        }
        let faults = state.next_faults.pop_front().unwrap_or(state.faults);
        let wire = Wire::new(state.buffer, faults);
        state.wires.retain(|wire| !wire.is_over());
        state.wires.push(wire.clone());
        state.instances += 1;
        state.connected += 1;
        let instance = Instance(Arc::clone(self));
        let arrival = Arrival { wire: wire.clone(), instance, at: Instant::now() };
        state.arrived.push_back(arrival);
        if let Some(acceptor) = state.acceptor.take() {
            acceptor.wake();
        }
        Ok((wire, state.connected))
    }

    /// Returns the client that has waited longest, if it has waited long enough. Otherwise returns
    /// the moment at which it will have, if there is a client. The next client wakes `acceptor`.
    pub(super) fn take_arrival(&self, acceptor: &Waker) -> Result<Arrival, Option<Instant>> {
        let mut state = self.state();
        let due = state.arrived.front().map(|arrival| arrival.at + state.accept_delay);
        if due.is_some_and(|due| due <= Instant::now()) {
            if let Some(arrival) = state.arrived.pop_front() {
                self.freed.notify_waiters();
                return Ok(arrival);
            }
        }
        state.acceptor = Some(acceptor.clone());
        Err(due)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Pipe")
            .field("name", &self.name)
            .field("listening", &state.listening)
            .field("waiting", &state.arrived.len())
            .finish_non_exhaustive()
    }
}

/// A connected instance. The name exists while it does.
pub(super) struct Instance(Arc<Shared>);

impl Drop for Instance {
    fn drop(&mut self) {
        self.0.state().instances -= 1;
    }
}
