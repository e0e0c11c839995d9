//! The codec: frames out of a growing buffer and into one. It does no I/O.
//!
//! ```text
//!             header decodes                 payload and CRC arrived
//!   ┌──────┐ ───────────────▶ ┌─────────┐ ──────────────────────────▶ a frame, or the report of
//!   │ Head │                  │ Payload │                             a corrupt one: Head again
//!   └──────┘ ◀─────────────── └─────────┘
//!      │
//!      │ lengths contradict each other, or announce too much
//!      ▼
//!   ┌──────────┐
//!   │ Poisoned │ the same error for every further call: `Framed` goes on after an error, and what
//!   └──────────┘ follows a wrong length is not a header
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::{
    error::{Error, FrameError},
    frame::{Dialect, FrameFormat, Header, OVERHEAD, ReceiveChecksum, Trailer},
    read_window::ReadWindow,
};

/// Decodes and encodes frames for [`Framed`](tokio_util::codec::Framed) and its relatives, as
/// `LengthDelimitedCodec` does: `BytesMut` out, [`Bytes`] in.
///
/// A decoded payload is a part of the read buffer, without a copy. Memory is reserved as bytes
/// arrive, never for what a peer announces.
///
/// Over `Framed`, a corrupt frame is an `Err` like any other, after which `Framed` yields `None`
/// once and looks at its buffer again only when more bytes arrive.
/// [`Connection`](crate::Connection) reports it in order and goes on at once.
///
/// # Examples
///
/// ```
/// use bytes::{Bytes, BytesMut};
/// use npipes::FrameCodec;
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut codec = FrameCodec::default();
/// let mut wire = BytesMut::new();
/// codec.encode(Bytes::from_static(b"Hello"), &mut wire)?;
/// assert_eq!(wire[..8], [17, 0, 0, 0, 5, 0, 0, 0]);
/// assert_eq!(codec.decode(&mut wire)?.unwrap(), b"Hello"[..]);
/// # Ok::<(), npipes::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FrameCodec {
    format: FrameFormat,
    detected: Option<Dialect>,
    state: State,
    window: ReadWindow,
}

#[derive(Debug, Clone)]
enum State {
    Head,
    Payload { header: Header, digest: Digest },
    Poisoned(FrameError),
}

impl FrameCodec {
    /// Returns a codec for this format.
    #[must_use]
    pub fn new(format: FrameFormat) -> Self {
        Self { format, detected: None, state: State::Head, window: ReadWindow::new() }
    }

    /// Returns the format it was made for.
    pub fn format(&self) -> &FrameFormat {
        &self.format
    }

