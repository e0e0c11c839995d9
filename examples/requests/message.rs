//! What is on the wire. Each message of a connection is one of these.
//!
//! ```text
//! one byte    8 bytes    the rest
//! 'a' ask     id         the request     client to server
//! 'c' cancel  id                         client to server: nobody waits for the answer any more
//! 'r' reply   id         the answer      server to client
//! 'g' gone    id                         server to client: cancelled, and there is no answer
//! ```
//!
//! Each `ask` gets one `reply` or one `gone`, also after a `cancel`. So both ends agree on how many
//! requests are under way.

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub(crate) const ASK: u8 = b'a';
pub(crate) const CANCEL: u8 = b'c';
pub(crate) const REPLY: u8 = b'r';
pub(crate) const GONE: u8 = b'g';

/// The most requests that may be under way at once. It bounds the memory of both ends.
pub(crate) const MOST: usize = 64;

pub(crate) fn encode(kind: u8, id: u64, body: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(9 + body.len());
    message.put_u8(kind);
    message.put_u64_le(id);
    message.put_slice(body);
    message.freeze()
}

/// Returns `None` for a message that is too short to be one.
pub(crate) fn decode(mut message: BytesMut) -> Option<(u8, u64, BytesMut)> {
    (message.len() >= 9).then(|| (message.get_u8(), message.get_u64_le(), message))
}
