//! The server's side: a name that is owned from `bind` on, and instances that wait on it.

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use tokio::{net::windows::named_pipe::NamedPipeServer, time::Sleep};
use tracing::{debug, warn};

use super::{
    admission::{Admission, Candidacy, Candidate},
    peer::Peer,
    security::{Access, SecurityDescriptor},
    stream::PipeStream,
    sys::{self, Code, Direction, InstanceWords, PipeType},
};
use crate::{
    backoff::{Backoff, Delays},
    connection::{Connection, ConnectionOptions},
    error::{Error, NameError, Operation},
    name::PipeName,
};

/// How a [`Listener`] is made; each setter says its default.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), npipes::Error> {
/// use npipes::{ListenerOptions, PipeType};
///
/// let listener = ListenerOptions::new()
///     .backlog(8)
///     .pipe_type(PipeType::Message)
///     .bind("npipes-doc-listener-options")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ListenerOptions {
    backlog: u8,
    max_instances: u8,
    direction: Direction,
    pipe_type: PipeType,
    send_buffer: u32,
    receive_buffer: u32,
    accept_remote: bool,
    security: Security,
    admission: Admission,
    connection: ConnectionOptions,
}

#[derive(Debug, Clone)]
enum Security {
    Access(Access),
    Descriptor(SecurityDescriptor),
}

impl ListenerOptions {
    /// The default number of instances that wait for clients.
    pub const DEFAULT_BACKLOG: u8 = 4;

    /// The most instances that a pipe can be limited to.
    pub const MAX_INSTANCES: u8 = 254;

    /// The default size of each of the operating system's buffers, in bytes: 64 KiB, as Tokio has
    /// it. It is a quota for unread data, taken from memory only while there is such data.
    pub const DEFAULT_BUFFER: u32 = 64 * 1024;

    /// What `CreateNamedPipeW` calls `PIPE_UNLIMITED_INSTANCES`.
    const UNLIMITED: u8 = 255;

    /// Returns the default options.
    pub const fn new() -> Self {
        Self {
            backlog: Self::DEFAULT_BACKLOG,
            max_instances: Self::UNLIMITED,
            direction: Direction::Duplex,
            pipe_type: PipeType::Byte,
            send_buffer: Self::DEFAULT_BUFFER,
            receive_buffer: Self::DEFAULT_BUFFER,
            accept_remote: false,
            security: Security::Access(Access::current_user_and_system()),
            admission: Admission::none(),
            connection: ConnectionOptions::new(),
        }
    }

    /// Makes the pipe that the Python module `npipes` 1.0.1 expects when it is a client: of message
    /// type, with one instance and buffers of 64 KiB, speaking [`ConnectionOptions::NPIPES_1_0_1`].
    ///
    /// One client at a time, then: the next one gets `ERROR_PIPE_BUSY` until the connection is gone.
    pub fn for_npipes_1_0_1(self) -> Self {
        self.backlog(1)
            .max_instances(1)
            .direction(Direction::Duplex)
            .pipe_type(PipeType::Message)
            .receive_buffer(64 * 1024)
            .send_buffer(64 * 1024)
            .connection(ConnectionOptions::NPIPES_1_0_1)
    }

    /// Keeps this many instances waiting for clients, 1 to 254. A client that finds none waiting
    /// gets `ERROR_PIPE_BUSY`. The default is 4; 0 counts as 1, and more than 254 as 254.
    pub const fn backlog(mut self, instances: u8) -> Self {
        self.backlog = at_most_254(instances);
        self
    }

    /// Allows this many instances at once, connected ones included, 1 to 254. The default is no
    /// limit; 0 counts as 1, and more than 254 as 254.
    pub const fn max_instances(mut self, instances: u8) -> Self {
        self.max_instances = at_most_254(instances);
        self
    }

    /// Sets in which directions data goes. The default is both.
    pub const fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Sets what the operating system keeps of write boundaries. The default is
    /// [`PipeType::Byte`]. On a message-type pipe each frame is one message.
    pub const fn pipe_type(mut self, pipe_type: PipeType) -> Self {
        self.pipe_type = pipe_type;
        self
    }

