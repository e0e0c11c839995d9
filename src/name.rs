//! The name of a pipe, parsed once into a value. Every call takes this value as it is.

mod error;
mod spelling;

use std::{fmt, str::FromStr, sync::Arc};

pub use self::error::{InvalidName, NameError, NameFault};
use self::spelling::Spelled;

pub(crate) const LOCAL_PREFIX: &str = r"\\.\pipe\";

/// The name of a pipe: `orders`, `\\.\pipe\orders`, or `\\host\pipe\orders` on another machine.
///
/// A bare name belongs to this machine. Windows ignores the case of names. A name may contain a
/// backslash, for example `LOCAL\orders`: the pipes of an app container have this form. Cloning
/// costs a reference count.
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
/// assert_eq!(name.as_str(), r"\\.\pipe\orders");
/// assert!(name.is_local());
/// assert!(!PipeName::new(r"\\fileserver\pipe\orders")?.is_local());
/// assert_eq!(PipeName::new("npipe:////./pipe/orders")?, name);
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
    /// The longest path in UTF-16 units, including its prefix, as documented for
    /// `CreateNamedPipeW`.
    pub const MAX_LEN: usize = 256;

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
        let Spelled { host, name } = spelling::read(text)?;
        let local = host == ".";
        let path: Arc<str> = match local {
            true => format!("{LOCAL_PREFIX}{name}").into(),
            false => format!(r"\\{host}\pipe\{name}").into(),
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
            Err(InvalidName { name, source }) => {
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
    fn a_full_path_is_a_name_too() {
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
        let longest = "x".repeat(PipeName::MAX_LEN - LOCAL_PREFIX.len());
        assert!(PipeName::new(&longest).is_ok());
        is_refused(&(longest + "x"), NameError::TooLong { len: 257, max: 256 });
    }
}
