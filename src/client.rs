//! A client that reconnects and reports the fate of every message: handles, and one driver that
//! owns the connection.
//!
//! ```text
//!   Client ─┐ messages    ┌─────────┐  feeds, flushes  ┌────────────┐
//!   Client ─┼───────────▶ │ outbox  │ ───────────────▶ │            │
//!   Client ─┘ by bytes    └─────────┘                  │ connection │
//!      ▲                    driver                     │            │
//!   Receipt ◀─── fates ──── reads and writes, ◀─────── └────────────┘
//!   Inbox ◀── messages ──── always both
//! ```
//!
//! The driver's life:
//!
//! ```text
//!              connected                  a write fails
//!   ┌─────────┐ ──────▶ ┌────────────┐ ─────────────────▶ ┌───────────┐ what the peer had
//!   │ dialing │         │ in session │                    │ salvaging │ sent is still read
//!   └─────────┘ ◀────── └────────────┘                    └───────────┘
//!     │  ▲  the peer's end │ a read fails                       │
//!     │  └─────────────────┼────────────────────────────────────┘ end, failure, or the grace is over
//!     ▼                    ▼
//!   gave up              closed: by `close`, the token, or the last handle
//! ```

mod admission;
mod arrivals;
mod builder;
mod connect;
mod cost;
mod delivery;
mod dialer;
mod drive;
mod driver;
mod duplex;
mod end;
mod exchange;
pub(crate) mod handle;
mod inbox;
mod options;
mod outbox;
mod permit;
mod receipt;
mod room;
mod session;
mod settlement;
mod shared;
mod stats;

pub(crate) use self::handle::Client;
pub use self::{
    builder::ClientBuilder,
    connect::{ClientState, Connect, HookError},
    delivery::Delivered,
    driver::Driver,
    duplex::ClientDuplex,
    inbox::Inbox,
    options::{ClientOptions, DeliveredWhen},
    permit::Permit,
    receipt::{MessageId, Receipt, Returned},
    settlement::Settlement,
    stats::ClientStats,
};
pub use crate::error::Fate;
