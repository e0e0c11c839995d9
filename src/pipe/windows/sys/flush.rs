//! How much the peer has read, and waiting until it has read everything.

use std::{
    io,
    os::windows::io::{AsRawHandle, BorrowedHandle},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use windows_sys::{
    Wdk::Storage::FileSystem::{
        FILE_PIPE_CLOSING_STATE, FILE_PIPE_CONNECTED_STATE, FILE_PIPE_DISCONNECTED_STATE,
        FILE_PIPE_LOCAL_INFORMATION, FILE_PIPE_MESSAGE_TYPE, FILE_PIPE_SERVER_END,
        FilePipeLocalInformation, NtQueryInformationFile,
    },
    Win32::{
        Foundation::{ERROR_OPERATION_ABORTED, NTSTATUS, STATUS_PIPE_DISCONNECTED, STATUS_SUCCESS},
        Storage::FileSystem::FlushFileBuffers,
        System::IO::{CancelSynchronousIo, IO_STATUS_BLOCK},
    },
};

use super::{PipeType, library::is_wine};

/// The state that a pipe tells without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipe) enum PipeState {
    /// The peer is connected and has read everything.
    Empty,
    /// The peer is connected. If it has not read everything, `unread` bytes are unread, where
    /// known.
    Connected { unread: Option<u64> },
    /// The peer has closed its end or was disconnected. The system does not tell what it had read
    /// by then.
    Gone,
    /// The handle may not ask: it is that of a server that can only write, or was opened without
    /// `FILE_READ_ATTRIBUTES`.
    Unknown,
}

/// Returns a pipe's state, with the number of unread bytes.
pub(in crate::pipe) fn pipe_state(pipe: BorrowedHandle<'_>) -> PipeState {
    match local_information(pipe) {
        Ok(info) => PipeState::of(&info),
        Err(STATUS_PIPE_DISCONNECTED) => PipeState::Gone,
        Err(_) => PipeState::Unknown,
    }
}

/// Returns how many unread bytes of this end the pipe holds before a write waits. Returns `None` if
/// the handle may not ask or the other end is disconnected.
pub(in crate::pipe) fn write_quota(pipe: BorrowedHandle<'_>) -> Option<u32> {
    local_information(pipe).ok().map(|info| quota_of(&info))
}

/// Returns how many bytes the pipe takes at once, without a wait. Nobody makes this less but who
/// writes through this end: a read of the peer that is pending is counted as if it were unread data,
/// and takes what is written itself.
///
/// Where the system does not tell, this is all that there could be: an older Wine says 0 of every
/// pipe. There, nothing is known until a write waits.
pub(in crate::pipe) fn write_room(pipe: BorrowedHandle<'_>) -> usize {
    static HAS_TOLD: AtomicBool = AtomicBool::new(false);
    let room = match local_information(pipe) {
        Ok(info) => info.WriteQuotaAvailable,
        Err(_) => return 0,
    };
    if room > 0 {
        HAS_TOLD.store(true, Ordering::Relaxed);
    } else if !HAS_TOLD.load(Ordering::Relaxed) && is_wine() {
        return usize::MAX;
    }
    room as usize
}

/// Returns the quota of the end that has asked. At both ends, inbound and outbound have the
/// server's view, as in `CreateNamedPipeW`. Only `WriteQuotaAvailable` has the view of the asking
/// end.
fn quota_of(info: &FILE_PIPE_LOCAL_INFORMATION) -> u32 {
    match info.NamedPipeEnd {
        FILE_PIPE_SERVER_END => info.OutboundQuota,
        _ => info.InboundQuota,
    }
}

/// Returns the type of a pipe, which its server has chosen; `None` if the handle may not ask, or is
/// not that of a pipe.
pub(in crate::pipe) fn pipe_type(pipe: BorrowedHandle<'_>) -> Option<PipeType> {
    let info = local_information(pipe).ok()?;
    Some(match info.NamedPipeType & FILE_PIPE_MESSAGE_TYPE {
        0 => PipeType::Byte,
        _ => PipeType::Message,
    })
}

/// Returns a pipe's `FilePipeLocalInformation`, or the status.
fn local_information(pipe: BorrowedHandle<'_>) -> Result<FILE_PIPE_LOCAL_INFORMATION, NTSTATUS> {
    #[expect(clippy::cast_possible_truncation, reason = "it is 40")]
    const SIZE: u32 = size_of::<FILE_PIPE_LOCAL_INFORMATION>() as u32;
    let mut info = FILE_PIPE_LOCAL_INFORMATION::default();
    let mut status_block = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is open while `pipe` is borrowed; both results are written to before the
    // call returns, since no file system answers this query later, and `info` has the size given.
    let status = unsafe {
        NtQueryInformationFile(
            pipe.as_raw_handle(),
            &mut status_block,
            ptr::from_mut(&mut info).cast(),
            SIZE,
            FilePipeLocalInformation,
        )
    };
    match status {
        STATUS_SUCCESS => Ok(info),
        status => Err(status),
    }
}

