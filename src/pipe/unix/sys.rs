//! Every `unsafe`: what the kernel is asked that no crate asks for us.

use std::os::fd::AsFd;
#[cfg(target_os = "linux")]
use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
};

use rustix::ioctl::{Getter, Opcode, ioctl};

/// `SIOCOUTQ`, which is `TIOCOUTQ`, as defined in asm-generic/ioctls.h.
const SIOCOUTQ: Opcode = 0x5411;

/// Whether the number has this meaning here: some architectures have other numbers.
const IS_KNOWN: bool = cfg!(all(
    any(target_os = "linux", target_os = "android"),
    any(
        target_arch = "x86",
        target_arch = "x86_64",
        target_arch = "arm",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "s390x",
        target_arch = "loongarch64",
    )
));

/// Up to this much memory of a send queue, in bytes, counts as nothing. The kernel tells a writer
/// that memory was given back before it has given back the last byte (sock.c: `sock_wfree`), so the
/// writer then still finds one byte. Queued data takes at least a buffer and its head, which is 400
/// bytes or more.
const NOTHING: i32 = 128;

/// Returns how many bytes of memory a socket has in its peer's receive queue (unix(7): `SIOCOUTQ`).
/// This is more than the unread bytes, and 0 if nothing is unread. Returns `None` where the system
/// does not tell.
pub(super) fn unread(socket: impl AsFd) -> Option<u64> {
    if !IS_KNOWN {
        return None;
    }
    // SAFETY: the kernel writes one `int` for this request (tty_ioctl(4): `TIOCOUTQ`).
    let question = unsafe { Getter::<SIOCOUTQ, i32>::new() };
    // SAFETY: the request reads nothing and writes the answer alone, for which `question` has room.
    let memory = unsafe { ioctl(socket, question) }.ok()?;
    Some(if memory < NOTHING { 0 } else { memory.unsigned_abs().into() })
}

/// Returns a descriptor of the process that connected to this socket, or that listened at the other
/// end (unix(7): `SO_PEERPIDFD`, since Linux 6.5). It is closed when another program is executed.
#[cfg(target_os = "linux")]
pub(super) fn peer_process(socket: impl AsFd) -> io::Result<OwnedFd> {
    #[expect(clippy::cast_possible_truncation, reason = "it is 4")]
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    let mut descriptor: libc::c_int = -1;
    // SAFETY: the socket is open while it is borrowed. The kernel writes one `int`, for which there
    // is room, and its length.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            ptr::from_mut(&mut descriptor).cast(),
            &mut len,
        )
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded and gave the descriptor to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