    /// Sets the quota, in bytes, for data that clients have sent and the server has not read. The
    /// default is 64 KiB.
    pub const fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = bytes;
        self
    }

    /// Sets the quota, in bytes, for data that the server has sent and the client has not read. The
    /// default is 64 KiB.
    pub const fn send_buffer(mut self, bytes: u32) -> Self {
        self.send_buffer = bytes;
        self
    }

    /// Lets clients of other machines connect, through the SMB server. They are refused by default.
    pub const fn accept_remote_clients(mut self) -> Self {
        self.accept_remote = true;
        self
    }

    /// Sets who may connect. The default is [`Access::current_user_and_system`].
    pub fn access(mut self, access: Access) -> Self {
        self.security = Security::Access(access);
        self
    }

    /// Sets who may connect, in the full language of Windows. It takes the place of an
    /// [`access`](Self::access): the last of the two calls counts.
    pub fn security_descriptor(mut self, descriptor: SecurityDescriptor) -> Self {
        self.security = Security::Descriptor(descriptor);
        self
    }

    /// Refuses the clients for which `admit` returns false, before any of their bytes reach a
    /// connection. The default is to admit all whom the access rules let connect.
    ///
    /// A client that cannot be identified is refused. One that shows who it is with its writes only
    /// (`SECURITY_CONTEXT_TRACKING`) is waited for until its first byte, for the
    /// [`handshake_timeout`](Self::handshake_timeout) or 5 s, while others are accepted.
    /// `admit` is called on the runtime's thread and should not block. Should it panic, so does
    /// `accept`, and that client alone is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use npipes::{IntegrityLevel, ListenerOptions};
    ///
    /// let options = ListenerOptions::new().filter(|peer| peer.integrity >= IntegrityLevel::MEDIUM);
    /// ```
    pub fn filter<F>(mut self, admit: F) -> Self
    where
        F: Fn(&Peer) -> bool + Send + Sync + 'static,
    {
        self.admission.filter = Some(Arc::new(admit));
        self
    }

    /// Drops a client that says nothing within this time of connecting, and hands out a connection
    /// when its first byte has arrived and not before. The default is to hand it out at once.
    ///
    /// For protocols in which the client speaks first; with another, no client would be accepted.
    /// Of the clients that are waited for, 256 are kept; one more pushes out the oldest.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.admission.handshake = Some(timeout);
        self
    }

    /// Sets how accepted connections behave. The default is [`ConnectionOptions::new`].
    pub const fn connection(mut self, options: ConnectionOptions) -> Self {
        self.connection = options;
        self
    }

    /// Takes possession of the name and starts to listen: clients can connect from now on.
    ///
    /// # Errors
    ///
    /// [`Error::NameTaken`] if a pipe of this name exists already, in whatever process. Just after
    /// its last handle was closed that can be so for a moment.
    /// [`Error::InvalidName`] if the name is impossible or another machine's.
    /// [`Error::Io`] for any other failure of the operating system.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O and time enabled.
    pub fn bind<N>(&self, name: N) -> Result<Listener, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        let name = name.try_into()?;
        let (first, security) = self.claim(&name)?;
        let connection = match self.pipe_type {
            PipeType::Message => self.connection.frame_per_write(),
            PipeType::Byte => self.connection,
        };
        let mut listener = Listener {
            name,
            words: self.words(),
            security,
            backlog: usize::from(self.backlog.min(self.max_instances)),
            admission: self.admission.clone(),
            candidates: VecDeque::new(),
            connection,
            waiting: VecDeque::from([Instance::new(first)]),
            outage: None,
        };
        while listener.waiting.len() < listener.backlog {
            listener.arm().map_err(|e| listener.error(Operation::Listen, e))?;
        }
        debug!(pipe = %listener.name, backlog = listener.backlog, "listening");
        Ok(listener)
    }

    /// Takes possession of the name with one instance, and returns who may connect as well.
    pub(super) fn claim(
        &self,
        name: &PipeName,
    ) -> Result<(NamedPipeServer, SecurityDescriptor), Error> {
        if !name.is_local() {
            return Err(Error::InvalidName {
                name: name.as_str().to_owned(),
                source: NameError::Remote,
            });
        }
        let security = match &self.security {
            Security::Access(access) => {
                access.descriptor().map_err(|e| Error::io(Operation::Listen, Some(name), e))?
            }
            Security::Descriptor(descriptor) => descriptor.clone(),
        };
        Ok((claim(name, self.words(), &security)?, security))
    }

    fn words(&self) -> InstanceWords {
        let words = InstanceWords::new(self.direction, self.pipe_type);
        let words = if self.accept_remote { words.accept_remote_clients() } else { words };
        InstanceWords {
            max_instances: u32::from(self.max_instances),
            out_buffer: self.send_buffer,
            in_buffer: self.receive_buffer,
            ..words
        }
    }
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self::new()
    }
}

