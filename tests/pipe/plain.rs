//! Clients of the operating system, which know nothing of this crate and read when they are told to: no
//! runtime reads ahead for them.

use std::io;

use npipes::PipeName;

#[cfg(windows)]
pub(crate) type Plain = std::fs::File;
#[cfg(unix)]
pub(crate) type Plain = std::os::unix::net::UnixStream;

/// Returns the path that the system knows a name by.
pub(crate) fn path(name: &str) -> String {
    PipeName::new(name).unwrap().to_string()
}

/// Opens a pipe without waiting.
#[cfg(windows)]
pub(crate) fn open(name: &str) -> io::Result<Plain> {
    Plain::options().read(true).write(true).open(path(name))
}

/// Connects to a socket without waiting: std's own client would wait for room.
#[cfg(unix)]
pub(crate) fn open(name: &str) -> io::Result<Plain> {
    use rustix::net::{SocketAddrUnix, connect};
    let socket = Plain::from(socket()?);
    socket.set_nonblocking(true)?;
    connect(&socket, &SocketAddrUnix::new(path(name))?)?;
    socket.set_nonblocking(false)?;
    Ok(socket)
}

/// Returns a socket that no program inherits: its peer would not see it leave before that program ends.
#[cfg(target_os = "linux")]
fn socket() -> io::Result<std::os::fd::OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// The same, except for programs that begin between the two calls.
#[cfg(all(unix, not(target_os = "linux")))]
fn socket() -> io::Result<std::os::fd::OwnedFd> {
    use rustix::{
        io::{FdFlags, fcntl_setfd},
        net::{AddressFamily, SocketType, socket},
    };
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    Ok(socket)
}

/// Opens the pipe of a server that is free.
#[track_caller]
pub(crate) fn plain_client(name: &str) -> Plain {
    open(name).unwrap()
}

/// Closes a client's end so that its peer sees it leave at once. A process that another test is starting
/// has a duplicate of every open file until its program begins, which a dropped socket waits for.
pub(crate) fn leave(client: Plain) {
    #[cfg(unix)]
    client.shutdown(std::net::Shutdown::Both).unwrap();
    drop(client);
}

/// Returns whether a server had no room.
pub(crate) fn is_busy(error: &io::Error) -> bool {
    const ERROR_PIPE_BUSY: i32 = 231;
    match cfg!(windows) {
        true => error.raw_os_error() == Some(ERROR_PIPE_BUSY),
        false => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Returns whether what this end has not read is lost, since the other end has given it up. Windows has a
/// word for that, and a socket of Unix just ends.
#[track_caller]
pub(crate) fn assert_cut(read: io::Result<usize>) {
    const ERROR_PIPE_NOT_CONNECTED: i32 = 233;
    match cfg!(windows) {
        true => assert_eq!(read.unwrap_err().raw_os_error(), Some(ERROR_PIPE_NOT_CONNECTED)),
        false => drop(read.unwrap()),
    }
}
