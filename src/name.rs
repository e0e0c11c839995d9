//! The name of a pipe, parsed once into a value that every call takes as it is.

use std::{fmt, str::FromStr, sync::Arc};

use crate::error::{Error, NameError};

pub(crate) const LOCAL_PREFIX: &str = r"\\.\pipe\";

/// The name of a pipe: `orders`, `\\.\pipe\orders`, or `\\host\pipe\orders` on another machine.
///
/// A bare name belongs to this machine. Names are case-insensitive to Windows, and a backslash
/// inside one is allowed, as in `LOCAL\orders`, the form that pipes of an app container have.
/// Cloning costs a reference count.
///
/// # Examples
///
/// ```
/// use npipes::PipeName;
///
/// let name: PipeName = "orders".parse()?;
/// assert_eq!(name.as_str(), r"\\.\pipe\orders");
/// assert!(name.is_local());
/// assert!(!PipeName::new(r"\\fileserver\pipe\orders")?.is_local());
/// assert_eq!(
///     PipeName::new(r"\\.\orders").unwrap_err().to_string(),
///     r#"invalid pipe name "\\\\.\\orders""#,
/// );
/// # Ok::<(), npipes::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PipeName {
    path: Arc<str>,
    local: bool,
}

impl PipeName {
    /// The longest path in UTF-16 units, its prefix included: `CreateNamedPipeW` documents it.
    pub const MAX_LEN: usize = 256;

    /// Returns the name that `text` means.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if no pipe can have the name: it is empty, contains a NUL, is too
    /// long, or is a path but not one to a pipe.
    pub fn new(text: &str) -> Result<Self, Error> {
        Self::parse(text).map_err(|source| Error::InvalidName { name: text.to_owned(), source })
    }

    fn parse(text: &str) -> Result<Self, NameError> {
        if let Some(at) = text.find('\0') {
            return Err(NameError::Nul { at });
        }
        let (host, name) = match text.strip_prefix(r"\\") {
            None if text.starts_with(['\\', '/']) => return Err(NameError::NotAPipePath),
            None => (".", text),
            Some(path) => {
                let mut parts = path.splitn(3, '\\');
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(host), Some(device), Some(name))
                        if !host.is_empty() && device.eq_ignore_ascii_case("pipe") =>
                    {
                        (host, name)
                    }
                    _ => return Err(NameError::NotAPipePath),
                }
            }
        };
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        // `\\?\` names the same device, but CreateFileW takes what follows it unchanged: one form
        // is enough.
        let local = matches!(host, "." | "?");
        let path: Arc<str> = match local {
            true => format!("{LOCAL_PREFIX}{name}").into(),
            false => text.into(),
        };
        let len = path.encode_utf16().count();
        if len > Self::MAX_LEN {
            return Err(NameError::TooLong { len, max: Self::MAX_LEN });
        }
        Ok(Self { path, local })
    }

    /// Returns the full path, as the operating system takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// Returns whether the pipe belongs to this machine by its path. `\\localhost\pipe\x` does not:
    /// it is opened through the network, even if that leads back here.
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
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::new(text)
    }
}

impl TryFrom<&str> for PipeName {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self, Error> {
        Self::new(text)
    }
}

impl TryFrom<String> for PipeName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::new(&text)
    }
}

impl TryFrom<&String> for PipeName {
    type Error = Error;

    fn try_from(text: &String) -> Result<Self, Error> {
        Self::new(text)
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
    fn means(text: &str, path: &str) {
        assert_eq!(PipeName::new(text).unwrap().as_str(), path);
    }

    #[track_caller]
    fn is_refused(text: &str, reason: NameError) {
        match PipeName::new(text) {
            Err(Error::InvalidName { name, source }) => {
                assert_eq!((name.as_str(), source), (text, reason));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bare_name_belongs_to_this_machine() {
        means("orders", r"\\.\pipe\orders");
        means("two words: ü", r"\\.\pipe\two words: ü");
        means(r"LOCAL\orders", r"\\.\pipe\LOCAL\orders");
    }

    #[test]
    fn a_full_path_is_taken_as_it_is() {
        means(r"\\.\pipe\orders", r"\\.\pipe\orders");
        means(r"\\.\PIPE\orders", r"\\.\pipe\orders");
        means(r"\\?\pipe\orders", r"\\.\pipe\orders");
        means(r"\\host\pipe\orders", r"\\host\pipe\orders");
    }

    #[test]
    fn only_a_dot_is_local() {
        assert!(PipeName::new("orders").unwrap().is_local());
        assert!(!PipeName::new(r"\\host\pipe\orders").unwrap().is_local());
        assert!(!PipeName::new(r"\\localhost\pipe\orders").unwrap().is_local());
    }

    #[test]
    fn the_impossible_is_refused_with_a_reason() {
        is_refused("", NameError::Empty);
        is_refused(r"\\.\pipe\", NameError::Empty);
        is_refused("a\0b", NameError::Nul { at: 1 });
        for path in [r"\orders", "/tmp/orders", r"\\.\orders", r"\\\pipe\orders", r"\\host", r"\\"]
        {
            is_refused(path, NameError::NotAPipePath);
        }
        let longest = "x".repeat(PipeName::MAX_LEN - LOCAL_PREFIX.len());
        assert!(PipeName::new(&longest).is_ok());
        is_refused(&(longest + "x"), NameError::TooLong { len: 257, max: 256 });
    }
}
