//! The error for a deadline that passed before the peer had read everything.

use std::{fmt, io};

use thiserror::Error as ThisError;

/// What a transport's shutdown reports, inside an [`io::Error`] of the kind
/// `TimedOut`, when its deadline passed before the peer had read everything.
#[derive(Debug, Clone, Copy, ThisError)]
#[error("the peer has not read everything: {}", Unread(*.unread))]
pub(crate) struct Undrained {
    /// The number of unread bytes, if the operating system reports it.
    pub(crate) unread: Option<u64>,
}

impl Undrained {
    /// Returns the number of unread bytes that a transport's error contains.
    pub(crate) fn unread(error: &io::Error) -> Option<u64> {
        error.get_ref()?.downcast_ref::<Self>()?.unread
    }
}

struct Unread(Option<u64>);

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(count) => write!(f, "{count} bytes are left"),
            None => f.write_str("how much is left is not known"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_how_much_is_unread_if_it_is_known() {
        let late = |unread| io::Error::new(io::ErrorKind::TimedOut, Undrained { unread });
        assert_eq!(Undrained::unread(&late(Some(7))), Some(7));
        assert_eq!(Undrained::unread(&late(None)), None);
        assert_eq!(Undrained::unread(&io::ErrorKind::TimedOut.into()), None);
    }
}
