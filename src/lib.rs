//! Local endpoints on Tokio: named pipes on Windows and Unix-domain sockets elsewhere, safe by
//! default, that turn no client away. They carry streams for any protocol, and messages, framed and
//! checksummed, for programs that need none of their own.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), npipes::Error> {
//! use npipes::{Listener, connect};
//!
//! let mut listener = Listener::bind("npipes-doc-crate")?;
//! let mut client = connect("npipes-doc-crate").await?;
//! client.send("two coffees").await?;
//!
//! let mut server = listener.accept().await?;
//! assert_eq!(server.receive().await?.unwrap(), b"two coffees"[..]);
//! # Ok(())
//! # }
//! ```
//!
//! See the [guide] for more: servers and clients, typed messages, shutting down, security, errors,
//! testing without pipes, the systems, other languages, more than one machine.
//!
//! # What is promised
//!
//! - **Whole and in order.** A message arrives as it was sent, or an error says what is missing or
//!   corrupt. A corrupt frame is reported and skipped; after anything that makes the place of the
//!   next frame uncertain, nothing further is decoded.
//! - **Cancellation.** Every `async fn` documents what happens when its future is dropped. No
//!   received message is lost. Nothing else is ever sent after half a frame.
//! - **Back-pressure and memory.** A slow peer holds the sender back. Memory follows what has
//!   arrived, never what a peer announces.
//! - **A listener that is never absent.** It owns its name from `bind` until it is dropped, at every
//!   moment and at any limit of clients. Further instances wait before a client is handed out. A
//!   client finds the listener busy, never absent; on macOS a listener with a full queue looks
//!   absent.
//! - **A client that waits for a busy server.** It tries again with a backoff until a deadline, and
//!   blocks no thread while it waits.
//! - **Safe by default.** Only the server's user and SYSTEM or root can connect, and only from this
//!   machine. A server cannot act as its client. A client sends nothing before it knows whose
//!   server it is.
//! - **A client that reconnects and reports the fate of each message.** [`Client`] never sends a
//!   message twice by itself and never drops one silently: each message is delivered, comes back, or
//!   is still to be sent.
//! - **A server that stops in an orderly way.** [`serve`] lets the handlers finish and the peers
//!   read, until a deadline. It reports how many connections it had to cut.
//!
//! # What is not promised
//!
//! - **Authentication.** The CRC-32 detects corruption. Whoever can write to the pipe can compute it.
//! - **Encryption.** A pipe does not leave the machine unless it is opened to other machines.
//! - **Delivery of a message before `close`.** A write is done when it is handed over to the system
//!   or the runtime. An answer from the peer, or [`Connection::close`], says that it was read.
//!
//! # Platforms
//!
//! The pipes are named pipes on Windows, and on Unix the Unix-domain sockets that .NET's named pipes
//! are. The types are the same, and so are the promises, except where [a
//! table](guide#windows-linux-macos) says otherwise.
//!
//! **Status**: 0.1.0, not published yet. Tested on Linux, and for Windows under Wine 8 with Windows'
//! pipe rules. CI has jobs for Windows and macOS that have not run yet. `docs/windows.md` in the
//! repository marks as **open** each fact that has no source and that only a real Windows can
//! confirm. The oldest Windows is 10 or Server 2016, as for Rust itself.
//!
//! Everything else works on every platform. [`Connection`] runs over anything that reads and writes.
//! So the code around it can be tested over a [pair](Connection::pair) in memory or a simulated pipe
//! (the feature `simulated`), and the same frames can travel over TCP or TLS. See [`observability`]
//! for spans, events and counters.
//!
//! The other end can be .NET, Node.js or Python: see [`peers`].
//!
//! # Features
//!
//! No feature is on by default. A feature only adds to the API.
//!
//! | feature | what it adds |
//! |---|---|
//! | `axum_0_8` | the module `adapters::axum_0_8`: axum serves a `Listener`, and a handler knows its client |
//! | `blocking` | the module `blocking`: messages for programs and threads that are not async |
//! | `encoding_rs` | `TextEncoding::Standard`: text in the encodings of the Encoding Standard |
//! | `hyper_util_0_1` | the module `adapters::hyper_util_0_1`: hyper-util's HTTP client over a pipe |
//! | `simulated` | the module `simulated`: a pipe without an operating system, for tests |
//! | `tonic_0_14` | the module `adapters::tonic_0_14`: gRPC over a pipe; each call knows its client |
//!
//! # The wire
//!
//! | offset | size | field | when it is wrong |
//! |---|---|---|---|
//! | 0 | 4 | message length: n + 12, or n + 8 ([`LengthRule`]) | [`FrameError::LengthMismatch`], fatal |
//! | 4 | 4 | data length: n, the payload's size in bytes | [`FrameError::TooLarge`], fatal |
//! | 8 | n | payload | |
//! | 8 + n | 4 | CRC-32/ISO-HDLC of the payload; 0 for none | [`FrameError::Checksum`], skipped |
//!
//! Integers are little-endian unless told otherwise ([`Dialect`]).
//!
//! [`Dialect`]: frame::Dialect
//! [`LengthRule`]: frame::LengthRule
//! [`FrameError::Checksum`]: frame::FrameError::Checksum
//! [`FrameError::LengthMismatch`]: frame::FrameError::LengthMismatch
//! [`FrameError::TooLarge`]: frame::FrameError::TooLarge

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(
    any(unix, windows),
    any(feature = "axum_0_8", feature = "hyper_util_0_1", feature = "tonic_0_14")
))]
pub mod adapters;
pub mod client;
mod codec;
pub mod connection;
pub mod error;
pub mod frame;
pub mod guide;
mod name;
#[doc = include_str!("../docs/observability.md")]
pub mod observability {}
#[doc = include_str!("../docs/peers.md")]
///
/// # NpipesFrames.cs
///
/// ```csharp
#[doc = include_str!("../docs/peers/NpipesFrames.cs")]
/// ```
///
/// # npipes_frames.js
///
/// ```js
#[doc = include_str!("../docs/peers/npipes_frames.js")]
/// ```
///
/// # npipes_frames.py
///
/// ```python
#[doc = include_str!("../docs/peers/npipes_frames.py")]
/// ```
pub mod peers {}
#[cfg(all(any(unix, windows), feature = "blocking"))]
#[cfg_attr(docsrs, doc(cfg(feature = "blocking")))]
pub mod blocking;
#[cfg(any(unix, windows))]
pub mod pipe;
#[cfg_attr(
    not(any(unix, windows, feature = "simulated")),
    expect(dead_code, reason = "only what connects by itself uses all of it")
)]
pub mod retry;
pub mod server;
mod sid;
#[cfg(feature = "simulated")]
pub mod simulated;
pub mod text;

