//! What only a pipe of Windows is opened with.

use super::ConnectOptions;
use crate::pipe::windows::sys::{Direction, ImpersonationLevel};

#[cfg_attr(docsrs, doc(cfg(windows)))]
impl ConnectOptions {
    /// On Windows: sets in which directions data goes. The default is both directions; the server's
    /// pipe must have each direction set here.
    ///
    /// The pipe is opened with the least rights that are enough: `FILE_GENERIC_READ` for data from
    /// the server, and `FILE_WRITE_DATA` for data to it. So a server need not grant
    /// `FILE_GENERIC_WRITE`, which contains the right to create instances of its pipe
    /// (`FILE_CREATE_PIPE_INSTANCE`).
    pub const fn direction(mut self, direction: Direction) -> Self {
        self.system.direction = direction;
        self
    }

    /// On Windows: sets how far the server may act as this client. The default is
    /// [`ImpersonationLevel::Identification`]: the server learns who the client is, and can do
    /// nothing in its name.
    pub const fn impersonation(mut self, level: ImpersonationLevel) -> Self {
        self.system.impersonation = level;
        self
    }
}
