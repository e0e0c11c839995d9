//! The two calls of the Python module, async. Each session of a pipe carries one message, and
//! either end may own the pipe.

mod calls;
mod options;
mod receiving;
mod sending;
mod session;

pub use self::{
    calls::Ipc,
    options::{IpcOptions, IpcRole},
    sending::Delivery,
};
