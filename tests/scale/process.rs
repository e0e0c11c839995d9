//! What this process has open.

use std::{ffi::c_void, process, ptr};

/// The highest value of a handle that is looked at, for twelve thousand handles.
const LAST_HANDLE: usize = 0xc000;

#[link(name = "kernel32")]
unsafe extern "system" {
    fn GetHandleInformation(handle: *mut c_void, flags: *mut u32) -> i32;
}

/// Returns the number of open handles, by looking at each. Under Wine 8 `GetProcessHandleCount` is
/// always 0, and the list of processes has the size of the table instead.
pub(crate) fn handles() -> usize {
    let is_open = |value: &usize| {
        let mut flags = 0;
        // SAFETY: whatever the value is, the call only says whether it is a handle.
        unsafe { GetHandleInformation(ptr::without_provenance_mut(*value), &mut flags) != 0 }
    };
    (4..=LAST_HANDLE).step_by(4).filter(is_open).count()
}

/// Returns how many handles of `wanted` this process can have: the system has no limit that matters.
pub(crate) fn handles_for(wanted: usize) -> usize {
    wanted
}

/// The class `SystemProcessInformation`: a `SYSTEM_PROCESS_INFORMATION` for each process.
const PROCESSES: i32 = 5;

/// Offsets in it, where pointers have 64 bits.
const NEXT: usize = 0;
const THREADS: usize = 4;
const ID: usize = 80;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the offsets are those of a 64-bit system");

#[link(name = "ntdll")]
unsafe extern "system" {
    fn NtQuerySystemInformation(
        class: i32,
        buffer: *mut c_void,
        len: u32,
        returned: *mut u32,
    ) -> i32;
}

/// Returns the number of threads.
pub(crate) fn threads() -> u32 {
    // As u64, for the alignment.
    let mut buffer = vec![0_u64; 1 << 17];
    let len = u32::try_from(size_of_val(&buffer[..])).unwrap();
    let mut returned = 0;
    // SAFETY: the buffer has `len` bytes and outlives the call, as does `returned`.
    let status = unsafe {
        NtQuerySystemInformation(PROCESSES, buffer.as_mut_ptr().cast(), len, &mut returned)
    };
    assert_eq!(status, 0, "{status:#x}");
    let bytes: Vec<u8> = buffer.into_iter().flat_map(u64::to_ne_bytes).collect();
    let number = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut entry = 0;
    while number(entry + ID) != process::id() {
        assert_ne!(number(entry + NEXT), 0, "this process is in the list");
        entry += number(entry + NEXT) as usize;
    }
    number(entry + THREADS)
}
