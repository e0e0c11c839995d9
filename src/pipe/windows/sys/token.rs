//! Access tokens. A token tells the account that a process or a pipe's client runs as.

use std::{
    ffi::c_void,
    io,
    os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle},
    ptr,
};

use windows_sys::Win32::{
    Foundation::{ERROR_INSUFFICIENT_BUFFER, ERROR_NO_TOKEN},
    Security::{
        GetTokenInformation, LookupAccountSidW, SID_AND_ATTRIBUTES, TOKEN_DUPLICATE,
        TOKEN_ELEVATION, TOKEN_GROUPS, TOKEN_IMPERSONATE, TOKEN_INFORMATION_CLASS, TOKEN_QUERY,
        TokenElevation, TokenGroups, TokenIntegrityLevel, TokenSessionId, TokenUser,
    },
    System::{
        Pipes::{
            GetNamedPipeClientProcessId, GetNamedPipeServerProcessId, GetNamedPipeServerSessionId,
        },
        SystemServices::SE_GROUP_ENABLED,
        Threading::{GetCurrentProcess, OpenProcessToken},
    },
};

use super::{
    impersonation::{ActingAsClient, thread_token},
    process::Process,
    security::read_sid,
};
use crate::sid::Sid;

/// A token that can be queried and not used for anything else.
#[derive(Debug)]
pub(in crate::pipe) struct Token(OwnedHandle);

impl Token {
    /// Returns the token of this process.
    pub(in crate::pipe) fn of_this_process() -> io::Result<Self> {
        // SAFETY: it takes nothing and returns a pseudo handle that need not be closed.
        let process = unsafe { GetCurrentProcess() };
        // SAFETY: the pseudo handle is always valid.
        Self::of_process_handle(unsafe { BorrowedHandle::borrow_raw(process) })
    }

    /// Returns the token of a process.
    pub(in crate::pipe) fn of_process(process: &Process) -> io::Result<Self> {
        Self::of_process_handle(process.as_handle())
    }

