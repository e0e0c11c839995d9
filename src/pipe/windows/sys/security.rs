//! Security descriptors: made from text, owned, handed to the operating system, read back.

use std::{
    ffi::c_void,
    fmt, io,
    os::windows::io::{AsRawHandle, BorrowedHandle},
    ptr::{self, NonNull},
    slice,
};

use windows_sys::Win32::{
    Foundation::{ERROR_INSUFFICIENT_BUFFER, ERROR_SUCCESS, LocalFree},
    Security::{
        Authorization::{
            ConvertSecurityDescriptorToStringSecurityDescriptorW,
            ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1,
            SE_KERNEL_OBJECT,
        },
        DACL_SECURITY_INFORMATION, GetKernelObjectSecurity, GetLengthSid,
        GetSecurityDescriptorOwner, IsValidSid, LABEL_SECURITY_INFORMATION,
        OBJECT_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID,
        SECURITY_ATTRIBUTES,
    },
};

#[cfg(test)]
use windows_sys::Win32::Security::GetSecurityDescriptorLength;

use crate::sid::Sid;

/// Memory that the operating system has allocated with `LocalAlloc` for this process to free.
struct Local(NonNull<c_void>);

impl Local {
    /// Takes the memory that a call returned. If a call succeeded and returned a null pointer, it
    /// broke its contract. This is an error, not undefined behaviour.
    fn own(given: *mut c_void) -> io::Result<Self> {
        NonNull::new(given).map(Self).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: the memory comes from `LocalAlloc`, and only this value owns it.
        unsafe { LocalFree(self.0.as_ptr()) };
    }
}

/// A self-relative security descriptor. It never changes.
pub(in crate::pipe) struct Descriptor(Local);

// SAFETY: the memory is this value's own, and any thread may free it.
unsafe impl Send for Descriptor {}
// SAFETY: nothing writes to the memory while the value exists.
unsafe impl Sync for Descriptor {}

impl Descriptor {
    /// Returns the descriptor that `text` describes. For the operating system a NUL ends the text:
    /// it would take the part before the NUL for the whole text.
    pub(in crate::pipe) fn from_sddl(text: &str) -> io::Result<Self> {
        if text.contains('\0') {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let text: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut descriptor = ptr::null_mut();
        // SAFETY: `text` ends with a NUL, and the size is optional, as
        // `ConvertStringSecurityDescriptorToSecurityDescriptorW` documents.
        let ok = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &mut descriptor,
                ptr::null_mut(),
            )
        };
        if ok == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(Local::own(descriptor)?))
    }

    /// Returns owner, DACL and integrity label of an open pipe. The handle needs `READ_CONTROL`.
    pub(in crate::pipe) fn of(handle: BorrowedHandle<'_>) -> io::Result<Self> {
        let mut descriptor = ptr::null_mut();
        // SAFETY: the handle is open while it is borrowed; the pointers into the descriptor are
        // optional, as `GetSecurityInfo` documents.
        let status = unsafe {
            GetSecurityInfo(
                handle.as_raw_handle(),
                SE_KERNEL_OBJECT,
                OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION | LABEL_SECURITY_INFORMATION,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                &mut descriptor,
            )
        };
        if status != ERROR_SUCCESS {
            return Err(io::Error::from_raw_os_error(status as i32));
        }
        Ok(Self(Local::own(descriptor)?))
    }

    /// Returns the owner. Only Wine has pipes without one.
    pub(in crate::pipe) fn owner(&self) -> io::Result<Option<Sid>> {
        // SAFETY: the descriptor is valid: the operating system made it.
        unsafe { read_owner(self.as_ptr()) }
    }

    /// Returns owner, DACL and label as text.
    pub(in crate::pipe) fn to_sddl(&self) -> io::Result<String> {
        let mut text = ptr::null_mut();
        let mut len = 0;
        // SAFETY: the descriptor is valid: the operating system made it.
        let ok = unsafe {
            ConvertSecurityDescriptorToStringSecurityDescriptorW(
                self.as_ptr(),
                SDDL_REVISION_1,
                OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION | LABEL_SECURITY_INFORMATION,
                &mut text,
                &mut len,
            )
        };
        if ok == 0 {
            return Err(io::Error::last_os_error());
        }
        let text = Local::own(text.cast())?;
        // SAFETY: the call has written `len` units there, a NUL among them, and nobody else has them.
        let units = unsafe { slice::from_raw_parts(text.0.as_ptr().cast::<u16>(), len as usize) };
        let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
        Ok(String::from_utf16_lossy(&units[..end]))
    }

    /// Returns the bytes, for tests.
    #[cfg(test)]
    pub(in crate::pipe) fn to_bytes(&self) -> Vec<u8> {
        // SAFETY: the descriptor is valid: the operating system made it.
        let len = unsafe { GetSecurityDescriptorLength(self.as_ptr()) } as usize;
        // SAFETY: a self-relative descriptor has that many bytes, and they never change.
        unsafe { slice::from_raw_parts(self.as_ptr().cast::<u8>(), len) }.to_vec()
    }

    /// Returns the attributes that calls take to create an object. They point into the descriptor.
    pub(super) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        #[expect(clippy::cast_possible_truncation, reason = "the structure has 24 bytes")]
        const LEN: u32 = size_of::<SECURITY_ATTRIBUTES>() as u32;
        SECURITY_ATTRIBUTES { nLength: LEN, lpSecurityDescriptor: self.as_ptr(), bInheritHandle: 0 }
    }

    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.0.0.as_ptr()
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_sddl() {
            Ok(text) => write!(f, "Descriptor({text})"),
            Err(e) => write!(f, "Descriptor({e})"),
        }
    }
}