const fn at_most_254(instances: u8) -> u8 {
    match instances {
        0 => 1,
        255 => ListenerOptions::MAX_INSTANCES,
        _ => instances,
    }
}

/// Creates the first instance of a name that nobody owns.
///
/// `CreateNamedPipeW` documents `ERROR_ACCESS_DENIED` for a first instance that is not the first,
/// and gives it too when an existing pipe differs in its directions; a pipe at its own limit of
/// instances gives `ERROR_PIPE_BUSY`. The count is looked at as well, since Wine does not know
/// `FILE_FLAG_FIRST_PIPE_INSTANCE`.
fn claim(
    name: &PipeName,
    words: InstanceWords,
    security: &SecurityDescriptor,
) -> Result<NamedPipeServer, Error> {
    let first = match sys::create_instance(name, words.first(), security.as_descriptor()) {
        Ok(first) => first,
        Err(e) if matches!(Code::of(&e), Code::AccessDenied | Code::Busy) => {
            return Err(Error::NameTaken { pipe: name.clone() });
        }
        Err(e) => return Err(Error::io(Operation::Listen, Some(name), e)),
    };
    match sys::instances(&first) {
        Ok(0 | 1) => Ok(first),
        Ok(_) => {
            // Not to be found by a client that looks for the owner of the name.
            let _ = first.disconnect();
            Err(Error::NameTaken { pipe: name.clone() })
        }
        Err(e) => Err(Error::io(Operation::Listen, Some(name), e)),
    }
}

/// The server's side of a pipe name: it owns the name from [`bind`](Self::bind) until it is dropped
/// or closed, and always has instances waiting, so that no client finds the server busy or absent.
///
/// # Examples
///
/// ```no_run
/// # async fn serve() -> Result<(), npipes::Error> {
/// use npipes::Listener;
///
/// let mut listener = Listener::bind("orders")?;
/// loop {
///     let mut connection = listener.accept().await?;
///     tokio::spawn(async move {
///         while let Some(order) = connection.receive().await? {
///             connection.send(order).await?;
///         }
///         Ok::<(), npipes::Error>(())
///     });
/// }
/// # }
/// ```
pub struct Listener {
    name: PipeName,
    words: InstanceWords,
    security: SecurityDescriptor,
    backlog: usize,
    admission: Admission,
    /// Connected, and not admitted yet; oldest first.
    candidates: VecDeque<Candidate>,
    connection: ConnectionOptions,
    /// Oldest first: the operating system gives clients to instances in this order.
    waiting: VecDeque<Instance>,
    outage: Option<Outage>,
}

impl Listener {
    /// Listens on `name` with the default options: [`ListenerOptions::bind`].
    ///
    /// # Errors
    ///
    /// As [`ListenerOptions::bind`].
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O and time enabled.
    pub fn bind<N>(name: N) -> Result<Self, Error>
    where
        N: TryInto<PipeName>,
        Error: From<N::Error>,
    {
        ListenerOptions::new().bind(name)
    }

    /// Returns the name that it listens on.
    #[must_use]
    pub fn name(&self) -> &PipeName {
        &self.name
    }

