//! The name of a pipe, parsed once into a value. Every call takes this value as it is.

mod error;
mod spelling;
#[cfg(not(windows))]
mod unix;
#[cfg(windows)]
mod windows;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

pub use self::error::{InvalidName, NameError, NameFault};
#[cfg(not(windows))]
use self::unix as imp;
#[cfg(not(windows))]
#[cfg_attr(not(unix), expect(unused_imports, reason = "there are no pipes here"))]
pub(crate) use self::unix::{PREFIX, folder};
#[cfg(windows)]
use self::windows as imp;
#[cfg(windows)]
pub(crate) use self::windows::LOCAL_PREFIX;

/// The name of a pipe: `orders`, `\\.\pipe\orders`, or `\\host\pipe\orders` on another machine.
///
/// A bare name belongs to this machine. Windows ignores the case of names; no other system does. A
/// name may contain a backslash, for example `LOCAL\orders`: the pipes of an app container have this
/// form. Cloning costs a reference count.
///
/// Where pipes are Unix-domain sockets, every spelling of a name of this machine means the socket
/// `$TMPDIR/CoreFxPipe_orders`, as .NET's named pipes have it, in `/tmp` if the variable is not
/// set. Two programs whose `TMPDIR` differs do not meet, and systemd's `PrivateTmp` gives a service
/// a `/tmp` of its own. An absolute path is the path of the socket itself: a service uses one, such
/// as `/run/orders/socket`. There are no pipes of other machines.
///
/// Other spellings are accepted if they can mean only one pipe: `\\?\pipe\orders`,
/// `//./pipe/orders`, and Docker's `npipe:////./pipe/orders`. A name is refused if Windows would
/// take it for another name than it looks like, or for a file: a name with a `/`, with a part that
/// is `.` or `..`, with a dot or a space at the end, or with two backslashes in a row. So two names
/// that differ in more than case are two pipes. A name that begins with `pipe\` is refused as half
/// of a path. Written in full, `\\.\pipe\pipe\orders` is an ordinary name.
///
/// # Examples
///
/// ```
/// use npipes::PipeName;
///
/// let name: PipeName = "orders".parse()?;
/// assert!(name.is_local());
/// assert_eq!(PipeName::new(r"\\.\pipe\orders")?, name);
/// assert_eq!(PipeName::new("npipe:////./pipe/orders")?, name);
/// # #[cfg(windows)] {
///
/// // On Windows:
/// assert_eq!(name.as_str(), r"\\.\pipe\orders");
/// assert!(!PipeName::new(r"\\fileserver\pipe\orders")?.is_local());
/// # }
///
/// let error = PipeName::new(r"pipe\orders").unwrap_err();
/// assert_eq!(
///     error.source.to_string(),
///     r"it is half of a path to a pipe; write \\.\pipe\orders"
/// );
/// # Ok::<(), npipes::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PipeName {
    path: Arc<str>,
    local: bool,
}

impl PipeName {
    /// The longest path, its prefix included: on Windows 256 UTF-16 units, as `CreateNamedPipeW`
    /// documents, and elsewhere as many bytes as a socket's address holds, 107 on Linux and 103 on
    /// macOS.
    pub const MAX_LEN: usize = imp::MAX_LEN;

    /// Returns the name that `text` spells.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] if no pipe can have the name: it is empty, contains a NUL, is too long, is a
    /// path but not one to a pipe, or would be taken for another name. The source of the error says
    /// what to write instead.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        Self::parse(text).map_err(|source| InvalidName::new(text, source))
    }

    fn parse(text: &str) -> Result<Self, NameError> {
        if let Some(at) = text.find('\0') {
            return Err(NameError::Nul { at });
        }
        let (path, local) = imp::path(text)?;
        Ok(Self { path: path.into(), local })
    }

    /// Returns the full path, as the operating system takes it: that of the pipe on Windows, that of
    /// the socket elsewhere.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// Returns whether the path belongs to this machine. `\\localhost\pipe\x` does not: it is
    /// opened through the network, even if the network leads back to this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }
}

