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
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
    let socket = Plain::from(socket(AddressFamily::UNIX, SocketType::STREAM, None)?);
    socket.set_nonblocking(true)?;
    connect(&socket, &SocketAddrUnix::new(path(name))?)?;
    socket.set_nonblocking(false)?;
    Ok(socket)
}

/// Opens the pipe of a server that is free.
#[track_caller]
pub(crate) fn plain_client(name: &str) -> Plain {
    open(name).unwrap()
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
