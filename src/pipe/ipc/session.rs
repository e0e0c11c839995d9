//! How two ends meet on one name. Either may come first and either may own the name.
//!
//! Two ends that do the same must never meet. Two receivers would wait for each other. Two senders
//! would each believe that the other has read the message, because a runtime reads ahead. The pipe
//! itself cannot refuse the wrong end, because the Python module opens it for both directions. So a
//! sender first takes possession of a second name, and a receiver of a third. Each of these names
//! is a pipe that nobody connects to, and the operating system frees it when its owner ends. So at
//! most one sender and one receiver are at the pipe itself, besides peers that do not know this
//! rule.

use std::{future::poll_fn, time::Duration};

use tokio::{
    net::windows::named_pipe::NamedPipeServer,
    time::{Instant, sleep_until},
};
use tracing::debug;

use super::{IpcOptions, IpcRole, before};
use crate::{
    connection::Connection,
    error::{ConnectError, Error, Operation},
    name::PipeName,
    pipe::{listener::ListenerOptions, places::Place, stream::PipeStream, windows::Instance},
    retry::{Backoff, Delays},
};

/// One end's way to its peer.
///
/// ```text
///             the name is free            a client comes
///   ┌──────┐ ────────────────▶ ┌─────────┐ ────────────▶ connection
///   │ Seek │                   │ Waiting │
///   └──────┘ ────────────────▶ └─────────┘
///       its owner lets us in: connection
/// ```
pub(super) struct Session {
    turn_name: PipeName,
    turn: Option<NamedPipeServer>,
    /// The instance that waits for a client, while this end owns the name.
    waiting: Option<Instance>,
    delays: Delays,
    denied_since: Option<Instant>,
    /// mio keeps a handle open until the runtime has seen the end of its cancelled read.
    turns_of_the_driver: u8,
}

impl Session {
    /// The wait between attempts to own or to open a name that another end has. Each attempt costs
    /// two system calls.
    const RETRY: Backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(32));

    /// How long access may be denied. A name that is just being given up denies access for a
    /// moment.
    const DENIED: Duration = Duration::from_secs(1);

    pub(super) fn new(turn_name: PipeName) -> Self {
        Self {
            turn_name,
            turn: None,
            waiting: None,
            delays: Self::RETRY.delays(),
            denied_since: None,
            turns_of_the_driver: 4,
        }
    }

    /// Returns the connection to a peer when there is one.
    ///
    /// Cancel-safe: the next call goes on where this one was.
    pub(super) async fn meet(
        &mut self,
        name: &PipeName,
        options: &IpcOptions,
        until: Option<Instant>,
    ) -> Result<Connection<PipeStream>, Error> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                match before(until, poll_fn(|cx| waiting.poll_connected(cx))).await {
                    Some(Ok(())) => {}
                    Some(Err(e)) => {
                        self.waiting = None;
                        return Err(Error::io(Operation::Accept, Some(name), e));
                    }
                    None => {
                        self.waiting = None;
                        return Err(options.no_peer(name));
                    }
                }
                if let Some(arrival) = self.waiting.take().and_then(Instance::into_arrival) {
                    debug!(pipe = %name, "met a peer as its server");
                    let options = options.connection(until);
                    let stream = PipeStream::of_server(arrival, name.clone());
                    return Ok(stream.into_connection(&options, None, 0));
                }
            }
            if !self.has_turn(name, options)? {
                self.pause(name, options, until).await?;
            } else if self.owns(name, options)? {
                debug!(pipe = %name, "waiting for a peer");
            } else {
                if let Some(connection) = self.try_connect(name, options, until).await? {
                    debug!(pipe = %name, "met a peer as its client");
                    return Ok(connection);
                }
                self.pause(name, options, until).await?;
            }
        }
    }

    /// Another machine's name cannot be owned here, so there only the server decides the order.
    fn has_turn(&mut self, name: &PipeName, options: &IpcOptions) -> Result<bool, Error> {
        if name.is_local() && self.turn.is_none() {
            self.turn = claim(&self.turn_name, &options.listener)?;
        }
        Ok(!name.is_local() || self.turn.is_some())
    }

    fn owns(&mut self, name: &PipeName, options: &IpcOptions) -> Result<bool, Error> {
        let may = match options.role {
            IpcRole::Either => name.is_local(),
            IpcRole::Server => true,
            IpcRole::Client => false,
        };
        if may {
            self.waiting = claim(name, &options.listener)?
                .map(|server| Instance::new(server, Place::default()));
        }
        Ok(self.waiting.is_some())
    }

    async fn try_connect(
        &mut self,
        name: &PipeName,
        options: &IpcOptions,
        until: Option<Instant>,
    ) -> Result<Option<Connection<PipeStream>>, Error> {
        if options.role == IpcRole::Server {
            return Ok(None);
        }
        // One attempt. For a pipe of another machine it takes as long as the network does.
        let deadline = match until {
            _ if name.is_local() => Duration::ZERO,
            Some(until) => until.duration_since(Instant::now()),
            None => Duration::MAX,
        };
        let connect =
            options.connect.clone().timeout(deadline).connection(options.connection(until));
        match connect.connect(name).await {
            Ok(connection) => Ok(Some(connection)),
            Err(Error::Connect(e)) if self.may_pass(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Returns whether the cause of a failure may go away by itself.
    fn may_pass(&mut self, failure: &ConnectError) -> bool {
        let attempts = &failure.attempts;
        if attempts.access_denied == 0 {
            self.denied_since = None;
            return attempts.busy + attempts.not_found == attempts.total();
        }
        self.denied_since.get_or_insert_with(Instant::now).elapsed() < Self::DENIED
    }

    /// Waits before another attempt. The last attempt is at the deadline.
    pub(super) async fn pause(
        &mut self,
        name: &PipeName,
        options: &IpcOptions,
        until: Option<Instant>,
    ) -> Result<(), Error> {
        let now = Instant::now();
        if until.is_some_and(|until| now >= until) {
            return Err(options.no_peer(name));
        }
        let next = now + self.delays.next_delay();
        sleep_until(until.map_or(next, |until| next.min(until))).await;
        Ok(())
    }

    /// Gives up the names and lets the runtime close their handles, so that others find the names
    /// free.
    ///
    /// Cancel-safe: the next call goes on where this one was.
    pub(super) async fn end(&mut self) {
        self.turn = None;
        self.waiting = None;
        while self.turns_of_the_driver > 0 {
            self.turns_of_the_driver -= 1;
            tokio::task::yield_now().await;
        }
    }
}

/// Takes possession of a name, with one instance; `None` if another end has it.
fn claim(name: &PipeName, options: &ListenerOptions) -> Result<Option<NamedPipeServer>, Error> {
    match options.clone().for_npipes_1_0_1().claim(name) {
        Ok(server) => Ok(Some(server)),
        Err(Error::NameTaken { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}
