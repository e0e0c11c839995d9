//! Takes a stream of bytes apart into frames, and reports what each frame says and what it is.
//!
//! The crate's own codec judges whether eight bytes are a header. A payload is read in pieces and
//! not kept in memory, however long it is.

use std::{fmt, io};

use bytes::BytesMut;
use npipes::{
    Error, FrameCodec,
    frame::{ByteOrder, Dialect, FrameError, FrameFormat},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::codec::Decoder;

const HEADER: usize = 8;
const TRAILER: usize = 4;
/// Bytes of a payload that are kept to be shown.
const HEAD: usize = 4096;
/// Bytes of a payload that are read at once.
const PIECE: usize = 64 * 1024;

/// What the stream has next.
pub(crate) enum Step {
    Frame(Frame),
    /// No frame begins here, or one does and does not end. Nothing after this can be understood.
    Broken(Broken),
    /// The stream ended between two frames.
    End,
}

pub(crate) struct Frame {
    /// Counted from 1.
    pub(crate) number: u64,
    /// Where its header begins in the stream, in bytes.
    pub(crate) offset: u64,
    pub(crate) header: [u8; 8],
    pub(crate) dialect: Dialect,
    /// The length of its payload in bytes.
    pub(crate) len: u64,
    /// The beginning of its payload.
    pub(crate) head: Vec<u8>,
    /// The CRC-32 that it carries.
    pub(crate) carried: u32,
    /// The CRC-32 of its payload.
    pub(crate) actual: u32,
}

/// A stream that is no frame, or ends inside one.
pub(crate) struct Broken {
    /// Where in the stream, in bytes.
    pub(crate) offset: u64,
    /// What stands there: a header, or the beginning of the frame that does not end.
    pub(crate) bytes: Vec<u8>,
    pub(crate) why: Why,
}

/// Why a stream cannot be dissected further.
pub(crate) enum Why {
    Header(FrameError),
    Truncated { have: usize, need: usize },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(error) => error.fmt(f),
            Self::Truncated { have, need } => {
                write!(f, "the stream ended inside a frame: {have} of {need} bytes arrived")
            }
        }
    }
}

pub(crate) struct Dissector<R> {
    source: R,
    format: FrameFormat,
    offset: u64,
    frames: u64,
}

impl<R: AsyncRead + Unpin> Dissector<R> {
    pub(crate) fn new(source: R, format: FrameFormat) -> Self {
        Self { source, format, offset: 0, frames: 0 }
    }

    /// Reads up to the end of the next frame and copies its payload to `payload`.
    pub(crate) async fn next(
        &mut self,
        payload: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<Step> {
        let offset = self.offset;
        let mut header = [0; HEADER];
        let have = self.fill(&mut header).await?;
        if have == 0 {
            return Ok(Step::End);
        }
        let broken = |bytes: Vec<u8>, why| Ok(Step::Broken(Broken { offset, bytes, why }));
        if have < HEADER {
            let why = Why::Truncated { have, need: HEADER };
            return broken(header[..have].to_vec(), why);
        }
        let dialect = match judge(header, self.format) {
            Ok(dialect) => dialect,
            Err(Error::Frame(why)) => return broken(header.to_vec(), Why::Header(why)),
            Err(other) => return Err(other.into()),
        };
        // The first header has told what all must be.
        self.format = self.format.dialect(dialect);

        let len = payload_len(header, dialect);
        let (mut head, mut hasher) = (Vec::new(), crc32fast::Hasher::new());
        let mut piece = vec![0; PIECE.min(len)];
        let mut left = len;
        let truncated = |have: usize, mut bytes: Vec<u8>| {
            bytes.splice(..0, header);
            let need = HEADER + len + TRAILER;
            broken(bytes, Why::Truncated { have: HEADER + have, need })
        };
        while left > 0 {
            let wanted = piece.len().min(left);
            let have = self.fill(&mut piece[..wanted]).await?;
            hasher.update(&piece[..have]);
            payload.write_all(&piece[..have]).await?;
            head.extend_from_slice(&piece[..have.min(HEAD - head.len())]);
            left -= have;
            if have < wanted {
                return truncated(len - left, head);
            }
        }
        payload.flush().await?;
        let mut trailer = [0; TRAILER];
        let have = self.fill(&mut trailer).await?;
        if have < TRAILER {
            return truncated(len + have, head);
        }
        self.frames += 1;
        Ok(Step::Frame(Frame {
            number: self.frames,
            offset,
            header,
            dialect,
            len: len as u64,
            head,
            carried: integer(trailer, dialect),
            actual: hasher.finalize(),
        }))
    }

    /// Reads until `buffer` is full or the stream ends, and returns how much that was.
    async fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut have = 0;
        while have < buffer.len() {
            match self.source.read(&mut buffer[have..]).await? {
                0 => break,
                read => have += read,
            }
        }
        self.offset += have as u64;
        Ok(have)
    }
}

/// Returns the dialect in which this is a header, if it is one that `format` allows.
fn judge(header: [u8; 8], format: FrameFormat) -> Result<Dialect, Error> {
    let mut codec = FrameCodec::new(format);
    codec.decode(&mut BytesMut::from(&header[..]))?;
    Ok(codec.dialect())
}

fn payload_len(header: [u8; 8], dialect: Dialect) -> usize {
    let [.., a, b, c, d] = header;
    integer([a, b, c, d], dialect) as usize
}

fn integer(bytes: [u8; 4], dialect: Dialect) -> u32 {
    match dialect.byte_order {
        ByteOrder::Big => u32::from_be_bytes(bytes),
        ByteOrder::Little => u32::from_le_bytes(bytes),
        _ => u32::from_ne_bytes(bytes),
    }
}
