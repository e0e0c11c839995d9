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
    pub(in crate::pipe) max_instances: Option<u8>,
    /// What only this system has.
    pub(in crate::pipe) system: ListenSettings,
    admission: Admission,
    connection: ConnectionOptions,
}

impl ListenerOptions {
    /// The default number of clients that can connect and wait to be accepted: 4 on Windows, where
    /// each takes an instance of the pipe, and 128 on Unix, where it takes a place in a queue.
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

    /// Lets this many clients connect that wait to be accepted, 1 to 254. One more finds the server
    /// busy (`ERROR_PIPE_BUSY`; on Unix `EAGAIN`, or it waits if its socket blocks). The default is
    /// [`DEFAULT_BACKLOG`](Self::DEFAULT_BACKLOG); 0 counts as 1, and more than 254 as 254.
    pub const fn backlog(mut self, instances: u8) -> Self {
        self.backlog = at_most_254(instances);
        self
    }

    /// Serves this many clients at once, 1 to 254. The default is no limit; 0 counts as 1, and more
    /// than 254 as 254.
    ///
    /// At the limit [`Listener::accept`] waits until a connection is given up.
    ///
    /// On Windows those that are not accepted yet count too, and further clients find the server busy.
    /// The pipe that the operating system shows has one instance more, which holds the name and lets
    /// nobody in. That is its limit too, so no server that forgets to ask whether it is the first can
    /// join in while the listener has all of them; with 254 it has none.
    ///
    /// On Unix further clients connect and wait to be accepted, as many as the
    /// [`backlog`](Self::backlog) and this limit let, and only then find the server busy.
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
    /// connection. The default is to admit all whom the access rules let connect.
    ///
    /// A client that cannot be identified is refused. On Windows, one that shows who it is with its
    /// writes only is waited for until its first byte, for the
    /// [`handshake_timeout`](Self::handshake_timeout) or 5 s, while others are accepted. That is
    /// every client that does not ask for static tracking (`SECURITY_SQOS_PRESENT` without
    /// `SECURITY_CONTEXT_TRACKING`), as clients of this crate do: std's `File`, Node, pywin32, and
    /// .NET by default. So a server that speaks first and has a filter refuses those.
    ///
    /// `admit` is called on the runtime's thread and should not block. Should it panic, so does
    /// `accept`, and that client alone is lost.
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
    /// its last handle was closed that can be so for a moment. An app container gets it as well for a
    /// name that does not begin with `LOCAL\`.
    /// [`Error::InvalidName`] if the name is impossible or another machine's.
    /// [`Error::Io`] for any other failure of the operating system: on Windows access is denied if a
    /// security descriptor does not let this process's own user create further instances; on Unix if
    /// the socket's folder cannot be written to, and the kind is `AlreadyExists` if another kind of
    /// file has the path.
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
        let connection = match self.system.keeps_messages() {
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
            _hold: hold,
            accepted: 0,
        })
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
