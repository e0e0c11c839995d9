//! A process for each measurement, and what the operating system says of it.
#![allow(unsafe_code)]

use std::{
    env, io,
    process::Command,
    ptr,
    sync::{Mutex, PoisonError},
};

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

use crate::start::started;

/// Runs `measure` in a process where nothing ran before it, one such process at a time: the calling
/// test is started again there, and this is its first line.
pub(crate) fn measured<F: Future<Output = ()>>(measure: impl FnOnce() -> F) {
    const MEASURING: &str = "NPIPES_MEASURING";
    static ONE: Mutex<()> = Mutex::new(());
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    if env::var_os(MEASURING).is_some() {
        return runtime().block_on(measure());
    }
    let thread = std::thread::current();
    let test = thread.name().unwrap();
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]).env(MEASURING, "1");
    let output = started(|| child.output());
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter(|line| line.contains(": ")).for_each(|line| println!("{line}"));
    assert!(text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

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
