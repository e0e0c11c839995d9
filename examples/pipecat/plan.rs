//! What the command line asks for.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use npipes::{
    PipeName,
    frame::{FrameFormat, ReceiveChecksum},
};

pub(crate) enum Command {
    Help,
    Exchange(Place, ExchangePlan),
    SendFile(Place, PathBuf, TransferPlan),
    ReceiveFile(Place, PathBuf, TransferPlan),
    Decode(Option<PathBuf>, View),
    Conform(Place),
    List,
}

/// Which pipe, and how to come by its other end.
pub(crate) struct Place {
    pub(crate) pipe: PipeName,
    pub(crate) role: Role,
}

pub(crate) enum Role {
    Listen { message_type: bool },
    Connect { wait: Duration, any_server: bool },
}

pub(crate) struct ExchangePlan {
    pub(crate) outgoing: Vec<Outgoing>,
    pub(crate) lines: bool,
    pub(crate) stop: Stop,
    pub(crate) keep: bool,
    pub(crate) view: View,
}

pub(crate) enum Outgoing {
    Text(String),
    MessageFile(PathBuf),
    /// Not in a frame.
    Bytes(Vec<u8>),
}

pub(crate) enum Stop {
    WhenPeerLeaves,
    AfterReplies(u64),
    WhenIdle(Duration),
    WhenRead,
    Never,
}

pub(crate) struct View {
    pub(crate) format: FrameFormat,
    pub(crate) receive_crc: ReceiveChecksum,
    pub(crate) payload: PayloadView,
    pub(crate) save: Option<PathBuf>,
    pub(crate) raw: bool,
    /// When the times shown began, if they are shown.
    pub(crate) since: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayloadView {
    TextOrDump,
    Dump,
    Quiet,
}

pub(crate) struct TransferPlan {
    pub(crate) format: FrameFormat,
    pub(crate) chunk: usize,
    pub(crate) progress: bool,
}
