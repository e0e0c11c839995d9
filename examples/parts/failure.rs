//! Why a connection is of no more use.

use std::io;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Connection(#[from] npipes::Error),
    #[error("the peer sends what does not belong here")]
    Protocol,
    #[error("the peer has left in the middle, after {have} of {length} bytes")]
    Left { have: u64, length: u64 },
    #[error("the source has failed after {have} of {length} bytes: {source}")]
    Source { have: u64, length: u64, source: io::Error },
}
