//! What a sender is told, and how it is told.

use std::{fmt, time::Duration};

/// The environment variable that makes this program a sender.
pub(crate) const SENDER: &str = "NPIPES_TEST_SENDER";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    CurrentThread,
    MultiThread,
}

/// How the payload gets into the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As a message, in pieces: a close has the last ones to wait for.
    Message,
    /// As one write, which is reported as done when it is queued: a close has all of it to wait for.
    Write,
}

/// What the sender does after its close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    ReturnsFromMain,
    Exits,
    /// And lives on, so that it is not the end of the process that shows the reader the end.
    DropsTheRuntime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Early,
    Late,
    /// Until the sender has given up.
    Never,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) role: Role,
    pub(crate) flavor: Flavor,
    pub(crate) payload: usize,
    pub(crate) manner: Manner,
    pub(crate) reader: Reader,
    pub(crate) ending: Ending,
}

impl Scenario {
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for role in [Role::Server, Role::Client] {
            for flavor in [Flavor::CurrentThread, Flavor::MultiThread] {
                for (payload, manner) in
                    [(10, Manner::Message), (1 << 20, Manner::Message), (1 << 20, Manner::Write)]
                {
                    // Elsewhere no write is done before there is room for all of it.
                    if manner == Manner::Write && !cfg!(windows) {
                        continue;
                    }
                    for reader in [Reader::Early, Reader::Late, Reader::Never] {
                        for ending in
                            [Ending::ReturnsFromMain, Ending::Exits, Ending::DropsTheRuntime]
                        {
                            all.push(Self { role, flavor, payload, manner, reader, ending });
                        }
                    }
                }
            }
        }
        all
    }

    /// Time for the peer to read; short where it will pass.
    pub(crate) fn deadline(&self) -> Duration {
        match self.reader {
            Reader::Never => Duration::from_millis(500),
            Reader::Early | Reader::Late => Duration::from_secs(60),
        }
    }

    /// What [`SENDER`] is set to.
    pub(crate) fn words(&self, pipe: &str) -> String {
        let Self { role, flavor, payload, manner, ending, .. } = self;
        let deadline = self.deadline().as_millis();
        format!("{pipe} {role:?} {flavor:?} {payload} {manner:?} {ending:?} {deadline}")
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Role::Server => "server",
            Role::Client => "client",
        };
        let flavor = match self.flavor {
            Flavor::CurrentThread => "current-thread",
            Flavor::MultiThread => "multi-thread",
        };
        let manner = match self.manner {
            Manner::Message => "a message of",
            Manner::Write => "one write of",
        };
        let ending = match self.ending {
            Ending::ReturnsFromMain => "returns from main",
            Ending::Exits => "exits",
            Ending::DropsTheRuntime => "drops the runtime",
        };
        let reader = match self.reader {
            Reader::Early => "reads at once",
            Reader::Late => "reads 300 ms late",
            Reader::Never => "never reads",
        };
        write!(
            f,
            "a {role} ({flavor}) closes after {manner} {} bytes and {ending}; its peer {reader}",
            self.payload
        )
    }
}
