//! Messages over pipes for programs and threads that are not async. The caller needs no runtime.
//!
//! The module has the calls that accept, connect, send, receive and close. Streams without frames,
//! `Client` and `serve` are async only.
//!
//! Each call blocks its thread until it is done, or for the timeout that was set. One thread of the
//! process drives all pipes, however many there are.
//!
//! Inside an async runtime a call would hold up the tasks of its thread. There it returns
//! [`Error::BlockingInRuntime`] and does nothing. `tokio::task::spawn_blocking` does not help: its
//! threads belong to the runtime too. Use a thread of `std::thread::spawn`.
//!
//! # Examples
//!
//! ```
//! # fn main() -> Result<(), npipes::Error> {
//! use npipes::blocking::{Listener, connect};
//!
//! let mut listener = Listener::bind("npipes-doc-blocking")?;
//! let client = std::thread::spawn(|| -> Result<_, npipes::Error> {
//!     let mut connection = connect("npipes-doc-blocking")?;
//!     connection.send("two coffees")?;
//!     connection.receive()
//! });
//! let mut connection = listener.accept()?;
//! let order = connection.receive()?.unwrap();
//! connection.send(order)?;
//! assert_eq!(client.join().unwrap()?.unwrap(), b"two coffees"[..]);
//! # Ok(())
//! # }
//! ```

mod connection;
mod halves;
mod listener;
mod runtime;

pub use self::{
    connection::Connection,
    halves::{ReceiveHalf, SendHalf},
    listener::Listener,
};
use crate::{
    error::{Error, Operation},
    name::PipeName,
    pipe::connect::ConnectOptions,
};

/// Connects to the pipe `name` with the default options: [`connect_with`].
///
/// # Errors
///
/// As [`connect_with`].
pub fn connect<N>(name: N) -> Result<Connection, Error>
where
    N: TryInto<PipeName>,
    Error: From<N::Error>,
{
    connect_with(name, &ConnectOptions::new())
}

/// Connects to the pipe `name`, as often and as long as the options say. Their
/// [`timeout`](ConnectOptions::timeout) limits this call.
///
/// # Errors
///
/// As [`ConnectOptions::connect`], and [`Error::BlockingInRuntime`] inside a runtime.
pub fn connect_with<N>(name: N, options: &ConnectOptions) -> Result<Connection, Error>
where
    N: TryInto<PipeName>,
    Error: From<N::Error>,
{
    let name = name.try_into()?;
    let limit = runtime::Limit::new(Operation::Connect, Some(&name), None);
    runtime::block_on(limit, options.connect::<&PipeName>(&name)).map(Connection::new)
}
