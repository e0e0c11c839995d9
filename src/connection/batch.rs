//! Several messages at once, where they have arrived.

use std::fmt;

use super::telemetry::Telemetry;
use crate::{
    codec::FrameCodec,
    frame::{Header, OVERHEAD},
};

/// Messages that have arrived: see [`Connection::receive_batch`](crate::Connection::receive_batch).
///
/// It is an iterator of payloads, each of which is a part of the read buffer: no message is copied, and
/// none has an allocation or a reference count of its own. One at least is there. What is not taken
/// out of it stays for the next receive.
pub struct Batch<'a> {
    /// A message that came before those of the buffer.
    pub(super) lone: Option<&'a [u8]>,
    pub(super) is_lone_out: &'a mut bool,
    /// The length of the first payload of the buffer, if that frame was looked at already.
    pub(super) checked: Option<usize>,
    pub(super) rest: &'a [u8],
    pub(super) handed_out: &'a mut usize,
    pub(super) codec: &'a FrameCodec,
    pub(super) telemetry: &'a mut Telemetry,
}

impl<'a> Iterator for Batch<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if let Some(lone) = self.lone.take() {
            *self.is_lone_out = true;
            return Some(lone);
        }
        let payload = match self.checked.take() {
            Some(len) => self.rest.get(Header::LEN..Header::LEN + len)?,
            None => self.codec.peek_payload(self.rest)?,
        };
        let frame = OVERHEAD + payload.len();
        self.rest = self.rest.get(frame..)?;
        *self.handed_out += frame;
        self.telemetry.received(payload.len());
        Some(payload)
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("bytes", &self.rest.len()).finish_non_exhaustive()
    }
}
