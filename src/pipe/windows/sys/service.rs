//! What the service control manager tells about a service. Each question is a remote procedure
//! call.

use std::{io, ptr, slice};

use windows_sys::Win32::{
    Security::LookupAccountNameW,
    System::Services::{
        CloseServiceHandle, OpenSCManagerW, OpenServiceW, QUERY_SERVICE_CONFIGW,
        QueryServiceConfigW, QueryServiceStatusEx, SC_HANDLE, SC_MANAGER_CONNECT,
        SC_STATUS_PROCESS_INFO, SERVICE_QUERY_CONFIG, SERVICE_QUERY_STATUS, SERVICE_STATUS_PROCESS,
        SERVICE_STOPPED,
    },
};

use super::wide;
use crate::sid::Sid;

/// Returns the process that the service runs in; `None` if it does not run, or is a driver.
pub(in crate::pipe) fn process_id(service: &str) -> io::Result<Option<u32>> {
    #[expect(clippy::cast_possible_truncation, reason = "the structure has 36 bytes")]
    const LEN: u32 = size_of::<SERVICE_STATUS_PROCESS>() as u32;
    let service = Handle::open_service(service, SERVICE_QUERY_STATUS)?;
    let (mut status, mut wanted) = (SERVICE_STATUS_PROCESS::default(), 0);
    // SAFETY: the handle is open, and the structure has the size given.
    let ok = unsafe {
        QueryServiceStatusEx(
            service.0,
            SC_STATUS_PROCESS_INFO,
            ptr::from_mut(&mut status).cast(),
            LEN,
            &mut wanted,
        )
    };
    if ok == 0 {
        return Err(io::Error::last_os_error());
    }
    let runs = status.dwCurrentState != SERVICE_STOPPED && status.dwProcessId != 0;
    Ok(runs.then_some(status.dwProcessId))
}

/// Returns the account that the service is set to run as.
pub(in crate::pipe) fn account(service: &str) -> io::Result<Sid> {
    /// The largest size that `QueryServiceConfigW` documents for its result.
    const ROOM: u32 = 8192;
    let service = Handle::open_service(service, SERVICE_QUERY_CONFIG)?;
    let mut buffer = vec![0_u64; ROOM as usize / size_of::<u64>()];
    let mut wanted = 0;
    let config = buffer.as_mut_ptr().cast::<QUERY_SERVICE_CONFIGW>();
    // SAFETY: the handle is open; the buffer has the size given and is aligned for the structure.
    let ok = unsafe { QueryServiceConfigW(service.0, config, ROOM, &mut wanted) };
    if ok == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has filled the structure, and nothing changes it any more.
    let name = unsafe { (*config).lpServiceStartName };
    if name.is_null() {
        // `QUERY_SERVICE_CONFIGW` documents that the name may be null for a driver.
        return Err(io::ErrorKind::NotFound.into());
    }
    // The texts are in the buffer too. The buffer ends with zeroes or with the NUL of a text.
    let at = name.addr().wrapping_sub(config.addr()) / size_of::<u16>();
    // SAFETY: the buffer has that many units, and nothing changes it any more.
    let units =
        unsafe { slice::from_raw_parts(config.cast::<u16>(), ROOM as usize / size_of::<u16>()) };
    let name: Vec<u16> = units.iter().skip(at).copied().take_while(|&unit| unit != 0).collect();
    sid_of(&String::from_utf16_lossy(&name))
}

/// Returns the account that `CreateServiceW` means by this name. It may ask a domain controller.
fn sid_of(account: &str) -> io::Result<Sid> {
    /// The accounts that have the same name in every language.
    const OWN: [(&str, u32); 3] = [
        ("LocalSystem", 18),
        (r"NT AUTHORITY\LocalService", 19),
        (r"NT AUTHORITY\NetworkService", 20),
    ];
    if let Some((_, id)) = OWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(account)) {
        return format!("S-1-5-{id}").parse().map_err(io::Error::other);
    }
    /// As in `account_name`.
    const ROOM: u32 = 512;
    // A dot stands for this machine. A name without a domain means an account of this machine
    // first.
    let name = wide(account.strip_prefix(r".\").unwrap_or(account));
    // The longest SID has 68 bytes; aligned as the structure is.
    let (mut sid, mut sid_len) = ([0_u32; 17], 68);
    let (mut domain, mut domain_len, mut kind) = ([0_u16; ROOM as usize], ROOM, 0);
    // SAFETY: the name ends with a NUL, and the lengths are those of the arrays.
    let ok = unsafe {
        LookupAccountNameW(
            ptr::null(),
            name.as_ptr(),
            sid.as_mut_ptr().cast(),
            &mut sid_len,
            domain.as_mut_ptr(),
            &mut domain_len,
            &mut kind,
        )
    };
    if ok == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has put a SID there, which nothing changes any more.
    unsafe { super::security::read_sid(sid.as_mut_ptr().cast()) }
}

/// The service control manager, or a service.
struct Handle(SC_HANDLE);

impl Handle {
    fn open_service(name: &str, access: u32) -> io::Result<Self> {
        // For the operating system a NUL ends the name: it would take the part before the NUL for
        // the whole name.
        if name.contains('\0') {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: this machine and its one database are meant by null.
        let manager =
            Self::given(unsafe { OpenSCManagerW(ptr::null(), ptr::null(), SC_MANAGER_CONNECT) })?;
        let name = wide(name);
        // SAFETY: the manager is open; the name ends with a NUL and outlives the call.
        Self::given(unsafe { OpenServiceW(manager.0, name.as_ptr(), access) })
    }

    fn given(handle: SC_HANDLE) -> io::Result<Self> {
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(handle)) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and only this value has it.
        unsafe { CloseServiceHandle(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_does_not_exist_is_an_error() {
        for outcome in [
            process_id("npipes no such service").map(drop),
            account("npipes no such service").map(drop),
        ] {
            assert_eq!(outcome.unwrap_err().raw_os_error(), Some(1060));
        }
        let error = process_id("PlugPlay\0").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_service_that_runs_has_a_process_and_an_account() {
        // Windows starts this service with the system, Wine with its services.
        assert!(process_id("PlugPlay").unwrap().is_some_and(|id| id != 0));
        assert_eq!(account("PlugPlay").unwrap(), Sid::SYSTEM);
    }

    #[test]
    fn the_accounts_of_services_are_known_by_name() {
        assert_eq!(sid_of("localsystem").unwrap(), Sid::SYSTEM);
        assert_eq!(sid_of(r"NT Authority\LocalService").unwrap().to_string(), "S-1-5-19");
        assert_eq!(sid_of(r"NT AUTHORITY\NetworkService").unwrap().to_string(), "S-1-5-20");
        let user = std::env::var("USERNAME").unwrap();
        let local = sid_of(&format!(r".\{user}")).unwrap();
        assert_eq!(local, sid_of(&user).unwrap());
        assert_eq!(sid_of(r".\npipes no such account").unwrap_err().raw_os_error(), Some(1332));
    }
}
