//! What can cross threads, and be moved once pinned.

use npipes::{
    Backoff, Closed, ConnectError, Connection, ConnectionOptions, Delays, Error, FrameCodec,
    FrameError, FrameFormat, Parts, PipeName, ReceiveHalf, SendHalf, Sid, TextDecodeError,
    TextEncodeError, TextEncoding, UntrustedServer,
};

fn is_sendable<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}

#[test]
fn public_types_are_send_sync_unpin_and_debug() {
    is_sendable::<Backoff>();
    is_sendable::<Closed>();
    is_sendable::<ConnectError>();
    is_sendable::<Connection<tokio::io::DuplexStream>>();
    is_sendable::<ConnectionOptions>();
    is_sendable::<Delays>();
    is_sendable::<Error>();
    is_sendable::<FrameCodec>();
    is_sendable::<FrameError>();
    is_sendable::<FrameFormat>();
    is_sendable::<Parts<tokio::io::DuplexStream>>();
    is_sendable::<PipeName>();
    is_sendable::<ReceiveHalf<tokio::io::DuplexStream>>();
    is_sendable::<SendHalf<tokio::io::DuplexStream>>();
    is_sendable::<Sid>();
    is_sendable::<UntrustedServer>();
    is_sendable::<TextDecodeError>();
    is_sendable::<TextEncodeError>();
    is_sendable::<TextEncoding>();
}
