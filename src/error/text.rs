//! Why a text is not what it should be: a message, or a pipe's name.

use thiserror::Error as ThisError;

use crate::text::TextEncoding;

/// A text has a character that its encoding lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("{encoding} has no {character:?}, which is at byte {at} of the text")]
#[non_exhaustive]
pub struct TextEncodeError {
    /// The encoding.
    pub encoding: TextEncoding,
    /// The first character that it lacks.
    pub character: char,
    /// Where that stands in the text, in bytes: `text[at..]` begins with it.
    pub at: usize,
}

/// A payload is not a text in the encoding that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("byte {at} does not belong to a text in {encoding}")]
#[non_exhaustive]
pub struct TextDecodeError {
    /// The encoding.
    pub encoding: TextEncoding,
    /// Where what is not a character begins in the payload, in bytes.
    pub at: usize,
}

/// Why a text is not the name of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing stands where the pipe's own name should.
    #[error("the name of the pipe is empty")]
    Empty,
    /// A NUL ends a name early for the operating system.
    #[error("a name cannot contain NUL, and this one has it at byte {at}")]
    Nul {
        /// The position of the NUL in bytes.
        at: usize,
    },
    /// The path is longer than the operating system takes.
    #[error("the path has {len} UTF-16 units, {max} are possible")]
    TooLong {
        /// The length of the path, its prefix included, in UTF-16 units.
        len: usize,
        /// The longest path possible, in UTF-16 units.
        max: usize,
    },
    /// It looks like a path, but not like `\\server\pipe\name`.
    #[error(r"a path to a pipe is \\.\pipe\name or \\host\pipe\name")]
    NotAPipePath,
    /// A server was asked to own a pipe of another machine.
    #[error("a pipe can be listened on only on the machine that it belongs to")]
    Remote,
}
