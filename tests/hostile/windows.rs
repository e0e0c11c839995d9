//! What the system says of this process.

use std::{io, ptr};

use windows_sys::{
    Wdk::System::SystemInformation::NtQuerySystemInformation,
    Win32::{
        Foundation::STATUS_INFO_LENGTH_MISMATCH,
        System::{
            ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS},
            Threading::GetCurrentProcess,
        },
    },
};

/// Returns the number of open handles, counted one by one: of `GetProcessHandleCount` Wine 8 makes 0,
/// and of the count in `SystemProcessInformation` the size of the table.
pub(crate) fn handles() -> usize {
    /// `SystemExtendedHandleInformation`: two words, the first of which is the number of handles in
    /// the system, and five words for each, the second of which is the process.
    const CLASS: i32 = 64;
    let mut buffer = vec![0_u64; 64 * 1024];
    loop {
        let room = u32::try_from(size_of_val(&buffer[..])).unwrap();
        // SAFETY: the room is the buffer's; the length that is wanted is optional.
        let status = unsafe {
            NtQuerySystemInformation(CLASS, buffer.as_mut_ptr().cast(), room, ptr::null_mut())
        };
        match status {
            STATUS_INFO_LENGTH_MISMATCH => buffer.resize(buffer.len() * 2, 0),
            _ => break assert!(status >= 0, "{status:#x}"),
        }
    }
    let count = usize::try_from(buffer[0]).unwrap();
    let this = u64::from(std::process::id());
    let count = buffer[2..].chunks_exact(5).take(count).filter(|entry| entry[1] == this).count();
    assert_ne!(count, 0, "the system does not list this process's handles");
    count
}

/// Returns the memory in use, in bytes, now and at its highest.
pub(crate) fn memory() -> (usize, usize) {
    let mut counters = PROCESS_MEMORY_COUNTERS::default();
    let size = u32::try_from(size_of_val(&counters)).unwrap();
    // SAFETY: it takes nothing and returns a pseudo handle that need not be closed.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the pseudo handle is always valid, and the size is the structure's.
    let ok = unsafe { K32GetProcessMemoryInfo(process, &mut counters, size) };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    (counters.WorkingSetSize, counters.PeakWorkingSetSize)
}

/// Returns how many handles of `wanted` this process can have: the system has no limit that matters.
pub(crate) fn handles_for(wanted: usize) -> usize {
    wanted
}