    /// Waits for a client and returns the connection to it.
    ///
    /// A client that has connected, written and left is returned too: its messages can be received.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], after which `accept` can be called again. A failure to create a further
    /// instance is reported once, when no instance waits any more; `accept` then keeps trying and
    /// goes on when the cause is gone.
    ///
    /// # Cancel safety
    ///
    /// No client is lost: one that has connected meanwhile is returned by the next call.
    pub async fn accept(&mut self) -> Result<Connection<PipeStream>, Error> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Waits for a client and returns Tokio's bare handle, for a protocol of your own.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Cancel safety
    ///
    /// As [`accept`](Self::accept).
    pub async fn accept_raw(&mut self) -> Result<NamedPipeServer, Error> {
        poll_fn(|cx| self.poll_accept_raw(cx)).await
    }

    /// Returns the connections as a stream, which never ends.
    pub fn incoming(self) -> Incoming {
        Incoming { listener: self }
    }

    /// Stops listening. Clients can no longer connect when this returns; connections that were
    /// accepted are left alone.
    ///
    /// Dropping the listener does the same, but the name stays in use until the runtime has next
    /// looked for finished I/O.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has dropped the listener.
    pub async fn close(self) {
        drop(self);
        // mio keeps a handle open until the runtime has seen the end of its cancelled `connect`.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    /// Polls for a connection: what [`accept`](Self::accept) awaits.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Connection<PipeStream>, Error>> {
        self.poll_accept_raw(cx).map_ok(|server| {
            let stream = PipeStream::server(server, self.name.clone())
                .with_close_deadline(self.connection.close_deadline);
            Connection::over_pipe(stream, &self.connection, Some(self.name.clone()))
        })
    }

    fn poll_accept_raw(&mut self, cx: &mut Context<'_>) -> Poll<Result<NamedPipeServer, Error>> {
        self.poll_rearm(cx);
        if let Some(error) = self.unreported_outage() {
            return Poll::Ready(Err(error));
        }
        while let Some(connected) = self.poll_connected(cx) {
            match connected.map(|server| self.admission.examine(server, &self.name)) {
                Ok(Candidacy::Admitted(server)) => return Poll::Ready(Ok(server)),
                Ok(Candidacy::Undecided(candidate)) => self.candidates.push_back(candidate),
                Err(e) => return Poll::Ready(Err(e)),
            }
            if let Some(server) = self.poll_candidates(cx) {
                return Poll::Ready(Ok(server));
            }
        }
        self.poll_candidates(cx).map_or(Poll::Pending, |server| Poll::Ready(Ok(server)))
    }

    /// Decides on the candidates, and returns the first that is admitted.
    fn poll_candidates(&mut self, cx: &mut Context<'_>) -> Option<NamedPipeServer> {
        let mut undecided = 0;
        // Each is taken out while it is polled: should a filter panic, that client alone is lost.
        for _ in 0..self.candidates.len() {
            let Some(mut candidate) = self.candidates.pop_front() else { break };
            match candidate.as_mut().poll(cx) {
                Poll::Pending => {
                    self.candidates.push_back(candidate);
                    undecided += 1;
                }
                Poll::Ready(Some(server)) => {
                    self.candidates.rotate_right(undecided);
                    return Some(server);
                }
                Poll::Ready(None) => {}
            }
        }
        while self.candidates.len() > Admission::MAX_CANDIDATES {
            debug!(pipe = %self.name, "dropped a client that has said nothing for the longest");
            self.candidates.pop_front();
        }
        None
    }

    /// Returns the next client that has connected.
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Option<Result<NamedPipeServer, Error>> {
        for index in 0..self.waiting.len() {
            let Poll::Ready(connected) = self.waiting[index].connected.as_mut().poll(cx) else {
                continue;
            };
            let instance = self.waiting.remove(index).and_then(Instance::into_server);
            // Before the client is handed out: at no time is there no instance, so neither does a
            // client find the server busy, nor can another process take the name.
            self.poll_rearm(cx);
            return Some(match (connected, instance) {
                (Ok(()), Some(server)) => {
                    debug!(pipe = %self.name, "accepted");
                    Ok(server)
                }
                (Err(e), _) => Err(self.error(Operation::Accept, e)),
                (Ok(()), None) => unreachable!("the connect future was the only other owner"),
            });
        }
        None
    }

