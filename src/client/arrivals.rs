//! What came from connections and waits for the receiving end.

use std::{collections::VecDeque, task::Waker};

use bytes::BytesMut;

use super::cost::cost;
use crate::error::Error;

/// What came from a connection.
pub(super) enum Arrival {
    Message(BytesMut),
    /// A fault: the peer sent something that is not a message, or the client has ended for this
    /// reason.
    Fault(Error),
    /// Nothing more comes from the connection whose loss has this number.
    Loss(u64),
}

impl Arrival {
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Message(message) => cost(message),
            Self::Fault(_) => cost(&[]),
            Self::Loss(_) => 0,
        }
    }
}

#[derive(Default)]
pub(super) struct Arrivals {
    pub(super) queue: VecDeque<Arrival>,
    /// What the queue costs, in bytes.
    pub(super) held: usize,
    pub(super) receiver: Option<Waker>,
    /// Is woken when there is room, or when the receiver has reached a loss.
    pub(super) driver: Option<Waker>,
    /// The last loss before which everything was received, with the next message asked for.
    pub(super) passed: u64,
    pub(super) is_unwanted: bool,
    pub(super) has_ended: bool,
}

/// How far the receiving end has come, as the driver sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// The last loss that the receiver has passed.
    pub(super) passed: u64,
    /// The loss that comes next, if nothing is left to receive before it.
    pub(super) next: Option<u64>,
}

impl Arrivals {
    pub(super) fn pop(&mut self) -> Option<Arrival> {
        let arrival = self.queue.pop_front()?;
        self.held -= arrival.cost();
        Some(arrival)
    }
}
