//! Functions that some systems, such as Wine, do not have. They are looked up by name when they are
//! needed, because a program that imports a missing function does not start.

use std::{
    ffi::{CStr, c_void},
    io,
    mem::transmute,
    os::windows::io::{AsRawHandle, BorrowedHandle},
    ptr,
    sync::OnceLock,
};

use windows_sys::{
    Win32::{
        Foundation::{
            ERROR_CALL_NOT_IMPLEMENTED, ERROR_PIPE_LOCAL, ERROR_SUCCESS, FARPROC, HANDLE,
            SetLastError,
        },
        Security::{FreeSid, PSID},
        System::LibraryLoader::{GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW},
    },
    core::{HRESULT, PCWSTR},
};

use super::{security::read_sid, wide};
use crate::sid::Sid;

/// Returns the function of a library of the system's own folder; `None` if this system has no such
/// function. The library stays loaded.
fn function(library: &str, name: &CStr) -> FARPROC {
    let library = wide(library);
    // SAFETY: the name ends with a NUL and outlives the call. A library of the system's folder, of
    // which nobody else has put a copy there, does what the system's documentation says when loaded.
    let library =
        unsafe { LoadLibraryExW(library.as_ptr(), ptr::null_mut(), LOAD_LIBRARY_SEARCH_SYSTEM32) };
    if library.is_null() {
        return None;
    }
    // SAFETY: the library is loaded, and the name ends with a NUL.
    unsafe { GetProcAddress(library, name.as_ptr().cast()) }
}

/// Returns whether this system is Wine.
pub(super) fn is_wine() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| function("ntdll.dll", c"wine_get_version").is_some())
}

/// Returns whether a pipe's client has come from another machine, or through the network of this
/// machine. The client itself states its process id then.
pub(in crate::pipe) fn client_is_remote(server: BorrowedHandle<'_>) -> bool {
    type GetNamedPipeClientComputerNameW = unsafe extern "system" fn(HANDLE, *mut u16, u32) -> i32;
    static FOUND: OnceLock<FARPROC> = OnceLock::new();
    let find = || function("kernel32.dll", c"GetNamedPipeClientComputerNameW");
    let Some(found) = *FOUND.get_or_init(find) else {
        // This is Wine, which has no pipes of other machines.
        return false;
    };
    // SAFETY: this is how `winbase.h` declares it.
    let ask = unsafe {
        transmute::<unsafe extern "system" fn() -> isize, GetNamedPipeClientComputerNameW>(found)
    };
    let mut name = [0_u16; 256];
    // SAFETY: it takes no pointers.
    unsafe { SetLastError(ERROR_SUCCESS) };
    // SAFETY: the handle is open while it is borrowed, and the size is the buffer's, in bytes.
    let ok = unsafe { ask(server.as_raw_handle(), name.as_mut_ptr(), 512) };
    ok != 0 || !is_local(io::Error::last_os_error())
}

/// Returns whether the error means a local client. A later Wine has the function, but the function
/// does nothing.
fn is_local(error: io::Error) -> bool {
    const LOCAL: [u32; 3] = [ERROR_PIPE_LOCAL, ERROR_CALL_NOT_IMPLEMENTED, ERROR_SUCCESS];
    let code = error.raw_os_error().and_then(|code| u32::try_from(code).ok());
    code.is_some_and(|code| LOCAL.contains(&code))
}

/// Returns the identifier of the app container that has this name. For a package this is its family
/// name. The identifier is computed from the name: the package need not be installed.
pub(in crate::pipe) fn app_container(name: &str) -> io::Result<Sid> {
    type DeriveAppContainerSidFromAppContainerName =
        unsafe extern "system" fn(PCWSTR, *mut PSID) -> HRESULT;
    if name.is_empty() || name.contains('\0') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let found = function("userenv.dll", c"DeriveAppContainerSidFromAppContainerName")
        .ok_or(io::ErrorKind::Unsupported)?;
    // SAFETY: this is how `userenv.h` declares it.
    let derive = unsafe {
        transmute::<unsafe extern "system" fn() -> isize, DeriveAppContainerSidFromAppContainerName>(
            found,
        )
    };
    let name = wide(name);
    let mut sid = ptr::null_mut();
    // SAFETY: the name ends with a NUL, and it and the result outlive the call.
    let result = unsafe { derive(name.as_ptr(), &mut sid) };
    if result < 0 || sid.is_null() {
        return Err(io::Error::from_raw_os_error(result));
    }
    let given = Given(sid);
    // SAFETY: the call has put a SID there, which is freed afterwards.
    unsafe { read_sid(given.0) }
}

/// A SID to be freed by `FreeSid`.
struct Given(*mut c_void);

impl Drop for Given {
    fn drop(&mut self) {
        // SAFETY: the SID comes from a call that says to free it so, and only this value has it.
        unsafe { FreeSid(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_system_has_is_found_and_what_it_has_not_is_none() {
        assert!(function("kernel32.dll", c"GetProcAddress").is_some());
        assert!(function("kernel32.dll", c"GetNoSuchThing").is_none());
        assert!(function("npipes-has-no-such.dll", c"GetProcAddress").is_none());
    }

    #[test]
    fn a_client_is_local_where_the_system_says_so_or_knows_no_other() {
        for (code, local) in [(229, true), (120, true), (0, true), (5, false), (122, false)] {
            assert_eq!(is_local(io::Error::from_raw_os_error(code)), local, "{code}");
        }
    }

    #[test]
    fn a_name_that_no_container_can_have_is_refused() {
        for name in ["", "npipes\0_x"] {
            assert_eq!(app_container(name).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}