    /// Fills the backlog, and if that fails tries again after a while.
    fn poll_rearm(&mut self, cx: &mut Context<'_>) {
        while self.waiting.len() < self.backlog {
            if let Some(outage) = &mut self.outage {
                if outage.retry.as_mut().poll(cx).is_pending() {
                    return;
                }
            }
            match self.arm() {
                Ok(()) => {
                    if self.outage.take().is_some() {
                        debug!(pipe = %self.name, "instances can be created again");
                    }
                }
                Err(e) => match &mut self.outage {
                    Some(outage) => outage.prolong(),
                    None => {
                        warn!(pipe = %self.name, error = %e, "no further instance can be created");
                        self.outage = Some(Outage::new(e));
                    }
                },
            }
        }
    }

    fn arm(&mut self) -> io::Result<()> {
        let server = sys::create_instance(&self.name, self.words, self.security.as_descriptor())?;
        self.waiting.push_back(Instance::new(server));
        Ok(())
    }

    fn unreported_outage(&mut self) -> Option<Error> {
        if !self.waiting.is_empty() {
            return None;
        }
        let error = self.outage.as_mut()?.error.take()?;
        Some(self.error(Operation::Listen, error))
    }

    fn error(&self, operation: Operation, source: io::Error) -> Error {
        Error::io(operation, Some(&self.name), source)
    }
}

impl Drop for Listener {
    /// A dropped handle stays connectable until the runtime's driver has run; a disconnected one
    /// does not.
    fn drop(&mut self) {
        for instance in &self.waiting {
            let _ = instance.server.disconnect();
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("name", &self.name)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

/// An instance that waits for a client.
struct Instance {
    server: Arc<NamedPipeServer>,
    connected: Pin<Box<dyn Future<Output = io::Result<()>> + Send>>,
}

impl Instance {
    fn new(server: NamedPipeServer) -> Self {
        let server = Arc::new(server);
        let waiting = Arc::clone(&server);
        Self { server, connected: Box::pin(async move { waiting.connect().await }) }
    }

    fn into_server(self) -> Option<NamedPipeServer> {
        drop(self.connected);
        Arc::into_inner(self.server)
    }
}

/// A time in which no further instance could be created.
struct Outage {
    /// Not reported yet.
    error: Option<io::Error>,
    retry: Pin<Box<Sleep>>,
    delays: Delays,
}

impl Outage {
    /// A client may leave at any time and make room, so tries are frequent at first; four a second
    /// cost nothing that would show.
    const RETRY: Backoff =
        Backoff::new(Duration::from_millis(2), Duration::from_millis(250)).without_jitter();

    fn new(error: io::Error) -> Self {
        let mut delays = Self::RETRY.delays();
        let retry = Box::pin(tokio::time::sleep(delays.next_delay()));
        Self { error: Some(error), retry, delays }
    }

    fn prolong(&mut self) {
        self.retry = Box::pin(tokio::time::sleep(self.delays.next_delay()));
    }
}

/// The connections that a [`Listener`] accepts, as a stream.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Incoming {
    listener: Listener,
}

impl Incoming {
    /// Returns the listener.
    #[must_use]
    pub fn into_listener(self) -> Listener {
        self.listener
    }
}

impl Stream for Incoming {
    type Item = Result<Connection<PipeStream>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.listener.poll_accept(cx).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn has_modes(options: ListenerOptions, open_mode: u32, pipe_mode: u32) {
        let words = options.words().first();
        assert_eq!((words.open_mode, words.pipe_mode), (open_mode, pipe_mode));
    }

    #[test]
    fn the_default_words_are_exclusive_and_local() {
        has_modes(ListenerOptions::new(), 0x4008_0003, 8);
    }

    #[test]
    fn no_setter_but_its_own_lets_remote_clients_in() {
        let all = ListenerOptions::new()
            .direction(Direction::Inbound)
            .access(Access::authenticated_users())
            .filter(|_| true)
            .handshake_timeout(Duration::from_secs(1))
            .max_instances(9)
            .send_buffer(1)
            .receive_buffer(1)
            .backlog(1)
            .pipe_type(PipeType::Message);
        has_modes(all.clone(), 0x4008_0001, 12);
        has_modes(all.accept_remote_clients().pipe_type(PipeType::Byte), 0x4008_0001, 0);
    }
}
