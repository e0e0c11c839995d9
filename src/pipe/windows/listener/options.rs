//! How the instances of a pipe are made.

use crate::{
    error::{Error, Operation},
    name::PipeName,
    pipe::windows::{
        security::{Access, SecurityDescriptor},
        sys::{Direction, InstanceFlags, PipeType},
    },
};

/// How the instances of a pipe are made.
#[derive(Debug, Clone)]
pub(in crate::pipe) struct ListenSettings {
    pub(in crate::pipe) direction: Direction,
    pub(in crate::pipe) pipe_type: PipeType,
    pub(in crate::pipe) out_buffer_size: u32,
    pub(in crate::pipe) in_buffer_size: u32,
    pub(in crate::pipe) accept_remote: bool,
    security: Security,
}

#[derive(Debug, Clone)]
enum Security {
    Access(Access),
    Descriptor(SecurityDescriptor),
}

impl ListenSettings {
    /// The value that `CreateNamedPipeW` calls `PIPE_UNLIMITED_INSTANCES`.
    pub(in crate::pipe) const UNLIMITED: u32 = 255;
    /// The size of each of the operating system's buffers, in bytes.
    pub(in crate::pipe) const DEFAULT_BUFFER: u32 = 132 * 1024;

    pub(in crate::pipe) const fn new() -> Self {
        Self {
            direction: Direction::Duplex,
            pipe_type: PipeType::Byte,
            out_buffer_size: Self::DEFAULT_BUFFER,
            in_buffer_size: Self::DEFAULT_BUFFER,
            accept_remote: false,
            security: Security::Access(Access::current_user_and_system()),
        }
    }

    /// Returns the settings of the pipe that the Python module `npipes` 1.0.1 expects when it is a
    /// client.
    pub(in crate::pipe) const fn for_npipes_1_0_1(mut self) -> Self {
        self.direction = Direction::Duplex;
        self.pipe_type = PipeType::Message;
        self.in_buffer_size = 64 * 1024;
        self.out_buffer_size = 64 * 1024;
        self
    }

    pub(in crate::pipe) fn set_access(&mut self, access: Access) {
        self.security = Security::Access(access);
    }

    pub(in crate::pipe) fn set_security_descriptor(&mut self, descriptor: SecurityDescriptor) {
        self.security = Security::Descriptor(descriptor);
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

    /// Returns the flags of a pipe with this limit of instances.
    pub(in crate::pipe) fn flags(&self, max_instances: u32) -> InstanceFlags {
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
