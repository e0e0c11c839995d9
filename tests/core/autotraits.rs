//! What can cross threads, and be moved once pinned.

use npipes::{
    Client, Connection, ConnectionOptions, DrainOutcome, Error, FrameCodec, PipeName,
    client::{
        ClientBuilder, ClientDuplex, ClientOptions, ClientState, ClientStats, Connect, Delivered,
        Driver, HookError, Inbox, MessageId, Permit, Receipt, Returned, Settlement,
    },
    connection::{ConnectionParts, ConnectionStats, ReceiveHalf, SendHalf},
    error::{ConnectError, UntrustedServer},
    frame::{FrameError, FrameFormat},
    retry::{Backoff, Delays, Retry},
    security::Sid,
    serve,
    server::{Accept, ServeOptions, ServeReport},
    text::{TextDecodeError, TextEncodeError, TextEncoding},
};
use tokio_util::sync::CancellationToken;

fn is_sendable<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}

#[test]
fn public_types_are_send_sync_unpin_and_debug() {
    is_sendable::<Backoff>();
    is_sendable::<Client>();
    is_sendable::<ClientStats>();
    is_sendable::<ClientDuplex>();
    is_sendable::<ClientOptions>();
    is_sendable::<ConnectionStats>();
    is_sendable::<Retry>();
    is_sendable::<ClientState>();
    is_sendable::<DrainOutcome>();
    is_sendable::<ConnectError>();
    is_sendable::<Connection<tokio::io::DuplexStream>>();
    is_sendable::<ConnectionOptions>();
    is_sendable::<Delays>();
    is_sendable::<Error>();
    is_sendable::<FrameCodec>();
    is_sendable::<FrameError>();
    is_sendable::<FrameFormat>();
    is_sendable::<Delivered>();
    is_sendable::<HookError>();
    is_sendable::<Inbox>();
    is_sendable::<MessageId>();
    is_sendable::<Permit<'static>>();
    is_sendable::<Receipt>();
    is_sendable::<ConnectionParts<tokio::io::DuplexStream>>();
    is_sendable::<PipeName>();
    is_sendable::<ReceiveHalf<tokio::io::DuplexStream>>();
    is_sendable::<Returned>();
    is_sendable::<SendHalf<tokio::io::DuplexStream>>();
    is_sendable::<Sid>();
    is_sendable::<UntrustedServer>();
    is_sendable::<ServeOptions>();
    is_sendable::<ServeReport>();
    is_sendable::<Settlement>();
    is_sendable::<TextDecodeError>();
    is_sendable::<TextEncodeError>();
    is_sendable::<TextEncoding>();
}

#[test]
fn a_client_can_be_shared_and_its_futures_sent_to_another_thread() {
    fn is_sent<T: Send>(_: &T) {}
    fn check(client: &Client, mut inbox: Inbox) {
        is_sent(&client.send("Hello"));
        is_sent(&client.send_text("Hello"));
        is_sent(&client.reserve());
        is_sent(&client.flush());
        is_sent(&client.close());
        is_sent(&inbox.receive());
        is_sent(&inbox.receive_text());
    }
    let _ = check;
    fn is_cloned<T: Clone>() {}
    is_cloned::<Client>();
    fn is_built<T: Send>() {}
    is_built::<ClientBuilder<Nowhere>>();
    fn is_driven<T: Future<Output = ()> + Send + Unpin + 'static>() {}
    is_driven::<Driver>();
}

#[test]
fn the_future_of_serve_can_be_sent_to_another_thread() {
    fn is_sent<T: Send>(_: &T) {}
    let handler = |connection, _| async move { Ok(Some(connection)) };
    is_sent(&serve(Nowhere, CancellationToken::new(), handler));
}

struct Nowhere;

impl Connect for Nowhere {
    type Io = tokio::io::DuplexStream;

    async fn connect(&self) -> Result<Connection<Self::Io>, Error> {
        Err(Error::Closed)
    }
}

impl Accept for Nowhere {
    type Io = tokio::io::DuplexStream;

    async fn accept(&mut self) -> Result<Connection<Self::Io>, Error> {
        Err(Error::Closed)
    }
}
