//! What the system tells about names: the user of a name, and the names that exist.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::FileTypeExt,
};

use super::users;
use crate::name::{self, PipeName};

/// Returns this process's user, in the form that a name contains.
pub(in crate::pipe) fn user() -> io::Result<u32> {
    Ok(users::this_user())
}

/// Returns a random number of the operating system.
pub(in crate::pipe) fn random() -> io::Result<u128> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u128::from_ne_bytes(bytes))
}

/// Returns the names of the sockets that are in the folder of names, in no particular order.
pub(in crate::pipe) fn list() -> io::Result<Vec<PipeName>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(name::folder())? {
        let entry = entry?;
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_prefix(name::PREFIX)) else {
            continue;
        };
        // A file that has gone meanwhile does not count.
        if entry.file_type().is_ok_and(|kind| kind.is_socket()) {
            names.extend(PipeName::new(&format!(r"\\.\pipe\{name}")).ok());
        }
    }
    Ok(names)
}
