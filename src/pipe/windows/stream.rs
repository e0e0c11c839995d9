//! One end of a pipe: Tokio's handle of it, and what is done with that.

mod convert;
mod end;
mod handle;
mod linger;

pub(in crate::pipe) use self::handle::PipeHandle;
pub(super) use self::handle::classify;
