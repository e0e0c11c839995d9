//! What only a pipe of Windows is made with.

use super::ListenerOptions;
use crate::{
    connection::ConnectionOptions,
    pipe::windows::{
        ListenSettings,
        security::SecurityDescriptor,
        sys::{Direction, PipeType},
    },
};

#[cfg_attr(docsrs, doc(cfg(windows)))]
impl ListenerOptions {
    /// On Windows: the default size of each of the operating system's buffers, in bytes: 132 KiB. A
    /// full send buffer fits into it, so that the reader finds 64 KiB whenever it comes back. The
    /// size is a quota for unread data; it uses memory only while there is such data. A longer
    /// write is still taken into memory whole, for any quota, and waits.
    pub const DEFAULT_BUFFER: u32 = ListenSettings::DEFAULT_BUFFER;

    /// On Windows: makes the pipe that the Python module `npipes` 1.0.1 expects when it is a
    /// client: of message type, with one instance and buffers of 64 KiB, for connections with
    /// [`ConnectionOptions::NPIPES_1_0_1`].
    ///
    /// It serves one client at a time: the next client gets `ERROR_PIPE_BUSY` until the connection
    /// is closed. The listener also owns the name between two clients. The pipe itself has two
    /// instances, and one of them holds the name. The module does not ask how many instances there
    /// are.
    pub fn for_npipes_1_0_1(mut self) -> Self {
        self.system = self.system.for_npipes_1_0_1();
        self.backlog(1).max_instances(1).connection(ConnectionOptions::NPIPES_1_0_1)
    }

    /// On Windows: sets in which directions data goes. The default is both.
    pub const fn direction(mut self, direction: Direction) -> Self {
        self.system.direction = direction;
        self
    }

    /// On Windows: sets whether the operating system keeps write boundaries. The default is
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

    /// On Windows: sets whether clients of other machines can connect, through the SMB server. The
    /// default is `false`: such clients are refused.
    pub const fn accept_remote_clients(mut self, accept: bool) -> Self {
        self.system.accept_remote = accept;
        self
    }

    /// On Windows: sets who may connect, in the full language of Windows. It replaces
    /// [`access`](Self::access): the last of the two calls counts.
    ///
    /// The descriptor must let the server itself create instances besides the one that holds the
    /// name (`FILE_CREATE_PIPE_INSTANCE`). Otherwise [`bind`](Self::bind) fails.
    pub fn security_descriptor(mut self, descriptor: SecurityDescriptor) -> Self {
        self.system.set_security_descriptor(descriptor);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pipe::windows::security::Access;

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