    fn of_process_handle(process: BorrowedHandle<'_>) -> io::Result<Self> {
        let mut token = ptr::null_mut();
        // SAFETY: the handle is open while it is borrowed.
        let ok = unsafe { OpenProcessToken(process.as_raw_handle(), TOKEN_QUERY, &mut token) };
        if ok == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `OpenProcessToken` succeeded and gave the handle to nobody else.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(token) }))
    }

    /// Returns the token that the client of `server` has shown.
    pub(in crate::pipe) fn of_client(server: BorrowedHandle<'_>) -> io::Result<Self> {
        client_token(server, TOKEN_QUERY).map(Self)
    }

    /// Returns the same token, with the rights that are needed to act with it and to duplicate it.
    pub(in crate::pipe) fn of_client_to_act_with(
        server: BorrowedHandle<'_>,
    ) -> io::Result<OwnedHandle> {
        client_token(server, TOKEN_QUERY | TOKEN_DUPLICATE | TOKEN_IMPERSONATE)
    }

    /// Returns the user.
    pub(in crate::pipe) fn user(&self) -> io::Result<Sid> {
        self.sid(TokenUser)
    }

    /// Returns the last number of the integrity level's identifier.
    pub(in crate::pipe) fn integrity(&self) -> io::Result<u32> {
        self.sid(TokenIntegrityLevel)?
            .sub_authorities()
            .last()
            .copied()
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Returns the terminal services session.
    pub(in crate::pipe) fn session(&self) -> io::Result<u32> {
        self.number(TokenSessionId)
    }

    /// Returns whether the user's rights are raised.
    pub(in crate::pipe) fn is_elevated(&self) -> io::Result<bool> {
        const { assert!(size_of::<TOKEN_ELEVATION>() == size_of::<u32>()) };
        self.number(TokenElevation).map(|value| value != 0)
    }

    /// Returns whether the token is an enabled member of the group `sid`. A group that serves only
    /// to deny, such as the administrators' group of a user without elevation, does not count.
    pub(in crate::pipe) fn is_member(&self, sid: Sid) -> io::Result<bool> {
        const ENABLED: u32 = SE_GROUP_ENABLED as u32;
        let buffer = self.groups(vec![0_u64; 128])?;
        let groups = buffer.as_ptr().cast::<TOKEN_GROUPS>();
        // SAFETY: the call has filled the buffer, which is aligned for the structure.
        let count = unsafe { (*groups).GroupCount } as usize;
        // SAFETY: as above; the address is taken without a reference to the one declared element.
        let first = unsafe { &raw const (*groups).Groups }.cast::<SID_AND_ATTRIBUTES>();
        // SAFETY: so many elements follow, in the buffer, which is not changed any more.
        let groups = unsafe { std::slice::from_raw_parts(first, count) };
        for group in groups.iter().filter(|group| group.Attributes & ENABLED != 0) {
            // SAFETY: the SIDs of the groups are in the buffer too.
            if unsafe { read_sid(group.Sid) }? == sid {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the buffer, enlarged if needed, with a `TOKEN_GROUPS` in it.
    fn groups(&self, mut buffer: Vec<u64>) -> io::Result<Vec<u64>> {
        loop {
            match self.information(TokenGroups, &mut buffer) {
                Ok(()) => return Ok(buffer),
                Err((e, wanted)) => {
                    if e.raw_os_error() != Some(ERROR_INSUFFICIENT_BUFFER as i32)
                        || wanted <= buffer.len()
                    {
                        return Err(e);
                    }
                    buffer.resize(wanted, 0);
                }
            }
        }
    }

    /// Returns the SID of an information class that contains only a SID.
    fn sid(&self, class: TOKEN_INFORMATION_CLASS) -> io::Result<Sid> {
        // A pointer, the attributes, and the longest possible SID, which has 68 bytes.
        let mut buffer = [0_u64; 16];
        self.information(class, &mut buffer).map_err(|(e, _)| e)?;
        let found = buffer.as_ptr().cast::<SID_AND_ATTRIBUTES>();
        // SAFETY: the call has filled the buffer, which is aligned for the structure.
        let sid = unsafe { (*found).Sid };
        // SAFETY: the SID is in the buffer too, which is not changed any more.
        unsafe { read_sid(sid) }
    }

    fn number(&self, class: TOKEN_INFORMATION_CLASS) -> io::Result<u32> {
        let mut buffer = [0_u64; 1];
        self.information(class, &mut buffer).map_err(|(e, _)| e)?;
        let [a, b, c, d, ..] = buffer[0].to_ne_bytes();
        Ok(u32::from_ne_bytes([a, b, c, d]))
    }

    /// Fills the buffer. A failure comes with the length that is needed.
    fn information(
        &self,
        class: TOKEN_INFORMATION_CLASS,
        buffer: &mut [u64],
    ) -> Result<(), (io::Error, usize)> {
        let room = u32::try_from(size_of_val(buffer)).unwrap_or(u32::MAX);
        let mut wanted = 0;
        // SAFETY: the handle is open, and `room` does not exceed the buffer.
        let ok = unsafe {
            GetTokenInformation(
                self.0.as_raw_handle(),
                class,
                buffer.as_mut_ptr().cast::<c_void>(),
                room,
                &mut wanted,
            )
        };
        match ok {
            0 => Err((io::Error::last_os_error(), (wanted as usize).div_ceil(size_of::<u64>()))),
            _ => Ok(()),
        }
    }
}

/// Returns the token that the client of `server` has shown.
///
/// The thread acts as the client between two lines of this function.
fn client_token(server: BorrowedHandle<'_>, access: u32) -> io::Result<OwnedHandle> {
    let acting = ActingAsClient::begin(server)?;
    let token = thread_token(access);
    drop(acting);
    token?.ok_or_else(|| io::Error::from_raw_os_error(ERROR_NO_TOKEN as i32))
}

/// Returns the process that created this instance of a pipe.
pub(in crate::pipe) fn server_process_id(pipe: BorrowedHandle<'_>) -> io::Result<u32> {
    let mut id = 0;
    // SAFETY: the handle is open while it is borrowed.
    let ok = unsafe { GetNamedPipeServerProcessId(pipe.as_raw_handle(), &mut id) };
    if ok == 0 { Err(io::Error::last_os_error()) } else { Ok(id) }
}

/// Returns the session that the creator of this instance of a pipe had at that moment.
pub(in crate::pipe) fn server_session(pipe: BorrowedHandle<'_>) -> io::Result<u32> {
    let mut session = 0;
    // SAFETY: the handle is open while it is borrowed.
    let ok = unsafe { GetNamedPipeServerSessionId(pipe.as_raw_handle(), &mut session) };
    if ok == 0 { Err(io::Error::last_os_error()) } else { Ok(session) }
}

/// Returns the process that opened the client's end of a pipe.
pub(in crate::pipe) fn client_process_id(pipe: BorrowedHandle<'_>) -> io::Result<u32> {
    let mut id = 0;
    // SAFETY: the handle is open while it is borrowed.
    let ok = unsafe { GetNamedPipeClientProcessId(pipe.as_raw_handle(), &mut id) };
    if ok == 0 { Err(io::Error::last_os_error()) } else { Ok(id) }
}

/// Returns `DOMAIN\name`.
pub(in crate::pipe) fn account_name(sid: Sid) -> io::Result<String> {
    /// `LookupAccountSidW` documents no maximum; names have 256 units, domains 255.
    const ROOM: u32 = 512;
    // Aligned as the structure is.
    let mut sid: Vec<u32> = sid
        .to_bytes()
        .chunks_exact(4)
        .map(|part| u32::from_ne_bytes([part[0], part[1], part[2], part[3]]))
        .collect();
    let (mut name, mut domain) = ([0_u16; ROOM as usize], [0_u16; ROOM as usize]);
    let (mut name_len, mut domain_len) = (ROOM, ROOM);
    let mut kind = 0;
    // SAFETY: the words are a valid SID, and the lengths are those of the arrays.
    let ok = unsafe {
        LookupAccountSidW(
            ptr::null(),
            sid.as_mut_ptr().cast::<c_void>(),
            name.as_mut_ptr(),
            &mut name_len,
            domain.as_mut_ptr(),
            &mut domain_len,
            &mut kind,
        )
    };
    if ok == 0 {
        return Err(io::Error::last_os_error());
    }
    let text = |units: &[u16], len: u32| {
        String::from_utf16_lossy(units.get(..len as usize).unwrap_or_default())
    };
    let (name, domain) = (text(&name, name_len), text(&domain, domain_len));
    Ok(if domain.is_empty() { name } else { format!(r"{domain}\{name}") })
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        thread::{self, JoinHandle},
    };

    use windows_sys::Win32::Foundation::ERROR_INVALID_HANDLE;

    use super::*;

    #[test]
    fn what_is_not_a_pipe_has_no_client() {
        let file = file();
        Token::of_client(file.as_handle()).unwrap_err();
        server_process_id(file.as_handle()).unwrap_err();
        if let Ok(session) = server_session(file.as_handle()) {
            // Wine ignores the handle, and has one session.
            assert_eq!(session, Token::of_this_process().unwrap().session().unwrap());
        }
        client_process_id(file.as_handle()).unwrap_err();
    }

    fn file() -> File {
        File::open(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn what_is_no_process_has_no_token() {
        let thread: JoinHandle<()> = thread::spawn(|| ());
        let error = Token::of_process_handle(thread.as_handle()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(ERROR_INVALID_HANDLE as i32));
        thread.join().unwrap();
    }

    #[test]
    fn what_is_no_token_answers_nothing() {
        let token = Token(file().into());
        token.user().unwrap_err();
        token.session().unwrap_err();
        token.is_elevated().unwrap_err();
        token.is_member(Sid::EVERYONE).unwrap_err();
    }

    #[test]
    fn a_token_of_many_groups_is_read_with_a_larger_buffer() {
        let token = Token::of_this_process().unwrap();
        let whole = token.groups(vec![0; 128]).unwrap();
        let grown = token.groups(vec![0; 1]).unwrap();
        assert!(grown.len() > 1);
        assert_eq!(grown[0], whole[0]);
    }

    #[test]
    fn nobody_is_a_member_of_a_group_that_does_not_exist() {
        let token = Token::of_this_process().unwrap();
        assert!(!token.is_member("S-1-5-21-1-2-3-4".parse().unwrap()).unwrap());
        assert!(token.is_member(Sid::EVERYONE).unwrap());
    }
}
