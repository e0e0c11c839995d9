//! How the client's end of a pipe is opened.

use crate::pipe::windows::sys::{Direction, ImpersonationLevel};

/// How the client's end is opened.
#[derive(Debug, Clone, Copy)]
pub(in crate::pipe) struct OpenSettings {
    pub(in crate::pipe) direction: Direction,
    pub(in crate::pipe) impersonation: ImpersonationLevel,
}

impl OpenSettings {
    pub(in crate::pipe) const fn new() -> Self {
        Self { direction: Direction::Duplex, impersonation: ImpersonationLevel::Identification }
    }
}
