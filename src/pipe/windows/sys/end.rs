//! Ending the operations under way on a pipe.

use std::{
    io,
    os::windows::io::{AsRawHandle, BorrowedHandle},
    ptr,
};

use windows_sys::Win32::System::{IO::CancelIoEx, Pipes::DisconnectNamedPipe};

/// Disconnects the client of a server's end. Every operation under way on either end fails, and
/// unread data is discarded. From then on clients find the instance busy.
///
/// Fails with [`Code::Listening`](super::Code::Listening) while no client has opened the instance, and
/// with [`Code::Disconnected`](super::Code::Disconnected) if it was disconnected already.
///
/// Tokio's `disconnect` is not used: it forgets a write under way, so a task that waits for that
/// write would never be woken.
pub(in crate::pipe) fn disconnect(server: BorrowedHandle<'_>) -> io::Result<()> {
    // SAFETY: the handle is open while `server` is borrowed.
    let ok = unsafe { DisconnectNamedPipe(server.as_raw_handle()) };
    if ok == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Cancels every operation under way on the handle; each one fails with `ERROR_OPERATION_ABORTED`.
pub(in crate::pipe) fn cancel_io(pipe: BorrowedHandle<'_>) {
    // SAFETY: the handle is open while `pipe` is borrowed. Without an address no operation has to be
    // named that could be over already. It fails if there is none.
    unsafe { CancelIoEx(pipe.as_raw_handle(), ptr::null()) };
}
