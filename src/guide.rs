//! How to build on this crate, one question after the other.
//!
//! Each section stands by itself. Whole programs to copy are in the repository's `examples` folder,
//! and every snippet here is compiled and run by the tests.
//!
//! # A server
//!
//! ```
//! # #[cfg(windows)]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), npipes::Error> {
//! use std::time::Duration;
//!
//! use npipes::{ConnectionOptions, ListenerOptions, frame::FrameFormat};
//!
//! let connection = ConnectionOptions::new()
//!     .format(FrameFormat::new().max_payload(64 * 1024))
//!     .frame_timeout(Duration::from_secs(30));
//! let mut listener = ListenerOptions::new().connection(connection).bind("npipes-guide-server")?;
//! # let caller = async { npipes::connect("npipes-guide-server").await?.send("tea").await };
//! # let caller = tokio::spawn(caller);
//! // In a loop, with a task for each client:
//! let mut client = listener.accept().await?;
//! while let Some(order) = client.receive().await? {
//!     println!("{} bytes", order.len());
//! }
//! # caller.await.unwrap()?;
//! # Ok(())
//! # }
//! # #[cfg(not(windows))]
//! # fn main() {}
//! ```
//!
//! - `bind` takes the name, and nobody else can have it until the listener is dropped or closed. So
//!   bind first, drop privileges and start tasks afterwards.
//! - A name is `orders` or `\\.\pipe\orders`. It is known to every program of the machine: choose one
//!   that nobody else chooses, such as your product's name and the service's.
//! - `backlog` instances (4 unless set) wait for clients at any time, and a new one waits before a
//!   client is handed out. More of them help where clients come in bursts and the server is slow to
//!   accept.
//! - `max_instances` serves so many clients at once and no more. The others find the pipe busy, which
//!   their `connect` waits out, and `accept` waits until a connection is given up.
//! - Set [`max_payload`](crate::frame::FrameFormat::max_payload) to what your messages need. It
//!   bounds what one client can make you hold.
//! - An error of `accept` is no reason to stop: report it and accept again. Nothing is lost by it.
//!
//! What is left to write for a service, the loop, a limit of connections, contained panics and an
//! orderly end, is in [`serve`](crate::serve): see [Shutting down](#shutting-down).
//!
//! # A client
//!
//! For one conversation, `connect` is enough:
//!
//! ```
//! # #[cfg(windows)]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), npipes::Error> {
//! use std::time::Duration;
//!
//! use npipes::{ConnectOptions, DrainOutcome, retry::{Backoff, Retry}};
//!
//! # let mut listener = npipes::Listener::bind("npipes-guide-client")?;
//! # let server = tokio::spawn(async move {
//! #     let mut connection = listener.accept().await?;
//! #     while let Some(order) = connection.receive().await? {
//! #         connection.send(order).await?;
//! #     }
//! #     Ok::<_, npipes::Error>(())
//! # });
//! // The service may still be starting: wait for it, for ten seconds at most.
//! let starting = Retry::with_backoff(Backoff::new(Duration::from_millis(10), Duration::from_millis(250)));
//! let options = ConnectOptions::new().timeout(Duration::from_secs(10)).not_found(starting);
//! let mut connection = options.connect("npipes-guide-client").await?;
//!
//! connection.send("two coffees").await?;
//! println!("{:?}", connection.receive().await?);
//!
//! // What was sent is read, or you know that it was not.
//! assert_eq!(connection.close().await?, DrainOutcome::Drained);
//! # server.await.unwrap()?;
//! # Ok(())
//! # }
//! # #[cfg(not(windows))]
//! # fn main() {}
//! ```
//!
//! A busy server is waited out without being told, since it is busy for a moment only. A server
//! that is not there is an error at once, unless you say otherwise as above.
//!
//! A program that lives longer than its server's process wants [a client that
//! reconnects](#a-client-that-reconnects).
//!
//! To send and receive at once, [`split`](crate::Connection::split) the connection, or let
//! `tokio::select!` race `receive` with whatever there is to send: a future that is dropped loses no
//! message.
//!
//! # A client that reconnects
//!
//! [`Client`](crate::Client) over a `Connector`, or over anything that is
//! [`Connect`](crate::client::Connect), is a handle: clone it for as many tasks as send. One driver
//! owns the connection, connects anew when it is lost, and gathers what the tasks send into few
//! writes. What arrives comes out of one [`Inbox`](crate::client::Inbox):
//!
//! ```
//! # use npipes::{Connection, Error, client::Connect};
//! # use tokio::io::DuplexStream;
//! # struct Server;
//! # impl Connect for Server {
//! #     type Io = DuplexStream;
//! #     async fn connect(&self) -> Result<Connection<DuplexStream>, Error> {
//! #         let (near, mut far) = Connection::pair();
//! #         tokio::spawn(async move {
//! #             while let Ok(Some(m)) = far.receive().await { far.send(m).await.unwrap(); }
//! #         });
//! #         Ok(near)
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! use npipes::{Client, client::Fate};
//!
//! // On Windows: Client::builder(Connector::new("orders")?)
//! let (client, mut inbox) = Client::builder(Server)
//!     // A new connection knows nothing of the last one.
//!     .on_connect(|connection| Box::pin(async { Ok(connection.send("subscribe").await?) }))
//!     .spawn();
//!
//! let waiter = client.clone();
//! let order = tokio::spawn(async move {
//!     match waiter.send("two coffees").await?.await {
//!         Ok(delivered) => println!("{delivered:?}"),
//!         Err(returned) if returned.fate == Fate::NotSent => println!("order again"),
//!         Err(returned) => println!("perhaps: {}", returned.cause),
//!     }
//!     Ok::<_, Error>(())
//! });
//!
//! assert_eq!(inbox.receive().await?.unwrap(), b"subscribe"[..]);
//! assert_eq!(inbox.receive().await?.unwrap(), b"two coffees"[..]);
//! order.await.unwrap()?;
//! let settlement = client.close().await;
//! assert!(settlement.returned.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! - `send` waits for room and no longer. Its [`Receipt`](crate::client::Receipt) tells the
//!   message's one fate: delivered, maybe delivered, or not sent, with the message back. Drop it if
//!   you do not care.
//! - A message is never sent twice by itself: only you know whether that is harmless.
//! - Delivered means [read](crate::client::Delivered::Read) over a pipe, and [handed
//!   over](crate::client::Delivered::HandedOver) over TCP, which cannot tell more. That the peer
//!   has dealt with a message only an answer says: see
//!   [`DeliveredWhen::Acknowledged`](crate::client::DeliveredWhen).
//! - A task that sends and receives in one `select!` awaits [`reserve`](crate::Client::reserve)
//!   there, and sends with the permit: a `send` that is not chosen drops its message.
//! - A server that refuses, hangs up or chokes on a message is called fewer than 15 times in 10 s; a
//!   message in the middle of which three connections end comes back, and those behind it go on.
//! - Drop the inbox if the server has nothing to say: otherwise what it says fills the inbox, and
//!   holds it back.
//! - For tokio-serde and tarpc, [`Client::duplex`](crate::Client::duplex) is a stream and a sink.
//!
//! The examples `tray` and `service` show both sides of it.
//!
//! # Typed messages
//!
//! A connection is a stream and a sink of bytes, which is what `tokio-serde` makes values of, and then
//! `tarpc` calls:
//!
//! ```
//! use futures::{SinkExt, TryStreamExt};
//! use npipes::{Connection, Error};
//! use serde::{Deserialize, Serialize};
//! use tokio_serde::{Framed, formats::MessagePack};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Order {
//!     item: String,
//!     count: u32,
//! }
//!
//! type Format = MessagePack<Order, Order>;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! // Or what `connect` and `accept` give.
//! let (near, far) = Connection::pair();
//! let mut client: Framed<_, Order, Order, _> = Framed::new(near, Format::default());
//! let mut server: Framed<_, Order, Order, _> = Framed::new(far, Format::default());
//!
//! client.send(Order { item: "coffee".to_owned(), count: 2 }).await?;
//! let order = server.try_next().await?;
//! assert_eq!(order.unwrap().count, 2);
//! # Ok(())
//! # }
//! ```
//!
//! With JSON, whose errors are its own, both kinds of error meet in [`std::io::Error`]: the example
//! `typed_json` shows the one line that it takes. `typed_messagepack` and `tarpc` are examples too.
//! For text there is [`send_text`](crate::Connection::send_text).
//!
//! # Many messages, fast
//!
//! `send` writes at once, since a message by itself should not be late. Where there are many, feed
//! them, and hundreds share a write:
//!
//! ```
//! use bytes::Bytes;
//! use npipes::{Connection, Error};
//! use tokio::io::{AsyncRead, AsyncWrite};
//!
//! async fn report<T>(connection: &mut Connection<T>, readings: &[[u8; 64]]) -> Result<(), Error>
//! where
//!     T: AsyncRead + AsyncWrite + Unpin,
//! {
//!     for reading in readings {
//!         connection.feed(Bytes::copy_from_slice(reading)).await?;
//!     }
//!     connection.flush().await
//! }
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! #     let (mut near, mut far) = Connection::pair();
//! #     report(&mut near, &[[1; 64], [2; 64]]).await.unwrap();
//! #     assert_eq!(far.receive().await.unwrap().unwrap(), [1; 64][..]);
//! #     assert_eq!(far.receive().await.unwrap().unwrap(), [2; 64][..]);
//! # });
//! ```
//!
//! - What was fed goes out with the next flush, when the
//!   [send buffer](crate::ConnectionOptions::send_buffer) is full, and never by itself: flush
//!   before you wait for anything.
//! - Do not wait for each answer if the next question does not depend on it; and receive while you
//!   send, on the two halves. Peers that both send and do not receive wait for each other for ever
//!   once the operating system's buffers are full.
//! - A received message is a part of the buffer that it was read into, and keeps all of it: up to
//!   72 KiB in a fast stream, and more beside long messages. Of a small message that you keep for
//!   long, keep a copy.
//! - A message of 8 KiB or more is written from where it is. Make it a `Bytes` once, and sending it
//!   to a hundred peers copies it nowhere in this crate.
//!
//! # Shutting down
//!
//! A `send` that has returned is queued and no more, and a process that ends takes its queue with
//! it. So end a connection with [`close`](crate::Connection::close), which waits until the peer has
//! read everything, and a service with a token:
//!
//! ```
//! # #[cfg(windows)]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), npipes::Error> {
//! use std::time::Duration;
//!
//! use npipes::{Listener, server::ServeOptions};
//! use tokio_util::sync::CancellationToken;
//!
//! let shutdown = CancellationToken::new();
//! let listener = Listener::bind("npipes-guide-shutdown")?;
//! let options = ServeOptions::new().shutdown_timeout(Duration::from_secs(5));
//! let service = tokio::spawn(options.serve(listener, shutdown.clone(), async |mut client, shutdown| {
//!     // Shutdown interrupts the wait for a request and nothing else.
//!     while let Some(Ok(Some(order))) = shutdown.run_until_cancelled(client.receive()).await {
//!         client.send(order).await?;
//!     }
//!     // Handed back, it is closed, and its client has until the deadline to read its answers.
//!     Ok(client)
//! }));
//! # let mut client = npipes::connect("npipes-guide-shutdown").await?;
//! # client.send("tea").await?;
//! # client.receive().await?;
//!
//! // On Ctrl-C, or when the service manager says so:
//! shutdown.cancel();
//! # drop(client);
//! let served = service.await.expect("serve does not panic");
//! println!("{served:?}");
//! # Ok(())
//! # }
//! # #[cfg(not(windows))]
//! # fn main() {}
//! ```
//!
//! [`DrainOutcome`](crate::DrainOutcome) says how a connection ended: drained, timed out with so
//! many bytes unread, or the peer gone, which is how most conversations end: a peer that has its
//! answer leaves. Drained means that the peer's process has taken the bytes. That its program has
//! dealt with them only an answer can say, and [`Client`](crate::Client) can wait for one. Over a
//! stream that cannot tell what was read, as TCP cannot, it is flushed.
//!
//! A peer may hang. A close that timed out, [`abort`](crate::Connection::abort), and `serve` at its
//! deadline give it up for good: no handle, no instance and no name is left, whatever it does.
//! Dropping a connection leaves what was sent to be read, and gives a write that still waits for
//! room a [limited time](crate::ConnectionOptions::linger).
//!
//! # Security
//!
//! Nothing has to be set for a service and its clients of one user, or for a service of SYSTEM and the
//! clients of its own account. A service whose clients are the machine's users says so:
//!
//! ```
//! # #[cfg(windows)]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), npipes::Error> {
//! use npipes::{ConnectOptions, ListenerOptions, security::{Access, IntegrityLevel, ServerTrust}};
//!
//! // The service: anybody who has logged on may connect, except from a sandbox.
//! let mut listener = ListenerOptions::new()
//!     .access(Access::authenticated_users())
//!     .filter(|client| client.integrity >= IntegrityLevel::MEDIUM)
//!     .bind("npipes-guide-security")?;
//!
//! // Its clients: nothing is sent to a server that a user has put in its place.
//! let options = ConnectOptions::new().server_trust(ServerTrust::system_or_administrators());
//! # let _ = options;
//! # let options = ConnectOptions::new();
//! # let client = async { options.connect("npipes-guide-security").await?.send("tea").await };
//! # let (client, server) = tokio::join!(client, listener.accept());
//! # client?;
//! # server?;
//! # Ok(())
//! # }
//! # #[cfg(not(windows))]
//! # fn main() {}
//! ```
//!
//! A service whose account is none of these, as LocalService, is trusted by its name:
//! `ServerTrust::service`. `Connection::peer` says who a client is; it says of each fact what it is
//! worth. The CRC-32 is no protection from anybody. The threat model is in the repository's
//! `SECURITY.md`, what a hostile peer can make you spend in `docs/hostile-peers.md`, and a
//! comparison with others in `docs/security.md`.
//!
//! # Errors
//!
//! [`Error`](crate::Error) says whose fault it is, and its predicates what to do:
//!
//! ```
//! use npipes::{Connection, Error, frame::FrameError};
//! use tokio::io::{AsyncRead, AsyncWrite};
//!
//! async fn take_orders<T>(mut connection: Connection<T>) -> Result<u32, Error>
//! where
//!     T: AsyncRead + AsyncWrite + Unpin,
//! {
//!     let mut orders = 0;
//!     loop {
//!         match connection.receive().await {
//!             Ok(Some(_)) => orders += 1,
//!             // The peer has closed, after a whole message.
//!             Ok(None) => return Ok(orders),
//!             // This one is lost, the next is not.
//!             Err(Error::Frame(e)) if e.is_skippable() => eprintln!("an order was corrupt: {e}"),
//!             // The peer left in the middle of a message, or speaks something else.
//!             Err(Error::Frame(e @ FrameError::Truncated { .. })) => return Err(e.into()),
//!             Err(e) => return Err(e),
//!         }
//!     }
//! }
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! #     let (near, far) = tokio::io::duplex(64);
//! #     Connection::new(near).send("tea").await.unwrap();
//! #     assert_eq!(take_orders(Connection::new(far)).await.unwrap(), 1);
//! # });
//! ```
//!
//! - A message that is too large, or a text that the encoding lacks, is the caller's mistake: nothing
//!   was written, and the connection goes on.
//! - What a peer sends that is no frame ends the stream with an error that names what was found,
//!   and the dialect that would fit. Nothing after it is taken for a message.
//! - [`is_retryable`](crate::Error::is_retryable) is for who connects and accepts,
//!   [`is_timeout`](crate::Error::is_timeout) and [`is_closed`](crate::Error::is_closed) for logs that
//!   are to be quiet about what is usual.
//!
//! # Testing your service without Windows
//!
//! Keep the service generic over its transport, as above, and most tests need no pipe at all:
//! [`Connection::pair`](crate::Connection::pair) gives two ends in memory, on every system.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), npipes::Error> {
//! use npipes::Connection;
//!
//! let (mut client, mut server) = Connection::pair();
//! client.send("two coffees").await?;
//! assert_eq!(server.receive().await?.unwrap(), b"two coffees"[..]);
//! # Ok(())
//! # }
//! ```
//!
//! What only a pipe does, being busy, not there, late, cut off in the middle of a frame, is
//! simulated by the module `npipes::simulated` (Cargo feature `simulated`): a listener and
//! connectors that a test tells what is to go wrong, with a paused clock and the same outcome each
//! time. What remains are real pipes: on Linux under Wine, as this crate tests itself with
//! `scripts/on-wine cargo test`.
//!
//! Do not pause the clock over real pipes. Tokio moves a paused clock on whenever all tasks wait,
//! and for the operating system too: a deadline of five seconds is over before a peer could run.
//! Nothing false is reported, but connecting to a busy or absent server, and closing to a peer that
//! has not read yet, time out at once, and a close that timed out has given the connection up.
//!
//! # Looking inside
//!
//! Each connection has a `tracing` span, and connects, retries, drains, corrupt frames and reconnects
//! are events: [`observability`](crate::observability) lists them. None contains a byte of a message.
//! [`Connection::stats`](crate::Connection::stats) needs no framework. The example `pipecat` shows
//! what a peer really sends, frame by frame.
//!
//! # Other languages
//!
//! [`peers`](crate::peers) has a file to copy for .NET, Node.js and Python. To any other, the frame is
//! eight bytes, the payload, and four bytes: [the wire](crate#the-wire).
//!
//! # Beyond one machine
//!
//! The same [`Connection`](crate::Connection), [`serve`](crate::serve) and
//! [`Client`](crate::Client) run over TCP or TLS, so that moving on is a change of two lines:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use npipes::Connection;
//! use tokio::net::{TcpListener, TcpStream};
//!
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let mut client = Connection::new(TcpStream::connect(listener.local_addr()?).await?);
//! let mut server = Connection::new(listener.accept().await?.0);
//! client.send("two coffees").await?;
//! assert_eq!(server.receive().await?.unwrap(), b"two coffees"[..]);
//! # Ok(())
//! # }
//! ```
//!
//! A network has none of a pipe's access rules: use TLS with certificates for both ends. Where one end
//! has to stay as it is, the example `bridge` relays between a pipe and TCP.
//!
//! Within a domain, a pipe of another machine is named `\\host\pipe\orders`. The server says
//! `accept_remote_clients`, and SMB carries and authenticates it. Such a pipe is opened on a blocking
//! thread, since that takes as long as the network does, and its server is not judged unless an
//! identity is asked for.
//!
//! # Types of other crates
//!
//! These are in the public API, and a new major version of their crates means one of this crate:
//!
//! | crate | what | where |
//! |---|---|---|
//! | `bytes` 1 | `Bytes`, `BytesMut` | messages |
//! | `tokio` 1 | `AsyncRead`, `AsyncWrite`, `NamedPipeServer`, `NamedPipeClient`, `DuplexStream`, `watch::Receiver` | transports, raw handles, pairs in memory, [`Client::watch`](crate::Client::watch) |
//! | `tokio-util` 0.7 | `Decoder`, `Encoder`, `CancellationToken` | [`FrameCodec`](crate::FrameCodec), [`serve`](crate::serve), [`ClientBuilder::shutdown_on`](crate::client::ClientBuilder::shutdown_on) |
//! | `futures-core` 0.3, `futures-sink` 0.3 | `Stream`, `FusedStream`, `Sink` | [`Connection`](crate::Connection), its halves, `Incoming`, [`Inbox`](crate::client::Inbox), [`ClientDuplex`](crate::client::ClientDuplex) |
//! | `tracing` 0.1 | `Span` | [`Connection::span`](crate::Connection::span) |
//! | `encoding_rs` 0.8 | `Encoding` | with the feature `encoding_rs` |
//!
//! `windows-sys`, `mio`, `crc32fast` and `thiserror` are not.
