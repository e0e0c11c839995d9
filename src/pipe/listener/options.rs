//! How a listener is made.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tracing::debug;

use super::{Listener, admission::Admission};
use crate::{
    connection::ConnectionOptions,
    error::Error,
    name::{InvalidName, NameError, PipeName},
    pipe::{
        imp::{self, Access, ListenSettings, Peer},
        places::Places,
    },
};

/// How a [`Listener`] is made; each setter says its default.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), npipes::Error> {
/// use npipes::{ListenerOptions, security::Access};
///
/// let listener = ListenerOptions::new()
///     .backlog(8)
///     .access(Access::current_user_only())
///     .bind("npipes-doc-listener-options")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ListenerOptions {
    backlog: u8,
    max_instances: Option<u8>,
    /// The options that only this system has.
    pub(in crate::pipe) system: ListenSettings,
    admission: Admission,
    connection: ConnectionOptions,
}

impl ListenerOptions {
    /// The default number of clients that can connect and wait to be accepted: 4 on Windows, where
    /// each client takes an instance of the pipe, and 128 on Unix, where each takes a place in a
    /// queue.
    pub const DEFAULT_BACKLOG: u8 = if cfg!(windows) { 4 } else { 128 };

    /// The most clients that a listener can be limited to.
    pub const MAX_INSTANCES: u8 = 254;

    /// Returns the default options.
    pub const fn new() -> Self {
        Self {
            backlog: Self::DEFAULT_BACKLOG,
            max_instances: None,
            system: ListenSettings::new(),
            admission: Admission::none(),
            connection: ConnectionOptions::new(),
        }
    }

    /// Sets how many clients can be connected and wait to be accepted, 1 to 254. One more finds the
    /// server busy (`ERROR_PIPE_BUSY`; on Unix `EAGAIN`, or it waits if its socket blocks). The
    /// default is [`DEFAULT_BACKLOG`](Self::DEFAULT_BACKLOG). 0 counts as 1; a larger number than
    /// 254 counts as 254.
    pub const fn backlog(mut self, instances: u8) -> Self {
        self.backlog = at_most_254(instances);
        self
    }

    /// Serves this many clients at once, 1 to 254. The default is no limit. 0 counts as 1; a larger
    /// number than 254 counts as 254.
    ///
    /// At the limit [`Listener::accept`] waits until a connection is given up.
    ///
    /// On Windows clients that are not accepted yet count too, and further clients find the server
    /// busy. The operating system shows one instance more, which holds the name and lets nobody in.
    /// The limit of the pipe itself includes this instance. So another server that does not ask to
    /// be the first cannot add an instance while the listener has all of them. With 254 the pipe
    /// itself has no limit.
    ///
    /// On Unix further clients connect and wait to be accepted, as many as the
    /// [`backlog`](Self::backlog) and this limit allow. Clients beyond these find the server busy.
    pub const fn max_instances(mut self, instances: u8) -> Self {
        self.max_instances = Some(at_most_254(instances));
        self
    }

    /// Sets who may connect. The default is [`Access::current_user_and_system`].
    pub fn access(mut self, access: Access) -> Self {
        self.system.set_access(access);
        self
    }

    /// Refuses the clients for which `admit` returns false, before any of their bytes reach a
    /// connection. The default is to admit every client that the access rules let connect.
    ///
    /// A client that cannot be identified is refused. On Windows some clients show who they are
    /// only with their writes. The listener waits for the first byte of such a client, for the
    /// [`handshake_timeout`](Self::handshake_timeout) or 5 s, and accepts others meanwhile. Such
    /// clients do not ask for static tracking (`SECURITY_SQOS_PRESENT` without
    /// `SECURITY_CONTEXT_TRACKING`): std's `File`, Node, pywin32, and .NET by default. Clients of
    /// this crate do ask. So a server that speaks first and has a filter refuses such clients.
    ///
    /// `admit` is called on the runtime's thread and should not block. If it panics, so does
    /// `accept`, and only that client is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use npipes::ListenerOptions;
    ///
    /// let options = ListenerOptions::new().filter(|peer| peer.is_same_user());
    /// ```
    pub fn filter<F>(mut self, admit: F) -> Self
    where
        F: Fn(&Peer) -> bool + Send + Sync + 'static,
    {
        self.admission.filter = Some(Arc::new(admit));
        self
    }

    /// Drops a client that sends nothing within this time after it has connected. A connection is
    /// handed out only when its first byte has arrived. The default is to hand it out at once.
    ///
    /// Use this only for a protocol in which the client speaks first; with any other, no client
    /// would be accepted. At most 256 clients are waited for; one more pushes out the oldest.
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
    /// [`Error::NameTaken`] if a pipe of this name exists already, in any process. A name can be
    /// taken for a moment after the pipe's last handle was closed. An app container also gets this
    /// error for a name that does not begin with `LOCAL\`. [`Error::InvalidName`] if the name is
    /// impossible or another machine's. [`Error::Io`] for any other failure of the operating
    /// system. On Windows access is denied if a security descriptor does not let this process's own
    /// user create further instances. On Unix access is denied if the socket's folder cannot be
    /// written to, and the kind is `AlreadyExists` if another kind of file has the path.
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
        if !name.is_local() {
            return Err(InvalidName::new(name.as_str(), NameError::Remote).into());
        }
        let keeps_messages = self.system.keeps_messages();
        let connection = match keeps_messages {
            false => self.connection.clone(),
            true => self.connection.clone().frame_per_write(true),
        };
        let size = self.max_instances.unwrap_or(self.backlog).min(self.backlog);
        let places = Places::limited(self.max_instances);
        let (backlog, hold) = imp::listen(&name, &self.system, self.max_instances, size, places)?;
        debug!(pipe = %name, backlog = size, "listening");
        Ok(Listener {
            name,
            backlog,
            admission: self.admission.clone(),
            candidates: VecDeque::new(),
            connection,
            keeps_messages,
            _hold: hold,
            accepted: 0,
        })
    }
}

impl ListenerOptions {
    /// Returns the name of a setting, besides the access rules, by which clients are refused.
    pub(in crate::pipe) fn refuses_clients_by(&self) -> Option<&'static str> {
        match &self.admission {
            Admission { filter: Some(_), .. } => Some("filter"),
            Admission { handshake: Some(_), .. } => Some("handshake_timeout"),
            Admission { filter: None, handshake: None } => None,
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
