//! A folder for a test's socket.

use std::{env, ffi::OsString, fs, path::PathBuf};

use crate::support::unique_name;

/// A folder of a test's own, and the path of a socket in it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = env::temp_dir().join(unique_name());
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn socket(&self) -> String {
        self.0.join("s").to_str().unwrap().to_owned()
    }

    pub(crate) fn files(&self) -> Vec<OsString> {
        fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
