//! The pipe that both sides meet on, and that a test controls.

use std::{fmt, mem, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    connector::Connector,
    faults::{Cut, Faults, Refusal},
    listener::Listener,
    state::{Shared, Span},
};
use crate::{error::Error, name::PipeName};

/// A simulated pipe. Its listener and its connectors meet on it, and a test scripts it. Clones are
/// the same pipe. Two pipes of the same name have no connection.
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
pub struct Pipe(Arc<Shared>);

impl Pipe {
    /// The default of [`backlog`](Self::backlog): 4, as that of a listener on Windows.
    pub const DEFAULT_BACKLOG: u8 = 4;

    /// The default of [`buffer`](Self::buffer): 132 KiB, as that of a listener on Windows.
    pub const DEFAULT_BUFFER: usize = 132 * 1024;

    /// Returns a pipe without a listener.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if no pipe can have the name.
    pub fn new<N>(name: N) -> Result<Self, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        let shared =
            Shared::new(name.try_into()?, Self::DEFAULT_BACKLOG.into(), Self::DEFAULT_BUFFER);
        Ok(Self(Arc::new(shared)))
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &PipeName {
        self.0.name()
    }

    /// Sets how many clients can connect before the first of them is accepted. Further clients find
    /// the server busy. The default is 4. 0 counts as 1.
    pub fn backlog(&self, instances: u8) {
        self.0.state().backlog = instances.max(1).into();
    }

    /// Sets how many bytes each direction of a later connection holds. A write that exceeds this is
    /// queued, as on a pipe, and the next write waits. The default is 132 KiB.
    pub fn buffer(&self, bytes: usize) {
        self.0.state().buffer = bytes;
    }

    /// Returns a listener on the pipe. Before this call, and after the listener was dropped,
    /// clients find no pipe.
    ///
    /// # Errors
    ///
    /// [`Error::NameTaken`] if a listener still exists, or a connection that one accepted.
    /// [`Error::InvalidName`] if the name belongs to another machine.
    pub fn listener(&self) -> Result<Listener, Error> {
        self.0.listen()?;
        Ok(Listener::new(Arc::clone(&self.0)))
    }

    /// Returns a connector with the default options.
    pub fn connector(&self) -> Connector {
        Connector::new(Arc::clone(&self.0))
    }

    /// Refuses every attempt to connect until [`admit`](Self::admit) is called.
    pub fn refuse(&self, refusal: Refusal) {
        self.0.state().refusing = Some((refusal, Span::UntilAdmitted));
    }

    /// Refuses the next `times` attempts to connect.
    ///
    /// A client waits its whole delay after each attempt, as if other clients had come first.
    pub fn refuse_times(&self, refusal: Refusal, times: u32) {
        self.0.state().refusing = Some((refusal, Span::Times(times)));
    }

    /// Refuses every attempt to connect for this time from now.
    ///
    /// A client that waits for a busy server continues when the time is over, as on a pipe.
    pub fn refuse_for(&self, refusal: Refusal, time: Duration) {
        self.0.state().refusing = Some((
            refusal,
            Instant::now().checked_add(time).map_or(Span::UntilAdmitted, Span::Until),
        ));
    }

    /// Ends a refusal.
    pub fn admit(&self) {
        self.0.state().refusing = None;
        self.0.freed().notify_waiters();
    }

    /// Makes each attempt to connect take this time, like a pipe of another machine.
    pub fn delay_connects(&self, delay: Duration) {
        self.0.state().connect_delay = delay;
    }

    /// Accepts no client before it has been connected for this time.
    pub fn delay_accepts(&self, delay: Duration) {
        self.0.state().accept_delay = delay;
    }

    /// Gives these faults to a later connection: the next one that has no faults yet.
    pub fn fault_next(&self, faults: Faults) {
        self.0.state().next_faults.push_back(faults);
    }

    /// Gives these faults to every later connection that is given no others.
    pub fn fault_all(&self, faults: Faults) {
        self.0.state().faults = faults;
    }

    /// Breaks every open connection. With [`Cut::Reset`], what was not read is lost.
    pub fn cut_all(&self, cut: Cut) {
        let wires = mem::take(&mut self.0.state().wires);
        for wire in wires {
            wire.cut(cut);
        }
    }

    /// Returns how often clients have tried to connect.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.0.state().attempts
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
