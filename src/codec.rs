//! The codec: takes frames out of a growing buffer and puts frames into one. It does no I/O.
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

mod digest;
mod read_window;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use self::digest::Digest;
pub(crate) use self::read_window::ReadWindow;
use crate::{
    error::Error,
    frame::{Dialect, FrameError, FrameFormat, Header, OVERHEAD, ReceiveChecksum, Trailer},
};

/// Decodes and encodes frames for [`Framed`](tokio_util::codec::Framed) and similar types, as
/// `LengthDelimitedCodec` does: `BytesMut` out, [`Bytes`] in.
///
/// A decoded payload is a part of the read buffer, without a copy. Memory is reserved as bytes
/// arrive, never for what a peer announces.
///
/// Over `Framed`, a corrupt frame is an `Err` like any other. After it, `Framed` yields `None` once
/// and looks at its buffer again only when more bytes arrive. [`Connection`](crate::Connection)
/// reports the corrupt frame in order and continues at once.
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
    dialect: Dialect,
    /// Whether the peer's first header, which shows its dialect, has not arrived yet.
    detecting: bool,
    state: State,
    window: ReadWindow,
    /// The payload size in bytes of the frame that was corrupt last.
    corrupt_len: usize,
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
    pub const fn new(format: FrameFormat) -> Self {
        Self {
            format,
            dialect: format.dialect,
            detecting: format.detect,
            state: State::Head,
            window: ReadWindow::new(),
            corrupt_len: 0,
        }
    }

    /// Returns the format of the codec.
    pub fn format(&self) -> &FrameFormat {
        &self.format
    }

    /// Returns the dialect that the codec speaks. It is the peer's dialect once that was detected.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Looks for a whole frame at the front of `src` and takes its header off. `None` means that
    /// more bytes are needed. The caller then takes the payload, of the returned length, and the
    /// trailer with [`take_payload`], before anything else. The payload is not returned here, since
    /// moving it through layers of results costs more than finding it.
    ///
    /// After a skippable error, its frame has been taken off. Any other error comes again on every
    /// call.
    #[inline(always)]
    pub(crate) fn find_frame(&mut self, src: &mut BytesMut) -> Result<Option<usize>, FrameError> {
        if !matches!(self.state, State::Head) {
            return self.resume(src);
        }
        let Some(&bytes) = src.first_chunk::<{ Header::LEN }>() else { return Ok(None) };
        let header = match Header::read(bytes, self.dialect, self.format.max_payload) {
            Some(header) if !self.detecting => header,
            _ => self.read_first_or_wrong_header(bytes, src)?,
        };
        src.advance(Header::LEN);
        let rest = header.len() + Trailer::LEN;
        if src.len() < rest {
            self.state = State::Payload { header, digest: Digest::new() };
            return self.resume(src);
        }
        if self.format.receive_checksum != ReceiveChecksum::Ignore {
            let (payload, expected) = self.split_trailer(&src[..rest]);
            let policy = self.format.receive_checksum;
            if let Err(corrupt) = policy.judge(expected, || crc32fast::hash(payload)) {
                return Err(self.skip(src, rest, corrupt));
            }
        }
        Ok(Some(header.len()))
    }

    /// Returns the payload of the frame that `src` begins with, and leaves it there. `None` if it is
    /// not whole, and if there is anything to say of it, which [`find_frame`](Self::find_frame) says.
    #[inline]
    pub(crate) fn peek_payload<'a>(&self, src: &'a [u8]) -> Option<&'a [u8]> {
        let (bytes, rest) = src.split_first_chunk::<{ Header::LEN }>()?;
        let header = Header::read(*bytes, self.dialect, self.format.max_payload)?;
        if self.detecting || !matches!(self.state, State::Head) {
            return None;
        }
        let rest = rest.get(..header.len() + Trailer::LEN)?;
        if self.format.receive_checksum != ReceiveChecksum::Ignore {
            let (payload, expected) = self.split_trailer(rest);
            let policy = self.format.receive_checksum;
            policy.judge(expected, || crc32fast::hash(payload)).ok()?;
        }
        rest.get(..header.len())
    }

    /// Goes on with a frame whose header was taken off before, or with the error that ended it all.
    fn resume(&mut self, src: &mut BytesMut) -> Result<Option<usize>, FrameError> {
        let (header, digest) = match &mut self.state {
            State::Payload { header, digest } => (*header, digest),
            State::Head => return Ok(None),
            State::Poisoned(error) => {
                src.clear();
                return Err(*error);
            }
        };
        let policy = self.format.receive_checksum;
        let rest = header.len() + Trailer::LEN;
        if src.len() < rest {
            if policy != ReceiveChecksum::Ignore {
                digest.update(&src[..src.len().min(header.len())]);
            }
            return Ok(None);
        }
        let mut digest = std::mem::replace(digest, Digest::new());
        self.state = State::Head;
        self.window.complete(header.len() + OVERHEAD);
        let (payload, expected) = self.split_trailer(&src[..rest]);
        if let Err(corrupt) = policy.judge(expected, || digest.finish(payload)) {
            return Err(self.skip(src, rest, corrupt));
        }
        Ok(Some(header.len()))
    }

    /// Takes the rest of a corrupt frame off and returns its report.
    #[cold]
    fn skip(&mut self, src: &mut BytesMut, rest: usize, corrupt: FrameError) -> FrameError {
        self.corrupt_len = rest - Trailer::LEN;
        src.advance(rest);
        corrupt
    }

    /// Returns the payload size in bytes of the frame that was reported as corrupt last.
    pub(crate) fn corrupt_len(&self) -> usize {
        self.corrupt_len
    }

    #[inline]
    fn split_trailer<'a>(&self, rest: &'a [u8]) -> (&'a [u8], u32) {
        match rest.split_last_chunk() {
            Some((payload, trailer)) => (payload, Trailer::decode(*trailer, self.dialect)),
            None => unreachable!("the caller has the whole frame"),
        }
    }

    #[cold]
    fn read_first_or_wrong_header(
        &mut self,
        bytes: [u8; Header::LEN],
        src: &mut BytesMut,
    ) -> Result<Header, FrameError> {
        if self.detecting {
            let Some(dialect) = Header::detect(bytes) else {
                return Err(self.poison(FrameError::NoDialect { header: bytes }, src));
            };
            self.dialect = dialect;
            self.detecting = false;
        }
        Header::decode(bytes, self.dialect, self.format.max_payload)
            .map_err(|error| self.poison(error, src))
    }

    #[cold]
    fn poison(&mut self, error: FrameError, src: &mut BytesMut) -> FrameError {
        self.state = State::Poisoned(error);
        src.clear();
        error
    }

    /// Returns the error of a stream that ends with `rest` unread after the last whole frame.
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

    /// Returns the header of a frame whose payload has not arrived. The header was taken off the
    /// buffer.
    pub(crate) fn pending_header(&self) -> Option<[u8; Header::LEN]> {
        match &self.state {
            State::Payload { header, .. } => Some(header.encode(self.dialect)),
            State::Head | State::Poisoned(_) => None,
        }
    }

    /// Appends the frame of a payload that was taken out of one.
    pub(crate) fn put_back(&self, payload: &[u8], dst: &mut BytesMut) {
        let payload_len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        dst.put_slice(&Header { payload_len }.encode(self.dialect));
        dst.put_slice(payload);
        dst.put_slice(&Trailer::encode(crc32fast::hash(payload), self.dialect));
    }

    /// Records what has arrived in `src` since [`make_room`](Self::make_room).
    #[inline]
    pub(crate) fn note_read(&mut self, src: &BytesMut) {
        self.window.read(src.len());
    }

    /// Makes room for a read in `src`. No further whole frame may be in `src`.
    pub(crate) fn make_room(&mut self, src: &mut BytesMut) {
        let need = match &self.state {
            State::Head | State::Poisoned(_) => Header::LEN,
            State::Payload { header, .. } => header.len() + Trailer::LEN,
        };
        self.window.open(src, need.saturating_sub(src.len()));
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

    #[inline]
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<BytesMut>, Error> {
        self.note_read(src);
        match self.find_frame(src) {
            Ok(Some(len)) => Ok(Some(take_payload(src, len))),
            Ok(None) => {
                self.make_room(src);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<BytesMut>, Error> {
        if let Some(len) = self.find_frame(src)? {
            return Ok(Some(take_payload(src, len)));
        }
        match self.truncated(src) {
            None => Ok(None),
            Some(error) => Err(self.poison(error, src).into()),
        }
    }
}

impl Encoder<Bytes> for FrameCodec {
    type Error = Error;

    #[inline]
    fn encode(&mut self, payload: Bytes, dst: &mut BytesMut) -> Result<(), Error> {
        put_frame(&self.format, self.dialect, &payload, dst)
    }
}

/// For payloads that are somebody else's: they are copied once, into the frame.
impl Encoder<&[u8]> for FrameCodec {
    type Error = Error;

    #[inline]
    fn encode(&mut self, payload: &[u8], dst: &mut BytesMut) -> Result<(), Error> {
        put_frame(&self.format, self.dialect, payload, dst)
    }
}

/// Returns whether an empty buffer holds more than `len` bytes of memory. Its capacity alone does not
/// tell: it is what is left of a buffer after what was taken off.
pub(crate) fn is_larger_than(buffer: &mut BytesMut, len: usize) -> bool {
    buffer.capacity() > len || buffer.try_reclaim(len + 1)
}

/// Takes a payload of this length and its trailer off the front of `src`.
#[inline(always)]
pub(crate) fn take_payload(src: &mut BytesMut, len: usize) -> BytesMut {
    let mut payload = src.split_to(len + Trailer::LEN);
    payload.truncate(len);
    payload
}

/// Appends a frame to `dst`, or nothing if the payload is too large.
#[inline]
pub(crate) fn put_frame(
    format: &FrameFormat,
    dialect: Dialect,
    payload: &[u8],
    dst: &mut BytesMut,
) -> Result<(), Error> {
    let header = format.header(payload.len())?.encode(dialect);
    let trailer = Trailer::encode(format.checksum(payload), dialect);
    dst.reserve(OVERHEAD + payload.len());
    dst.put_slice(&header);
    dst.put_slice(payload);
    dst.put_slice(&trailer);
    Ok(())
}
