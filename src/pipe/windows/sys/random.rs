//! Numbers that nobody can guess.

use std::{io, ptr};

use windows_sys::Win32::Security::Cryptography::{
    BCRYPT_USE_SYSTEM_PREFERRED_RNG, BCryptGenRandom,
};

use super::check;

/// Returns 128 random bits of the operating system's generator.
pub(in crate::pipe) fn random() -> io::Result<u128> {
    let mut bytes = [0; 16];
    // SAFETY: the array has 16 bytes, and with this flag no algorithm's handle is needed.
    let status = unsafe {
        BCryptGenRandom(ptr::null_mut(), bytes.as_mut_ptr(), 16, BCRYPT_USE_SYSTEM_PREFERRED_RNG)
    };
    check(status)?;
    Ok(u128::from_ne_bytes(bytes))
}
