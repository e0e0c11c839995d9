//! What is known about a message that is not known to be delivered.

use std::fmt;

/// What is known about a message that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// The peer has not received it and will not: sending it again is safe.
    NotSent,
    /// It was handed to the operating system, and the connection was lost before it was known to
    /// have arrived. Sending it again may deliver it twice.
    MaybeDelivered,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "not sent",
            Self::MaybeDelivered => "maybe delivered",
        })
    }
}
