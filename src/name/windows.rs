//! The path of a named pipe.

use super::{
    NameError,
    spelling::{self, Spelled},
};

pub(crate) const LOCAL_PREFIX: &str = r"\\.\pipe\";

/// In UTF-16 units.
pub(super) const MAX_LEN: usize = 256;

/// Returns the path that `text` means, and whether it is one of this machine.
pub(super) fn path(text: &str) -> Result<(String, bool), NameError> {
    let Spelled { host, name } = spelling::read(text)?;
    let local = host == ".";
    let path = match local {
        true => format!("{LOCAL_PREFIX}{name}"),
        false => format!(r"\\{host}\pipe\{name}"),
    };
    let len = path.encode_utf16().count();
    match len > MAX_LEN {
        true => Err(NameError::TooLong { len, max: MAX_LEN }),
        false => Ok((path, local)),
    }
}

#[cfg(test)]
mod tests {
    use crate::PipeName;

    #[track_caller]
    fn means(text: &str, path: &str) {
        assert_eq!(PipeName::new(text).unwrap().as_str(), path);
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
        means(r"\\host\pipe\orders", r"\\host\pipe\orders");
    }

    #[test]
    fn only_a_dot_is_local() {
        assert!(PipeName::new("orders").unwrap().is_local());
        assert!(!PipeName::new(r"\\host\pipe\orders").unwrap().is_local());
        assert!(!PipeName::new(r"\\localhost\pipe\orders").unwrap().is_local());
    }
}
