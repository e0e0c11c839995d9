//! What a simulated pipe is: who listens, who waits, and what a test has asked for. It knows nobody
//! who uses it.

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

/// What everybody who knows a simulated pipe shares.
pub(super) struct Shared {
    name: PipeName,
    state: Mutex<State>,
    /// Tells those who wait for a free instance that there may be one.
    freed: Notify,
}

/// What a pipe is, and what a test has it do.
pub(super) struct State {
    pub(super) backlog: usize,
    pub(super) buffer: usize,
    pub(super) listening: bool,
    /// Clients that have connected and were not accepted; oldest first.
    pub(super) arrived: VecDeque<Arrival>,
    acceptor: Option<Waker>,
    /// Instances that are connected. As long as there is one the name exists.
    instances: usize,
    /// Connections made and accepted, to number them by.
    connected: u64,
    pub(super) attempts: u64,
    pub(super) refusing: Option<(Refusal, Span)>,
    pub(super) connect_delay: Duration,
    pub(super) accept_delay: Duration,
    pub(super) next_faults: VecDeque<Faults>,
    pub(super) faults: Faults,
    pub(super) wires: Vec<Wire>,
}

/// For how long clients are refused.
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

/// What refused an attempt, and when that ends if it is known.
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

    /// Nobody listens any more; clients that were not accepted are disconnected.
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

    /// Makes one attempt to connect, and returns the number of the connection too.
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

    /// Returns the client that has waited for the longest, if it has waited long enough; otherwise
    /// when it will have, if there is one. `acceptor` is woken by the next client.
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

/// A connected instance, which keeps the name in existence.
pub(super) struct Instance(Arc<Shared>);

impl Drop for Instance {
    fn drop(&mut self) {
        self.0.state().instances -= 1;
    }
}
