//! What can go wrong, by whose fault it is: the sum of what the layers report.
//!
//! A text is lower case, without a full stop, and says the cause too; `source` goes on below the
//! cause, as that of [`io::Error`](std::io::Error) does. So a reporter that walks
//! [`source`](std::error::Error::source) prints each cause once, and one that does not prints them
//! all the same.

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