    /// Returns the dialect that it speaks: the peer's, once that was detected.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.detected.unwrap_or(self.format.dialect)
    }

    /// Takes one frame off the front of `src`: `Ok(None)` asks for more bytes, `Ok(Some(Err(_)))`
    /// reports a frame that was skipped, `Err` is fatal and comes again on every call.
    pub(crate) fn next_frame(
        &mut self,
        src: &mut BytesMut,
    ) -> Result<Option<Result<BytesMut, FrameError>>, FrameError> {
        loop {
            match &mut self.state {
                State::Head => {
                    let Some(bytes) = src.first_chunk::<{ Header::LEN }>() else {
                        return Ok(None);
                    };
                    let header = match self.read_header(*bytes) {
                        Ok(header) => header,
                        Err(error) => {
                            self.state = State::Poisoned(error);
                            src.clear();
                            return Err(error);
                        }
                    };
                    src.advance(Header::LEN);
                    self.state = State::Payload { header, digest: Digest::new() };
                }
                State::Payload { header, digest } => {
                    let len = header.len();
                    let checked = self.format.receive_checksum != ReceiveChecksum::Ignore;
                    if src.len() < len + Trailer::LEN {
                        if checked {
                            digest.update(&src[..src.len().min(len)]);
                        }
                        return Ok(None);
                    }
                    let actual = if checked { digest.finish(&src[..len]) } else { 0 };
                    self.state = State::Head;
                    let payload = src.split_to(len);
                    let mut trailer = [0; Trailer::LEN];
                    src.copy_to_slice(&mut trailer);
                    let expected = Trailer::decode(trailer, self.dialect());
                    let verdict = self.format.receive_checksum.judge(expected, actual);
                    return Ok(Some(verdict.map(|()| payload)));
                }
                State::Poisoned(error) => {
                    src.clear();
                    return Err(*error);
                }
            }
        }
    }

    fn read_header(&mut self, bytes: [u8; Header::LEN]) -> Result<Header, FrameError> {
        if self.format.detect && self.detected.is_none() {
            self.detected = Header::detect(bytes);
        }
        let header = Header::decode(bytes, self.dialect())?;
        let max = self.format.max_payload;
        if header.payload_len > max {
            return Err(FrameError::TooLarge { len: header.payload_len, max });
        }
        Ok(header)
    }

    /// Returns the failure of a stream that ends with `rest` unread after the last whole frame.
    pub(crate) fn truncated(&self, rest: &[u8]) -> Option<FrameError> {
        match &self.state {
            State::Head if rest.is_empty() => None,
            State::Head => Some(FrameError::Truncated { have: rest.len(), need: Header::LEN }),
            State::Payload { header, .. } => Some(FrameError::Truncated {
                have: Header::LEN + rest.len(),
                need: OVERHEAD + header.len(),
            }),
            State::Poisoned(error) => Some(*error),
        }
    }

    /// Returns the header of a frame whose payload has not arrived, which was taken off the buffer.
    pub(crate) fn pending_header(&self) -> Option<[u8; Header::LEN]> {
        match &self.state {
            State::Payload { header, .. } => Some(header.encode(self.dialect())),
            State::Head | State::Poisoned(_) => None,
        }
    }

    /// Returns how many bytes are missing for a frame of which `have` are there; at least 1.
    pub(crate) fn missing(&self, have: usize) -> usize {
        let need = match &self.state {
            State::Head | State::Poisoned(_) => Header::LEN,
            State::Payload { header, .. } => header.len() + Trailer::LEN,
        };
        need.saturating_sub(have).max(1)
    }
}

impl Default for FrameCodec {
    fn default() -> Self {
        Self::new(FrameFormat::default())
    }
}

impl Decoder for FrameCodec {
    type Item = BytesMut;
    type Error = Error;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<BytesMut>, Error> {
        self.window.read(src.len());
        if let Some(frame) = self.next_frame(src)? {
            return Ok(Some(frame?));
        }
        self.window.open(src, self.missing(src.len()));
        Ok(None)
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<BytesMut>, Error> {
        if let Some(frame) = self.next_frame(src)? {
            return Ok(Some(frame?));
        }
        match self.truncated(src) {
            None => Ok(None),
            Some(error) => {
                self.state = State::Poisoned(error);
                src.clear();
                Err(error.into())
            }
        }
    }
}

impl Encoder<Bytes> for FrameCodec {
    type Error = Error;

    fn encode(&mut self, payload: Bytes, dst: &mut BytesMut) -> Result<(), Error> {
        let (header, trailer) = self.format.envelope(self.dialect(), &payload)?;
        dst.reserve(OVERHEAD + payload.len());
        dst.put_slice(&header);
        dst.put_slice(&payload);
        dst.put_slice(&trailer);
        Ok(())
    }
}

/// The CRC-32 of a payload that is still arriving.
///
/// What has arrived is summed up at once, while the processor's cache still holds it; a payload that
/// arrives whole is summed up in one go.
#[derive(Debug, Clone)]
struct Digest {
    hasher: Option<crc32fast::Hasher>,
    hashed: usize,
}

impl Digest {
    /// Less than this is not worth a step of its own, in bytes.
    const STEP: usize = 4 * 1024;

    const fn new() -> Self {
        Self { hasher: None, hashed: 0 }
    }

    fn update(&mut self, arrived: &[u8]) {
        if arrived.len() - self.hashed >= Self::STEP {
            self.hasher.get_or_insert_default().update(&arrived[self.hashed..]);
            self.hashed = arrived.len();
        }
    }

    fn finish(&mut self, payload: &[u8]) -> u32 {
        match self.hasher.take() {
            None => crc32fast::hash(payload),
            Some(mut hasher) => {
                hasher.update(&payload[self.hashed..]);
                hasher.finalize()
            }
        }
    }
}
