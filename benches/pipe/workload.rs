//! What is sent: how much of it, in which pieces, over how many connections.

use bytes::Bytes;

/// The size of a piece, in bytes, in which the bare side reads and writes.
pub(crate) const PIECE: usize = 64 * 1024;

/// One kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// A message there and back, one at a time.
    Echo,
    /// Messages one way, as many in a batch before each flush, and one answer at the end.
    OneWay { batch: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) traffic: Traffic,
    /// Bytes in a message.
    pub(crate) len: usize,
    /// Messages on each connection.
    pub(crate) count: usize,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
}

impl Work {
    pub(crate) fn bytes(&self) -> usize {
        self.len * self.count * self.connections
    }

    pub(crate) fn to_args(self) -> [String; 5] {
        let batch = match self.traffic {
            Traffic::Echo => 0,
            Traffic::OneWay { batch } => batch,
        };
        [batch, self.len, self.count, self.connections, self.threads].map(|n| n.to_string())
    }

    pub(crate) fn from_args(args: &[String]) -> Self {
        let mut numbers = args.iter().map(|arg| arg.parse::<usize>().unwrap());
        let mut next = || numbers.next().unwrap();
        let traffic = match next() {
            0 => Traffic::Echo,
            batch => Traffic::OneWay { batch },
        };
        Self { traffic, len: next(), count: next(), connections: next(), threads: next() }
    }
}

/// The messages of a run, the same at both ends without being sent twice.
#[derive(Clone)]
pub(crate) struct Messages {
    block: Bytes,
    len: usize,
}

impl Messages {
    pub(crate) fn new(len: usize) -> Self {
        let mut state = 1_u32;
        let block: Vec<u8> = (0..len + 64 * 1024)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect();
        Self { block: block.into(), len }
    }

    pub(crate) fn get(&self, index: usize) -> Bytes {
        let start = index * 61 % (64 * 1024);
        self.block.slice(start..start + self.len)
    }

    pub(crate) fn borrow(&self, index: usize) -> &[u8] {
        let start = index * 61 % (64 * 1024);
        &self.block[start..start + self.len]
    }

    #[track_caller]
    pub(crate) fn check(&self, index: usize, message: &[u8]) {
        assert!(message == self.borrow(index), "message {index} differs");
    }
}
