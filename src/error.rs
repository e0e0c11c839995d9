//! What can go wrong, sorted by whose fault it is: every error that a layer reports.
//!
//! A text is lower case, has no full stop, and includes the cause.
//! [`source`](std::error::Error::source) continues below the cause, as `source` of
//! [`io::Error`](std::io::Error) does. So a reporter that walks `source` prints each cause once,
//! and a reporter that does not walk it prints the cause too.

mod connect;
mod convert;
mod fate;
mod operation;
pub(crate) mod sum;
#[cfg(test)]
mod tests;
mod text;

pub use self::{
    connect::{Attempts, ConnectError, UntrustedServer},
    fate::Fate,
    operation::Operation,
};
pub(crate) use self::{sum::Error, text::WithoutContent};
pub use crate::{
    name::{InvalidName, NameError, NameFault},
    sid::InvalidSid,
};