impl fmt::Display for PipeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl fmt::Debug for PipeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PipeName({})", self.path)
    }
}

impl FromStr for PipeName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

impl TryFrom<&str> for PipeName {
    type Error = InvalidName;

    fn try_from(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

impl TryFrom<String> for PipeName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::new(&text)
    }
}

impl TryFrom<&String> for PipeName {
    type Error = InvalidName;

    fn try_from(text: &String) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

impl TryFrom<&Path> for PipeName {
    type Error = InvalidName;

    fn try_from(path: &Path) -> Result<Self, InvalidName> {
        match path.to_str() {
            Some(text) => Self::new(text),
            None => Err(InvalidName::new(&path.to_string_lossy(), NameError::NotUnicode)),
        }
    }
}

impl TryFrom<PathBuf> for PipeName {
    type Error = InvalidName;

    fn try_from(path: PathBuf) -> Result<Self, InvalidName> {
        Self::try_from(&*path)
    }
}

impl TryFrom<&PathBuf> for PipeName {
    type Error = InvalidName;

    fn try_from(path: &PathBuf) -> Result<Self, InvalidName> {
        Self::try_from(&**path)
    }
}

impl AsRef<Path> for PipeName {
    fn as_ref(&self) -> &Path {
        Path::new(self.as_str())
    }
}

impl From<&Self> for PipeName {
    fn from(name: &Self) -> Self {
        name.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is_refused(text: &str, reason: NameError) {
        match PipeName::new(text) {
            Err(InvalidName { name, source }) => {
                assert_eq!((name.as_str(), source), (text, reason));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_full_path_of_this_machine_is_the_bare_name_too() {
        for text in [r"\\.\pipe\orders", r"\\.\PIPE\orders", r"\\?\pipe\orders"] {
            assert_eq!(PipeName::new(text), PipeName::new("orders"));
        }
        assert!(PipeName::new("orders").unwrap().is_local());
    }

    #[test]
    fn a_name_shows_its_path_and_is_made_of_any_text() {
        let name = PipeName::new("orders").unwrap();
        assert!(name.as_str().ends_with("orders"));
        assert_eq!(name.to_string(), name.as_str());
        let text = "orders".to_owned();
        assert_eq!("orders".parse(), Ok(name.clone()));
        assert_eq!(PipeName::try_from("orders"), Ok(name.clone()));
        assert_eq!(PipeName::try_from(&text), Ok(name.clone()));
        assert_eq!(PipeName::try_from(text), Ok(name.clone()));
        assert_eq!(PipeName::from(&name), name);
    }

    #[test]
    fn a_path_is_made_into_a_name_and_a_name_into_a_path() {
        let name = PipeName::new("orders").unwrap();
        let path = PathBuf::from(name.as_str());
        assert_eq!(PipeName::try_from(&path), Ok(name.clone()));
        assert_eq!(PipeName::try_from(&*path), Ok(name.clone()));
        assert_eq!(AsRef::<Path>::as_ref(&name), path);
        assert_eq!(PipeName::try_from(path), Ok(name));
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_unicode_is_refused() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

        let path = Path::new(OsStr::from_bytes(b"/run/\xff"));
        let refused = InvalidName::new("/run/\u{fffd}", NameError::NotUnicode);
        assert_eq!(PipeName::try_from(path), Err(refused));
    }

    #[test]
    fn the_impossible_is_refused_with_a_reason() {
        is_refused("", NameError::Empty);
        is_refused(r"\\.\pipe\", NameError::Empty);
        is_refused("a\0b", NameError::Nul { at: 1 });
        let prefix = PipeName::new("x").unwrap().as_str().len() - 1;
        let longest = "x".repeat(PipeName::MAX_LEN - prefix);
        assert_eq!(PipeName::new(&longest).unwrap().as_str().len(), PipeName::MAX_LEN);
        let (len, max) = (PipeName::MAX_LEN + 1, PipeName::MAX_LEN);
        is_refused(&(longest + "x"), NameError::TooLong { len, max });
    }
}
