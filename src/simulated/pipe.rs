//! The name that both sides meet on, and what a test has it do.

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    connector::Connector,
    faults::{Cut, Faults, Refusal},
    listener::Listener,
    stream::Stream,
    wire::{End, Wire},
};
use crate::{
    error::Error,
    name::{NameError, PipeName},
};

/// A simulated pipe: where its listener and its connectors meet, and what a test scripts. Clones
/// are the same pipe; two pipes of the same name have nothing to do with each other.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), npipes::Error> {
/// use std::time::Duration;
/// use npipes::simulated::{Pipe, Refusal};
///
/// let pipe = Pipe::new("orders")?;
/// let mut listener = pipe.listener()?;
/// pipe.refuse_for(Refusal::Busy, Duration::from_secs(2));
///
/// let mut client = pipe.connector().connect().await?;
/// client.send("two coffees").await?;
/// let mut server = listener.accept().await?;
/// assert_eq!(server.receive().await?.unwrap(), b"two coffees"[..]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Pipe {
    name: PipeName,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Tells those who wait for a free instance that there may be one.
    freed: Notify,
}

struct State {
    backlog: usize,
    buffer: usize,
    listening: bool,
    /// Clients that have connected and were not accepted; oldest first.
    arrived: VecDeque<Arrival>,
    acceptor: Option<Waker>,
    /// Instances that are connected. As long as there is one the name exists.
    instances: usize,
    /// Connections made and accepted, to number them by.
    connected: u64,
    attempts: u64,
    refusing: Option<(Refusal, Span)>,
    connect_delay: Duration,
    accept_delay: Duration,
    next_faults: VecDeque<Faults>,
    faults: Faults,
    wires: Vec<Wire>,
}

/// For how long clients are refused.
#[derive(Debug, Clone, Copy)]
enum Span {
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

impl Pipe {
    /// The default of [`backlog`](Self::backlog), a listener's own.
    pub const DEFAULT_BACKLOG: u8 = 4;

    /// The default of [`buffer`](Self::buffer), a listener's own: 132 KiB.
    pub const DEFAULT_BUFFER: usize = 132 * 1024;

    /// Returns a pipe that nobody listens on.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if no pipe can have the name.
    pub fn new<N>(name: N) -> Result<Self, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        let state = State {
            backlog: Self::DEFAULT_BACKLOG.into(),
            buffer: Self::DEFAULT_BUFFER,
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
        let shared = Shared { state: Mutex::new(state), freed: Notify::new() };
        Ok(Self { name: name.try_into()?, shared: Arc::new(shared) })
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &PipeName {
        &self.name
    }

    /// Lets this many clients connect before the first of them is accepted. Further ones find the
    /// server busy. The default is 4; 0 counts as 1.
    pub fn backlog(&self, instances: u8) {
        self.state().backlog = instances.max(1).into();
    }

    /// Sets how many bytes each direction of a connection that is yet to be made holds. A write that
    /// makes it more is queued as on a pipe, and the next one waits. The default is 132 KiB.
    pub fn buffer(&self, bytes: usize) {
        self.state().buffer = bytes;
    }

    /// Listens. Before this, and after the listener was dropped, clients find no pipe.
    ///
    /// # Errors
    ///
    /// [`Error::NameTaken`] if a listener or a connection that one accepted is still there, and
    /// [`Error::InvalidName`] if the name is another machine's.
    pub fn listener(&self) -> Result<Listener, Error> {
        if !self.name.is_local() {
            let name = self.name.as_str().to_owned();
            return Err(Error::InvalidName { name, source: NameError::Remote });
        }
        let mut state = self.state();
        if state.listening || state.instances > 0 {
            return Err(Error::NameTaken { pipe: self.name.clone() });
        }
        state.listening = true;
        drop(state);
        Ok(Listener::new(self.clone()))
    }

    /// Returns a connector with the default options.
    pub fn connector(&self) -> Connector {
        Connector::new(self.clone())
    }

    /// Refuses every attempt to connect until [`admit`](Self::admit).
    pub fn refuse(&self, refusal: Refusal) {
        self.state().refusing = Some((refusal, Span::UntilAdmitted));
    }

    /// Refuses the next attempts to connect, this many.
    ///
    /// A client waits its whole delay after each: as if others had come first.
    pub fn refuse_times(&self, refusal: Refusal, times: u32) {
        self.state().refusing = Some((refusal, Span::Times(times)));
    }

    /// Refuses every attempt to connect for this time from now.
    ///
    /// A client that waits for a busy server goes on when it is over, as on a pipe.
    pub fn refuse_for(&self, refusal: Refusal, time: Duration) {
        self.state().refusing = Some((
            refusal,
            Instant::now().checked_add(time).map_or(Span::UntilAdmitted, Span::Until),
        ));
    }

    /// Ends a refusal.
    pub fn admit(&self) {
        self.state().refusing = None;
        self.shared.freed.notify_waiters();
    }

    /// Lets each attempt to connect take this time, as another machine's pipe does.
    pub fn delay_connects(&self, delay: Duration) {
        self.state().connect_delay = delay;
    }

    /// Accepts no client before it has been connected for this time.
    pub fn delay_accepts(&self, delay: Duration) {
        self.state().accept_delay = delay;
    }

    /// Gives these faults to a connection that is yet to be made: the next one that has not been
    /// given any.
    pub fn fault_next(&self, faults: Faults) {
        self.state().next_faults.push_back(faults);
    }

    /// Gives these faults to every connection that is yet to be made and is given no others.
    pub fn fault_all(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Breaks every connection that there is. With [`Cut::Reset`], what was not read is lost.
    pub fn cut_all(&self, cut: Cut) {
        let wires = mem::take(&mut self.state().wires);
        for wire in wires {
            wire.cut(cut);
        }
    }

    /// Returns how often clients have tried to connect.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.state().attempts
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn freed(&self) -> &Notify {
        &self.shared.freed
    }

    pub(super) fn connect_delay(&self) -> Duration {
        self.state().connect_delay
    }

    /// Makes one attempt to connect, and returns the number of the connection too.
    pub(super) fn open(&self, close_deadline: Duration) -> Result<(Stream, u64), Refused> {
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
        let instance = Instance(Arc::clone(&self.shared));
        let arrival = Arrival { wire: wire.clone(), instance, at: Instant::now() };
        state.arrived.push_back(arrival);
        if let Some(acceptor) = state.acceptor.take() {
            acceptor.wake();
        }
        let client = Stream::new(wire, End::Client, self.name.clone(), close_deadline, None);
        Ok((client, state.connected))
    }

    /// Returns the client that has waited for the longest, if it has waited long enough; otherwise
    /// when it will have, if there is one. `acceptor` is woken by the next client.
    pub(super) fn take_arrival(&self, acceptor: &Waker) -> Result<Arrival, Option<Instant>> {
        let mut state = self.state();
        let due = state.arrived.front().map(|arrival| arrival.at + state.accept_delay);
        if due.is_some_and(|due| due <= Instant::now()) {
            if let Some(arrival) = state.arrived.pop_front() {
                self.shared.freed.notify_waiters();
                return Ok(arrival);
            }
        }
        state.acceptor = Some(acceptor.clone());
        Err(due)
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
}

/// A connected instance, which keeps the name in existence.
pub(super) struct Instance(Arc<Shared>);

impl Drop for Instance {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).instances -= 1;
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Pipe")
            .field("name", &self.name)
            .field("listening", &state.listening)
            .field("waiting", &state.arrived.len())
            .finish_non_exhaustive()
    }
}
