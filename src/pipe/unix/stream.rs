//! One end of a socket: Tokio's handle of it, and what is done with that.

mod convert;
mod handle;

pub(in crate::pipe) use self::handle::PipeHandle;
pub(super) use self::handle::Unread;