#[cfg(unix)]
pub use self::pipe::unix::peer::Peer;
#[cfg(windows)]
pub use self::pipe::windows::peer::Peer;
#[cfg(any(unix, windows))]
pub use self::pipe::{
    connect::{ConnectOptions, connect, connect_stream},
    listener::{Listener, ListenerOptions},
    stream::PipeStream,
};
pub use self::{
    client::handle::Client,
    codec::FrameCodec,
    connection::{drain_outcome::DrainOutcome, handle::Connection, options::ConnectionOptions},
    error::sum::Error,
    name::PipeName,
    server::serve::serve,
};

/// The two calls of the Python module as async methods: see [`Ipc`](ipc::Ipc).
#[cfg(any(unix, windows))]
pub mod ipc {
    pub use crate::pipe::ipc::{Delivery, Ipc, IpcOptions, IpcRole};
}

/// Who may connect, who is at the other end, and who is trusted to be the server.
pub mod security {
    #[cfg(target_os = "linux")]
    pub use crate::pipe::unix::process::PeerProcess;
    #[cfg(unix)]
    pub use crate::pipe::unix::{
        access::Access,
        trust::{ServerIdentity, ServerTrust},
    };
    #[cfg(windows)]
    pub use crate::pipe::windows::{
        identity::{MayServe, ServerIdentity, ServerTrust},
        peer::IntegrityLevel,
        process::PeerProcess,
        security::{Access, SecurityDescriptor},
        sys::ImpersonationLevel,
    };
    pub use crate::sid::Sid;
}
