//! A pipe without an operating system, for tests of code that works with pipes, on any platform.
//!
//! It needs the Cargo feature `simulated`. Enable it in your dev-dependencies:
//!
//! ```toml
//! [dev-dependencies]
//! npipes = { version = "0.1", features = ["simulated"] }
//! ```
//!
//! # A test
//!
//! Let your service take an [`Accept`](crate::server::Accept) and a
//! [`Connect`](crate::client::Connect), or just a [`Connection`](crate::Connection) over any
//! transport. In a test, give it a [`Listener`] and [`Connector`]s of a simulated [`Pipe`]. The
//! test says what goes wrong:
//!
//! ```
//! use std::time::Duration;
//!
//! use npipes::{
//!     Client, Connection, Error, client::{ClientOptions, DeliveredWhen, Fate}, server::Accept,
//!     simulated::{Cut, Faults, Pipe, Refusal},
//! };
//! use tokio::io::{AsyncRead, AsyncWrite};
//! use tokio_util::sync::CancellationToken;
//!
//! // The service. In production it is called with an `npipes::Listener`.
//! async fn serve(listener: impl Accept + Send, shutdown: CancellationToken) {
//!     npipes::serve(listener, shutdown, |connection, shutdown| take_orders(connection, shutdown)).await;
//! }
//!
//! async fn take_orders<T: AsyncRead + AsyncWrite + Unpin>(
//!     mut connection: Connection<T>,
//!     shutdown: CancellationToken,
//! ) -> Result<Connection<T>, Error> {
//!     while let Some(received) = shutdown.run_until_cancelled(connection.receive()).await {
//!         let Some(order) = received? else { break };
//!         connection.send([b"taken: ", &order[..]].concat()).await?;
//!     }
//!     Ok(connection)
//! }
//!
//! // The test: #[tokio::test(start_paused = true)]
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn a_client_gets_its_answer_in_the_end() -> Result<(), Error> {
//!     let pipe = Pipe::new("orders")?;
//!     let shutdown = CancellationToken::new();
//!     let service = tokio::spawn(serve(pipe.listener()?, shutdown.clone()));
//!
//!     // The server is busy at first, and the first answer breaks off in the middle of its frame.
//!     pipe.refuse_for(Refusal::Busy, Duration::from_secs(1));
//!     pipe.fault_next(Faults::new().split(4096).cut_to_client(10, Cut::End));
//!
//!     // An order is delivered when it was answered, and not when it was read.
//!     let options = ClientOptions::new().delivered_when(DeliveredWhen::Acknowledged);
//!     let (client, mut inbox) = Client::builder(pipe.connector()).options(options).spawn();
//!     let receipt = client.send("tea").await?;
//!     // Nobody knows whether that order was taken, so it comes back.
//!     let returned = receipt.await.unwrap_err();
//!     assert_eq!(returned.fate, Fate::MaybeDelivered);
//!     client.send(returned.message).await?;
//!     assert_eq!(inbox.receive().await?.unwrap(), b"taken: tea"[..]);
//!     assert_eq!(client.stats().connections, 2);
//!
//!     shutdown.cancel();
//!     service.await.unwrap();
//!     Ok(())
//! }
//! # a_client_gets_its_answer_in_the_end().unwrap();
//! ```
//!
//! # What it simulates
//!
//! - **Connecting.** A pipe without a listener is not found. With more unaccepted clients than the
//!   backlog, the pipe is busy until one is accepted. A name can be taken. A name exists as long as
//!   accepted connections do. A client that connects, writes and leaves is still accepted.
//! - **Attempts.** [`Connector`] follows the same rules as `ConnectOptions` on Windows, with the
//!   same deadlines and delays, and reports the same errors: both run the same code. An attempt
//!   that waits for a busy server continues as soon as the server is free.
//! - **Writing.** A write is done when it is handed over. When the buffer is full, a slow reader
//!   holds the writer back. A failure is reported by the next write, so the failure of the last
//!   write is never reported.
//! - **Ending.** What was written before an end was dropped can still be read.
//!   [`close`](crate::Connection::close) waits until the peer has read everything, and returns
//!   `Drained`, `TimedOut` or `PeerGone`. A dropped listener resets clients that it has not
//!   accepted.
//! - **What a test asks for.** [Refusals](Pipe::refuse), [late connects](Pipe::delay_connects),
//!   [late accepts](Pipe::delay_accepts), [reads in pieces, and connections that break](Faults)
//!   after a number of bytes or [at once](Pipe::cut_all).
//!
//! The same tests of all this run against simulated pipes and against real ones. A simulated pipe
//! has no task, no thread and no randomness, and no clock but Tokio's. If the clock is paused, a
//! test takes no time and does the same each time. To make the delays between attempts the same
//! too, give the connector a [`Backoff`](crate::retry::Backoff) with a seed or without jitter.
//!
//! # What it does not simulate
//!
//! - **Security.** There are no users, access rights or identities, and no judgement of a server.
//!   [`Refusal::AccessDenied`] is just an answer. A connection has no `peer`.
//! - **The operating system's errors.** The kinds of [`std::io::Error`] are the same where Rust has
//!   one, but the errors have no code and no text of Windows.
//! - **Reading ahead.** On a pipe, the runtime of the peer reads up to 64 KiB before its
//!   application asks for them, so a small message counts as read early. Here it counts as read
//!   when the application reads it.
//! - **Other kinds of pipes:** message-type pipes, pipes of one direction, limits of instances, and
//!   half-closing.
//! - **Time.** A simulated pipe says nothing about the speed of a real pipe.

mod connector;
mod faults;
mod listener;
mod pipe;
mod state;
mod stream;
mod wire;

pub use self::{
    connector::Connector,
    faults::{Cut, Faults, Refusal},
    listener::Listener,
    pipe::Pipe,
    stream::Stream,
};
