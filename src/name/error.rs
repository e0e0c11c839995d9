//! Why a text is not the name of a pipe.

use std::{error, fmt};

use thiserror::Error as ThisError;

/// A text that is not the name of a pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidName {
    /// The text as it was given.
    pub name: String,
    /// What is wrong with it, and what to write instead.
    pub source: NameError,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid pipe name {:?}: {}", self.name, self.source)
    }
}

/// Has no `source`, since the text includes the whole cause.
impl error::Error for InvalidName {}

impl InvalidName {
    pub(crate) fn new(name: &str, source: NameError) -> Self {
        Self { name: name.to_owned(), source }
    }
}

/// Why a text is not the name of a pipe.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum NameError {
    /// The pipe's own name is missing.
    #[error(r"the name of the pipe is empty; write one, as in \\.\pipe\name")]
    Empty,
    /// The name contains a NUL, at which the operating system would end it.
    #[error("a name cannot contain NUL, and this one has it at byte {at}; write it without")]
    #[non_exhaustive]
    Nul {
        /// The position of the NUL in bytes.
        at: usize,
    },
    /// The path of a socket is not valid Unicode.
    #[error("the path is not valid Unicode; give the socket a path that is")]
    NotUnicode,
    /// The path is longer than the operating system allows.
    #[error("the path has {len} {}, {max} are possible; write a shorter name", UNITS)]
    #[non_exhaustive]
    TooLong {
        /// The length of the path, including its prefix: in UTF-16 units on Windows, else in bytes.
        len: usize,
        /// The longest path possible.
        max: usize,
    },
    /// The path is a possible one, but the longer names by which the ends of an `Ipc` take turns are
    /// not.
    #[error(
        "the ends of an Ipc take turns by a longer name, whose path has {len} {}, {max} are \
         possible; write a shorter name",
        UNITS
    )]
    #[non_exhaustive]
    NoRoomForTurns {
        /// The length of the longest of these paths: in UTF-16 units on Windows, else in bytes.
        len: usize,
        /// The longest path possible.
        max: usize,
    },
    /// Windows would take the name for another one, or for something that is not a pipe.
    #[error("{fault}; write {write}")]
    #[non_exhaustive]
    Misspelled {
        /// What is wrong with it.
        fault: NameFault,
        /// What the caller may have meant. It is an accepted name.
        write: Box<str>,
    },
    /// A server was asked to own a pipe of another machine.
    #[error(
        r"a pipe can be listened on only on the machine that it belongs to; write \\.\pipe\name"
    )]
    Remote,
    /// It is a pipe of another machine, and only Windows can reach those.
    #[error("only Windows can reach a pipe of another machine; write the name alone")]
    OtherMachine,
}

/// What a path is measured in.
const UNITS: &str = if cfg!(windows) { "UTF-16 units" } else { "bytes" };

/// Why Windows takes a name for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum NameFault {
    /// It looks like a path, but not like `\\server\pipe\name`. Outside Windows an absolute path is a
    /// name.
    #[error("it is a path, and not one to a pipe")]
    NotAPipePath,
    /// It begins with `pipe\`, which is a part of a path. A pipe whose name really begins with it
    /// is `\\.\pipe\pipe\name`.
    #[error(r"it is half of a path to a pipe")]
    HalfAPath,
    /// The name contains a `/`, which Windows takes for a backslash.
    #[error("Windows takes / for a backslash")]
    Slash,
    /// A part is `.` or `..`, which leads to another folder, even out of the folder of pipes.
    #[error("a part that is . or .. leads elsewhere")]
    DotPart,
    /// There is nothing between two backslashes, before the first backslash, or after the last.
    #[error("there is nothing between two backslashes, or after the last")]
    EmptyPart,
    /// A part ends with a dot, or the name ends with a dot or a space. Windows cuts these off.
    #[error("Windows cuts off a dot or a space at the end")]
    DotOrSpaceAtEnd,
}
