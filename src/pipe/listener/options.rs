//! How a listener is made.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::net::windows::named_pipe::NamedPipeServer;
use tracing::debug;

use super::{
    Listener,
    admission::Admission,
    backlog::Backlog,
    hold::{Hold, claim},
};
use crate::{
    connection::ConnectionOptions,
    error::{Error, Operation},
    name::{InvalidName, NameError, PipeName},
    pipe::{
        peer::Peer,
        places::Places,
        security::{Access, SecurityDescriptor},
        sys::{self, Direction, InstanceFlags, PipeType},
    },
};

/// How a [`Listener`] is made; each setter says its default.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), npipes::Error> {
/// use npipes::{ListenerOptions, pipe::PipeType};
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
    max_instances: Option<u8>,
    direction: Direction,
    pipe_type: PipeType,
    out_buffer_size: u32,
    in_buffer_size: u32,
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

    /// The most instances that a listener can be limited to.
    pub const MAX_INSTANCES: u8 = 254;

    /// The default size of each of the operating system's buffers, in bytes: 132 KiB, which a
    /// full send buffer fits into, so that the reader finds 64 KiB whenever it comes back.
    /// It is a quota for unread data, taken from memory only while there is such data. A write that
    /// is longer is taken into memory whole, however small the quota, and waits.
    pub const DEFAULT_BUFFER: u32 = 132 * 1024;

    /// What `CreateNamedPipeW` calls `PIPE_UNLIMITED_INSTANCES`.
    const UNLIMITED: u32 = 255;

    /// Returns the default options.
    pub const fn new() -> Self {
        Self {
            backlog: Self::DEFAULT_BACKLOG,
            max_instances: None,
            direction: Direction::Duplex,
            pipe_type: PipeType::Byte,
            out_buffer_size: Self::DEFAULT_BUFFER,
            in_buffer_size: Self::DEFAULT_BUFFER,
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
    /// The name stays the listener's in between too. The pipe itself has two instances, of which one
    /// holds the name: the module does not ask how many there are.
    pub fn for_npipes_1_0_1(self) -> Self {
        self.backlog(1)
            .max_instances(1)
            .direction(Direction::Duplex)
            .pipe_type(PipeType::Message)
            .in_buffer_size(64 * 1024)
            .out_buffer_size(64 * 1024)
            .connection(ConnectionOptions::NPIPES_1_0_1)
    }

    /// Keeps this many instances waiting for clients, 1 to 254. A client that finds none waiting
    /// gets `ERROR_PIPE_BUSY`. The default is 4; 0 counts as 1, and more than 254 as 254.
    pub const fn backlog(mut self, instances: u8) -> Self {
        self.backlog = at_most_254(instances);
        self
    }

    /// Serves this many clients at once, those that are not accepted yet included, 1 to 254. The
    /// default is no limit; 0 counts as 1, and more than 254 as 254.
    ///
    /// At the limit clients find the server busy, and [`Listener::accept`] waits until a connection is
    /// given up. The pipe that the operating system shows has one instance more, which holds the name
    /// and lets nobody in. That is its limit too, so no server that forgets to ask whether it is the
    /// first can join in while the listener has all of them; with 254 it has none.
    pub const fn max_instances(mut self, instances: u8) -> Self {
        self.max_instances = Some(at_most_254(instances));
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
    /// default is 132 KiB.
    pub const fn in_buffer_size(mut self, bytes: u32) -> Self {
        self.in_buffer_size = bytes;
        self
    }

    /// Sets the quota, in bytes, for data that the server has sent and the client has not read. The
    /// default is 132 KiB.
    pub const fn out_buffer_size(mut self, bytes: u32) -> Self {
        self.out_buffer_size = bytes;
        self
    }

    /// Sets whether clients of other machines can connect, through the SMB server. The default is
    /// `false`: they are refused.
    pub const fn accept_remote_clients(mut self, accept: bool) -> Self {
        self.accept_remote = accept;
        self
    }

    /// Sets who may connect. The default is [`Access::current_user_and_system`].
    pub fn access(mut self, access: Access) -> Self {
        self.security = Security::Access(access);
        self
    }

    /// Sets who may connect, in the full language of Windows. It takes the place of an
    /// [`access`](Self::access): the last of the two calls counts.
    ///
    /// It must let the server itself create instances beside the one that holds the name
    /// (`FILE_CREATE_PIPE_INSTANCE`), or [`bind`](Self::bind) fails.
    pub fn security_descriptor(mut self, descriptor: SecurityDescriptor) -> Self {
        self.security = Security::Descriptor(descriptor);
        self
    }

    /// Refuses the clients for which `admit` returns false, before any of their bytes reach a
    /// connection. The default is to admit all whom the access rules let connect.
    ///
    /// A client that cannot be identified is refused. One that shows who it is with its writes only is
    /// waited for until its first byte, for the [`handshake_timeout`](Self::handshake_timeout) or 5 s,
    /// while others are accepted. That is every client that does not ask for static tracking
    /// (`SECURITY_SQOS_PRESENT` without `SECURITY_CONTEXT_TRACKING`), as clients of this crate do:
    /// std's `File`, Node, pywin32, and .NET by default. So a server that speaks first and has a
    /// filter refuses those.
    ///
    /// `admit` is called on the runtime's thread and should not block. Should it panic, so does
    /// `accept`, and that client alone is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use npipes::{ListenerOptions, security::IntegrityLevel};
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
    /// its last handle was closed that can be so for a moment. An app container gets it as well for a
    /// name that does not begin with `LOCAL\`.
    /// [`Error::InvalidName`] if the name is impossible or another machine's.
    /// [`Error::Io`] for any other failure of the operating system: access is denied if a
    /// [`security_descriptor`](Self::security_descriptor) does not let this process's own user create
    /// further instances.
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
        let security = self.rules_for(&name)?;
        let flags = self.flags(match self.max_instances {
            // One more, to hold the name.
            Some(max) => u32::from(max) + 1,
            None => Self::UNLIMITED,
        });
        let hold = Hold::take(&name, flags, &security)?;
        let connection = match self.pipe_type {
            PipeType::Byte => self.connection.clone(),
            PipeType::Message => self.connection.clone().frame_per_write(true),
        };
        let size = self.max_instances.unwrap_or(self.backlog).min(self.backlog).into();
        let places = Places::limited(self.max_instances);
        debug!(pipe = %name, backlog = size, "listening");
        Ok(Listener {
            backlog: Backlog::new(name, flags, security, size, places)?,
            admission: self.admission.clone(),
            candidates: VecDeque::new(),
            connection,
            _hold: hold,
            accepted: 0,
        })
    }

    /// Takes possession of the name with one instance, which a client can open.
    pub(in crate::pipe) fn claim(&self, name: &PipeName) -> Result<NamedPipeServer, Error> {
        let security = self.rules_for(name)?;
        let flags = self.flags(self.max_instances.map_or(Self::UNLIMITED, u32::from));
        let first = claim(name, flags, &security)?;
        sys::register_server(first).map_err(|e| Error::io(Operation::Listen, Some(name), e))
    }

    /// Returns who may connect to a pipe of this machine.
    fn rules_for(&self, name: &PipeName) -> Result<SecurityDescriptor, Error> {
        if !name.is_local() {
            return Err(InvalidName::new(name.as_str(), NameError::Remote).into());
        }
        match &self.security {
            Security::Access(access) => {
                access.descriptor().map_err(|e| Error::io(Operation::Listen, Some(name), e))
            }
            Security::Descriptor(descriptor) => Ok(descriptor.clone()),
        }
    }

    fn flags(&self, max_instances: u32) -> InstanceFlags {
        let flags = InstanceFlags::new(self.direction, self.pipe_type);
        let flags = if self.accept_remote { flags.accept_remote_clients() } else { flags };
        InstanceFlags {
            max_instances,
            out_buffer: self.out_buffer_size,
            in_buffer: self.in_buffer_size,
            ..flags
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn has_modes(options: ListenerOptions, open_mode: u32, pipe_mode: u32) {
        let flags = options.flags(ListenerOptions::UNLIMITED).first();
        assert_eq!((flags.open_mode, flags.pipe_mode), (open_mode, pipe_mode));
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
            .out_buffer_size(1)
            .in_buffer_size(1)
            .backlog(1)
            .pipe_type(PipeType::Message);
        has_modes(all.clone(), 0x4008_0001, 12);
        has_modes(all.accept_remote_clients(true).pipe_type(PipeType::Byte), 0x4008_0001, 0);
    }
}