impl PipeState {
    /// Both unread data and a pending read of the peer use the quota for unread data, but never
    /// both at once. So a free quota proves that nothing is unread, and a quota in use proves
    /// nothing. Data beyond the quota is not counted, so a quota that is used up does not tell the
    /// number of unread bytes. Wine does not count either: it always reports the quota as used up.
    /// Without a quota there is nothing to compare.
    fn of(info: &FILE_PIPE_LOCAL_INFORMATION) -> Self {
        let (quota, free) = (quota_of(info), info.WriteQuotaAvailable);
        match info.NamedPipeState {
            FILE_PIPE_CONNECTED_STATE if quota > 0 && free == quota => Self::Empty,
            FILE_PIPE_CONNECTED_STATE if free == 0 => Self::Connected { unread: None },
            FILE_PIPE_CONNECTED_STATE => {
                Self::Connected { unread: quota.checked_sub(free).map(u64::from) }
            }
            FILE_PIPE_CLOSING_STATE | FILE_PIPE_DISCONNECTED_STATE => Self::Gone,
            _ => Self::Unknown,
        }
    }
}

/// Blocks until the peer has read everything that was written to the pipe, including writes still
/// under way; or until the peer closes; or until [`cancel_synchronous_io`] releases the thread.
///
/// Succeeds at once if the peer has closed already, also if it had not read everything.
pub(in crate::pipe) fn flush(pipe: BorrowedHandle<'_>) -> io::Result<()> {
    // SAFETY: the handle is open while `pipe` is borrowed.
    let ok = unsafe { FlushFileBuffers(pipe.as_raw_handle()) };
    if ok == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Returns whether `error` is the error of a released [`flush`].
pub(in crate::pipe) fn is_released(error: &io::Error) -> bool {
    error.raw_os_error().and_then(|code| u32::try_from(code).ok()) == Some(ERROR_OPERATION_ABORTED)
}

/// Releases `thread` from the call that it is blocked in. Does nothing if the thread is not
/// blocked, also if it is just about to block. So call this again until the thread says that it is
/// back.
pub(in crate::pipe) fn cancel_synchronous_io(thread: BorrowedHandle<'_>) {
    // SAFETY: the handle is open while `thread` is borrowed. That nothing was to be cancelled is
    // the only failure, and the caller's to repeat.
    unsafe { CancelSynchronousIo(thread.as_raw_handle()) };
}

#[cfg(test)]
mod tests {
    use windows_sys::Wdk::Storage::FileSystem::FILE_PIPE_CLIENT_END;

    use super::*;

    /// Returns the information of an end that may write up to `quota`. The other end's quota does
    /// not matter.
    fn info(end: u32, state: u32, quota: u32, free: u32) -> FILE_PIPE_LOCAL_INFORMATION {
        let other = if quota == 4096 { 8192 } else { 4096 };
        let (inbound, outbound) =
            if end == FILE_PIPE_SERVER_END { (other, quota) } else { (quota, other) };
        FILE_PIPE_LOCAL_INFORMATION {
            NamedPipeEnd: end,
            NamedPipeState: state,
            InboundQuota: inbound,
            OutboundQuota: outbound,
            WriteQuotaAvailable: free,
            ..Default::default()
        }
    }

    #[test]
    fn only_a_free_quota_proves_that_everything_was_read() {
        for end in [FILE_PIPE_SERVER_END, FILE_PIPE_CLIENT_END] {
            let connected =
                |quota, free| PipeState::of(&info(end, FILE_PIPE_CONNECTED_STATE, quota, free));
            assert_eq!(connected(4096, 4096), PipeState::Empty);
            assert_eq!(connected(8192, 8192), PipeState::Empty);
            assert_eq!(connected(4096, 4000), PipeState::Connected { unread: Some(96) });
            // Half is free, which is the whole quota of the other end.
            assert_eq!(connected(8192, 4096), PipeState::Connected { unread: Some(4096) });
            // Used up: more bytes than the quota may be unread. Wine always reports this.
            assert_eq!(connected(4096, 0), PipeState::Connected { unread: None });
            // No quota: a write that waits is not charged.
            assert_eq!(connected(0, 0), PipeState::Connected { unread: None });
        }
    }

    #[test]
    fn a_quota_of_a_pipe_without_a_peer_says_nothing() {
        for end in [FILE_PIPE_SERVER_END, FILE_PIPE_CLIENT_END] {
            for state in [FILE_PIPE_CLOSING_STATE, FILE_PIPE_DISCONNECTED_STATE] {
                assert_eq!(PipeState::of(&info(end, state, 4096, 4096)), PipeState::Gone);
            }
        }
    }
}