/// Returns the owner of an open pipe. The handle needs `READ_CONTROL`.
///
/// This is one system call, because each client's connect waits for it. [`Descriptor::of`] takes
/// several calls.
pub(in crate::pipe) fn owner(handle: BorrowedHandle<'_>) -> io::Result<Option<Sid>> {
    // A self-relative descriptor with only an owner: a head of 20 bytes and a SID of at most 68
    // bytes.
    let mut descriptor = [0_u64; 16];
    read(handle, OWNER_SECURITY_INFORMATION, &mut descriptor).map_err(|(e, _)| e)?;
    // SAFETY: the call has put a descriptor there.
    unsafe { read_owner(descriptor.as_mut_ptr().cast()) }
}

/// Returns the access rules of an open pipe as a self-relative security descriptor. The handle needs
/// `READ_CONTROL`.
pub(in crate::pipe) fn rules(handle: BorrowedHandle<'_>) -> io::Result<Vec<u8>> {
    let mut descriptor = vec![0_u64; 64];
    while let Err((e, wanted)) = read(handle, DACL_SECURITY_INFORMATION, &mut descriptor) {
        if e.raw_os_error() != Some(ERROR_INSUFFICIENT_BUFFER as i32) || wanted <= descriptor.len()
        {
            return Err(e);
        }
        descriptor.resize(wanted, 0);
    }
    Ok(descriptor.into_iter().flat_map(u64::to_ne_bytes).collect())
}

/// Fills the buffer with a self-relative descriptor. A failure comes with the length that is
/// needed.
fn read(
    handle: BorrowedHandle<'_>,
    parts: OBJECT_SECURITY_INFORMATION,
    buffer: &mut [u64],
) -> Result<(), (io::Error, usize)> {
    let room = u32::try_from(size_of_val(buffer)).unwrap_or(u32::MAX);
    let mut wanted = 0;
    // SAFETY: the handle is open while it is borrowed, and `room` does not exceed the buffer.
    let ok = unsafe {
        GetKernelObjectSecurity(
            handle.as_raw_handle(),
            parts,
            buffer.as_mut_ptr().cast(),
            room,
            &mut wanted,
        )
    };
    match ok {
        0 => Err((io::Error::last_os_error(), (wanted as usize).div_ceil(size_of::<u64>()))),
        _ => Ok(()),
    }
}

/// Returns the owner that a descriptor names.
///
/// # Safety
///
/// `descriptor` points to a valid one that is not freed or changed during the call.
unsafe fn read_owner(descriptor: PSECURITY_DESCRIPTOR) -> io::Result<Option<Sid>> {
    let (mut owner, mut defaulted) = (ptr::null_mut(), 0);
    // SAFETY: the caller says that the descriptor is valid.
    let ok = unsafe { GetSecurityDescriptorOwner(descriptor, &mut owner, &mut defaulted) };
    if ok == 0 {
        return Err(io::Error::last_os_error());
    }
    if owner.is_null() {
        return Ok(None);
    }
    // SAFETY: the owner is a SID inside the descriptor, or beside it, as long as that lives.
    unsafe { read_sid(owner) }.map(Some)
}

/// Returns the identifier at `sid`.
///
/// # Safety
///
/// `sid` points to a SID that is not freed or changed during the call.
pub(super) unsafe fn read_sid(sid: PSID) -> io::Result<Sid> {
    // SAFETY: the caller says that it points to a SID.
    let valid = unsafe { IsValidSid(sid) };
    if valid == 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // SAFETY: the SID is valid.
    let len = unsafe { GetLengthSid(sid) } as usize;
    // SAFETY: a valid SID has that many bytes, and the caller says that they stay.
    let bytes = unsafe { slice::from_raw_parts(sid.cast::<u8>(), len) };
    Sid::from_bytes(bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::System::Memory::{LPTR, LocalAlloc};

    use super::*;

    fn of_an_unknown_revision() -> Descriptor {
        // SAFETY: it takes no pointers.
        let zeroes = unsafe { LocalAlloc(LPTR, 128) };
        Descriptor(Local::own(zeroes).unwrap())
    }

    #[test]
    fn a_call_that_succeeds_and_gives_nothing_is_an_error() {
        assert_eq!(Local::own(ptr::null_mut()).err().unwrap().kind(), io::ErrorKind::OutOfMemory);
    }

    #[test]
    fn a_descriptor_of_an_unknown_revision_has_no_text() {
        let descriptor = of_an_unknown_revision();
        descriptor.to_sddl().unwrap_err();
        assert!(format!("{descriptor:?}").starts_with("Descriptor("));
    }

    #[test]
    fn a_descriptor_of_an_unknown_revision_has_no_owner() {
        let descriptor = of_an_unknown_revision();
        let (mut owner, mut defaulted) = (ptr::null_mut(), 0);
        // SAFETY: whatever its revision, the memory is as large as a descriptor's head.
        let ok =
            unsafe { GetSecurityDescriptorOwner(descriptor.as_ptr(), &mut owner, &mut defaulted) };
        let read = descriptor.owner();
        if ok == 0 {
            read.unwrap_err();
        } else {
            // Wine does not check the revision, and reports no owner.
            assert_eq!(read.unwrap(), None);
        }
    }

    #[test]
    fn a_descriptor_need_not_name_an_owner() {
        let descriptor = Descriptor::from_sddl("D:(A;;FA;;;SY)").unwrap();
        assert_eq!(descriptor.owner().unwrap(), None);
    }

    #[test]
    fn an_identifier_of_an_unknown_revision_is_not_read() {
        let mut sid = [0_u64; 9];
        // SAFETY: it points to as many bytes as the longest SID has.
        let error = unsafe { read_sid(sid.as_mut_ptr().cast()) }.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
