//! How two ends meet on one name. Either may come first and either may own the name.
//!
//! Two ends that do the same must never meet. Two receivers would wait for each other. Two senders
//! would wait for each other too, or on Windows each would believe that the other has read the
//! message, because a runtime reads ahead. The pipe itself cannot refuse the wrong end, because the
//! Python module opens it for both directions. So a sender first takes possession of a second name,
//! and a receiver of a third. Nobody connects to these names, and the operating system frees them
//! when their owner ends. So at most one sender and one receiver are at the pipe itself, besides
//! peers that do not know this rule.

use std::{
    future::{Future, poll_fn},
    time::Duration,
};

use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::debug;

use super::options::{IpcOptions, IpcRole};
use crate::{
    connection::Connection,
    error::{ConnectError, Error, Operation},
    name::PipeName,
    pipe::{
        imp::{Reception, Turn},
        pending::Pending,
        stream::PipeStream,
    },
    retry::{Backoff, Delays, Retry},
};

/// One end's way to its peer.
///
/// ```text
///              the name is free            a client comes
///   ┌─────────┐ ──────────────▶ ┌─────────┐ ────────────▶ connection
///   │ Seeking │                 │ Waiting │
///   └─────────┘                 └─────────┘
///     ▲     │ the name is taken ┌────────────┐ its owner lets us in
///     │     └─────────────────▶ │ Connecting │ ────────────▶ connection
///     └──────────────────────── └────────────┘
///        its owner does not
/// ```
pub(super) struct Session {
    turn_name: PipeName,
    turn: Option<Turn>,
    state: State,
    delays: Delays,
    denied_since: Option<Instant>,
    /// mio keeps a handle open until the runtime has seen the end of its cancelled read.
    turns_of_the_driver: u8,
}

enum State {
    Seeking,
    /// This end owns the name, until after the session.
    Waiting(Reception),
    /// One attempt to be the client of the end that owns the name.
    Connecting(Pending<Result<Connection<PipeStream>, Error>>),
}

impl Session {
    /// The wait between attempts to own or to open a name that another end has. Each attempt costs
    /// a few system calls.
    const RETRY: Backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(32));

    /// How long access may be denied. On Windows a name that is just being given up denies access
    /// for a moment.
    const DENIED: Duration = Duration::from_secs(1);

    pub(super) fn new(turn_name: PipeName) -> Self {
        Self {
            turn_name,
            turn: None,
            state: State::Seeking,
            delays: Self::RETRY.delays(),
            denied_since: None,
            turns_of_the_driver: 4,
        }
    }

    /// Returns the connection to a peer when there is one. To meet another peer after that, the
    /// session must [part](Self::part) first.
    ///
    /// Cancel-safe: the next call goes on where this one was.
    pub(super) async fn meet(
        &mut self,
        name: &PipeName,
        options: &IpcOptions,
        until: Option<Instant>,
    ) -> Result<Connection<PipeStream>, Error> {
        loop {
            match &mut self.state {
                State::Waiting(reception) => {
                    let arrived = before(until, poll_fn(|cx| reception.poll_arrival(cx))).await;
                    let failure = match arrived {
                        Some(Ok(arrival)) => {
                            debug!(pipe = %name, "met a peer as its server");
                            let stream = PipeStream::of_server(
                                arrival,
                                name.clone(),
                                Reception::KEEPS_MESSAGES,
                            );
                            return Ok(stream.into_connection(&options.connection(until)));
                        }
                        Some(Err(e)) => Error::io(Operation::Accept, Some(name), e),
                        None => options.no_peer(name),
                    };
                    self.state = State::Seeking;
                    return Err(failure);
                }
                State::Connecting(attempt) => {
                    let connected = poll_fn(|cx| attempt.poll(cx)).await;
                    self.state = State::Seeking;
                    match connected {
                        Ok(connection) => {
                            debug!(pipe = %name, "met a peer as its client");
                            return Ok(connection);
                        }
                        Err(Error::Connect(e)) if self.may_pass(&e) => {
                            self.pause(name, options, until).await?;
                        }
                        Err(e) => return Err(e),
                    }
                }
                State::Seeking => self.seek(name, options, until).await?,
            }
        }
    }

    /// Takes the turn and the name, or begins to connect to the end that owns the name.
    async fn seek(
        &mut self,
        name: &PipeName,
        options: &IpcOptions,
        until: Option<Instant>,
    ) -> Result<(), Error> {
        if !self.has_turn(name, options)? {
            return self.pause(name, options, until).await;
        }
        let may_own = match options.role {
            IpcRole::Either => name.is_local(),
            IpcRole::Server => true,
            IpcRole::Client => false,
        };
        let reception = match may_own {
            true => Reception::open(name, &options.listener.system)?,
            false => None,
        };
        if let Some(reception) = reception {
            debug!(pipe = %name, "waiting for a peer");
            self.state = State::Waiting(reception);
            return Ok(());
        }
        if options.role == IpcRole::Server {
            return self.pause(name, options, until).await;
        }
        let left = until.map_or(Duration::MAX, |until| until.duration_since(Instant::now()));
        let one_attempt = options.connect.clone();
        let one_attempt = one_attempt
            .timeout(left)
            .busy(Retry::never())
            .not_found(Retry::never())
            .access_denied(Retry::never())
            .connection(options.connection(until));
        let name = name.clone();
        self.state =
            State::Connecting(Pending::new(async move { one_attempt.connect(name).await }));
        Ok(())
    }

    /// Another machine's name cannot be owned here, so there only the server decides the order.
    fn has_turn(&mut self, name: &PipeName, options: &IpcOptions) -> Result<bool, Error> {
        if name.is_local() && self.turn.is_none() {
            self.turn = Turn::take(&self.turn_name, &options.listener.system)?;
        }
        Ok(!name.is_local() || self.turn.is_some())
    }

    /// Returns whether the cause of a failure may go away by itself.
    fn may_pass(&mut self, failure: &ConnectError) -> bool {
        let attempts = &failure.attempts;
        if attempts.access_denied == 0 {
            self.denied_since = None;
            return attempts.other == 0;
        }
        self.denied_since.get_or_insert_with(Instant::now).elapsed() < Self::DENIED
    }

    /// Waits before another attempt. The last attempt is at the deadline.
    async fn pause(
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

    /// Gives up the name after a peer has left without a message, and waits before it looks for
    /// another one.
    pub(super) async fn part(
        &mut self,
        name: &PipeName,
        options: &IpcOptions,
        until: Option<Instant>,
    ) -> Result<(), Error> {
        debug!(pipe = %name, "the peer has left without a message");
        self.state = State::Seeking;
        self.pause(name, options, until).await
    }

    /// Gives up the names and lets the runtime close their handles, so that others find the names
    /// free.
    ///
    /// Cancel-safe: the next call goes on where this one was.
    pub(super) async fn end(&mut self) {
        self.turn = None;
        self.state = State::Seeking;
        while self.turns_of_the_driver > 0 {
            self.turns_of_the_driver -= 1;
            tokio::task::yield_now().await;
        }
    }
}

/// Awaits `future` until a time; `None` if the time passes first.
pub(super) async fn before<F: Future>(until: Option<Instant>, future: F) -> Option<F::Output> {
    match until {
        Some(until) => timeout_at(until, future).await.ok(),
        None => Some(future.await),
    }
}
