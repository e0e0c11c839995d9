//! Why the program ends with a code other than 0, in the numbers of BSD's `sysexits.h`.

use std::{error::Error, fmt};

#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line.
    Usage(String),
    /// This system cannot do it, whatever the command line.
    Unavailable(String),
    /// Anything else, the peer's doings included.
    Failed(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 64,
            Self::Unavailable(_) => 69,
        }
    }

    /// Returns a failure that says what was being done, and every cause of what went wrong.
    pub(crate) fn of(doing: impl fmt::Display, error: &dyn Error) -> Self {
        Self::Failed(format!("{doing}: {}", causes(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => write!(f, "{text}; pipecat --help tells more"),
            Self::Unavailable(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl From<npipes::Error> for Failure {
    fn from(error: npipes::Error) -> Self {
        Self::Failed(causes(&error))
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Returns what an error says, and what caused it.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut error = error;
    while let Some(source) = error.source() {
        text = format!("{text}: {source}");
        error = source;
    }
    text
}
