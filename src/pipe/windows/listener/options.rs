//! What only a pipe of Windows is made with.

use tokio::net::windows::named_pipe::NamedPipeServer;

use super::hold::claim;
use crate::{
    connection::ConnectionOptions,
    error::{Error, Operation},
    name::{InvalidName, NameError, PipeName},
    pipe::{
        listener::ListenerOptions,
        windows::{
            security::{Access, SecurityDescriptor},
            sys::{self, Direction, InstanceFlags, PipeType},
        },
    },
};

/// How the instances of a pipe are made.
#[derive(Debug, Clone)]
pub(in crate::pipe) struct ListenSettings {
    direction: Direction,
    pipe_type: PipeType,
    out_buffer_size: u32,
    in_buffer_size: u32,
    accept_remote: bool,
    security: Security,
}

#[derive(Debug, Clone)]
enum Security {
    Access(Access),
    Descriptor(SecurityDescriptor),
}

impl ListenSettings {
    /// What `CreateNamedPipeW` calls `PIPE_UNLIMITED_INSTANCES`.
    pub(super) const UNLIMITED: u32 = 255;

    pub(in crate::pipe) const fn new() -> Self {
        Self {
            direction: Direction::Duplex,
            pipe_type: PipeType::Byte,
            out_buffer_size: ListenerOptions::DEFAULT_BUFFER,
            in_buffer_size: ListenerOptions::DEFAULT_BUFFER,
            accept_remote: false,
            security: Security::Access(Access::current_user_and_system()),
        }
    }

    pub(in crate::pipe) fn set_access(&mut self, access: Access) {
        self.security = Security::Access(access);
    }

    /// Returns whether the system keeps write boundaries.
    pub(in crate::pipe) fn keeps_messages(&self) -> bool {
        self.pipe_type == PipeType::Message
    }

    /// Returns who may connect to a pipe of this machine.
    pub(super) fn rules_for(&self, name: &PipeName) -> Result<SecurityDescriptor, Error> {
        match &self.security {
            Security::Access(access) => {
                access.descriptor().map_err(|e| Error::io(Operation::Listen, Some(name), e))
            }
            Security::Descriptor(descriptor) => Ok(descriptor.clone()),
        }
    }

    /// Returns the flags of a pipe with so many instances.
    pub(super) fn flags(&self, max_instances: u32) -> InstanceFlags {
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

#[cfg_attr(docsrs, doc(cfg(windows)))]
impl ListenerOptions {
    /// On Windows: the default size of each of the operating system's buffers, in bytes: 132 KiB, which a
    /// full send buffer fits into, so that the reader finds 64 KiB whenever it comes back.
    /// It is a quota for unread data, taken from memory only while there is such data. A write that
    /// is longer is taken into memory whole, however small the quota, and waits.
    pub const DEFAULT_BUFFER: u32 = 132 * 1024;

    /// On Windows: makes the pipe that the Python module `npipes` 1.0.1 expects when it is a client: of message
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

    /// On Windows: sets in which directions data goes. The default is both.
    pub const fn direction(mut self, direction: Direction) -> Self {
        self.system.direction = direction;
        self
    }

    /// On Windows: sets what the operating system keeps of write boundaries. The default is
    /// [`PipeType::Byte`]. On a message-type pipe each frame is one message.
    pub const fn pipe_type(mut self, pipe_type: PipeType) -> Self {
        self.system.pipe_type = pipe_type;
        self
    }

    /// On Windows: sets the quota, in bytes, for data that clients have sent and the server has not read. The
    /// default is 132 KiB.
    pub const fn in_buffer_size(mut self, bytes: u32) -> Self {
        self.system.in_buffer_size = bytes;
        self
    }

    /// On Windows: sets the quota, in bytes, for data that the server has sent and the client has not read. The
    /// default is 132 KiB.
    pub const fn out_buffer_size(mut self, bytes: u32) -> Self {
        self.system.out_buffer_size = bytes;
        self
    }

    /// On Windows: sets whether clients of other machines can connect, through the SMB server. The default
    /// is `false`: they are refused.
    pub const fn accept_remote_clients(mut self, accept: bool) -> Self {
        self.system.accept_remote = accept;
        self
    }

    /// On Windows: sets who may connect, in the full language of Windows. It takes the place of an
    /// [`access`](Self::access): the last of the two calls counts.
    ///
    /// It must let the server itself create instances beside the one that holds the name
    /// (`FILE_CREATE_PIPE_INSTANCE`), or [`bind`](Self::bind) fails.
    pub fn security_descriptor(mut self, descriptor: SecurityDescriptor) -> Self {
        self.system.security = Security::Descriptor(descriptor);
        self
    }
}

impl ListenerOptions {
    /// Takes possession of the name with one instance, which a client can open.
    pub(in crate::pipe) fn claim(&self, name: &PipeName) -> Result<NamedPipeServer, Error> {
        if !name.is_local() {
            return Err(InvalidName::new(name.as_str(), NameError::Remote).into());
        }
        let security = self.system.rules_for(name)?;
        let flags =
            self.system.flags(self.max_instances.map_or(ListenSettings::UNLIMITED, u32::from));
        let first = claim(name, flags, &security)?;
        sys::register_server(first).map_err(|e| Error::io(Operation::Listen, Some(name), e))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn has_modes(options: ListenerOptions, open_mode: u32, pipe_mode: u32) {
        let flags = options.system.flags(ListenSettings::UNLIMITED).first();
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
