//! Every `unsafe`, of which there is one question: what only a number says to the kernel.

use std::os::fd::AsFd;

use rustix::ioctl::{Getter, Opcode, ioctl};

/// `SIOCOUTQ`, which is `TIOCOUTQ`, as asm-generic/ioctls.h has it.
const SIOCOUTQ: Opcode = 0x5411;

/// Whether that is what the system takes the number for: some architectures have their own.
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

/// So much memory of a send queue, in bytes, is none. The kernel tells a writer that memory was given
/// back before it has given back the last byte of it (sock.c: `sock_wfree`), so one who is told
/// finds a byte; and what is queued takes as much as a buffer and its head at least, which is 400
/// bytes and more.
const NOTHING: i32 = 128;

/// Returns how many bytes of memory a socket has in its peer's receive queue, which is more than
/// what is unread there, and 0 if that is nothing (unix(7): `SIOCOUTQ`); `None` where the system
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
