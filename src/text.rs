//! Text as payloads: strictly, so that what an encoding cannot express is an error with a place and
//! never a substitute. No byte order mark is written, and one that arrives is a character.

use std::fmt;

use bytes::Bytes;
use thiserror::Error as ThisError;

/// How text becomes a payload and back.
///
/// Both ends have to be told the same: a frame does not say what its payload is.
///
/// # Examples
///
/// ```
/// use npipes::text::TextEncoding;
///
/// assert_eq!(TextEncoding::Utf16Be.encode("Hé")?, &b"\0H\0\xe9"[..]);
/// assert_eq!(TextEncoding::Latin1.decode(b"H\xe9").unwrap(), "Hé");
///
/// let error = TextEncoding::Ascii.encode("Hé").unwrap_err();
/// assert_eq!((error.at, error.character), (1, 'é'));
/// # Ok::<(), npipes::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TextEncoding {
    /// ASCII: the default of `Ipc`, as the Python module sends it.
    Ascii,
    /// UTF-8, which has every character: the default of a [`Connection`](crate::Connection).
    #[default]
    Utf8,
    /// ISO 8859-1: the characters up to U+00FF, one byte each. What the Web calls by this name is
    /// windows-1252, another encoding.
    Latin1,
    /// UTF-16, least significant byte first: what Windows keeps its own texts in.
    Utf16Le,
    /// UTF-16, most significant byte first.
    Utf16Be,
    /// An encoding of the Encoding Standard, as the crate `encoding_rs` has it.
    ///
    /// Some of them are lossy by that standard: Shift_JIS writes `¥` as the byte that it reads as
    /// `\`.
    #[cfg(feature = "encoding_rs")]
    Standard(&'static encoding_rs::Encoding),
}

impl TextEncoding {
    /// Returns the payload that `text` becomes.
    ///
    /// # Errors
    ///
    /// [`TextEncodeError`] names the first character that the encoding lacks, and its place.
    pub fn encode(self, text: &str) -> Result<Bytes, TextEncodeError> {
        let lacks = |(at, character)| TextEncodeError { encoding: self, character, at };
        match self {
            Self::Ascii => match text.char_indices().find(|(_, c)| !c.is_ascii()) {
                None => Ok(Bytes::copy_from_slice(text.as_bytes())),
                Some(place) => Err(lacks(place)),
            },
            Self::Utf8 => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Self::Latin1 => text
                .char_indices()
                .map(|(at, c)| u8::try_from(c).map_err(|_| lacks((at, c))))
                .collect(),
            Self::Utf16Le => Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            Self::Utf16Be => Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            #[cfg(feature = "encoding_rs")]
            Self::Standard(encoding) => match Self::from(encoding) {
                Self::Standard(encoding) => standard::encode(encoding, text).map_err(lacks),
                own => own.encode(text),
            },
        }
    }

    /// Returns the text that `payload` is.
    ///
    /// # Errors
    ///
    /// [`TextDecodeError`] names the first byte that does not belong to such a text.
    pub fn decode(self, payload: &[u8]) -> Result<String, TextDecodeError> {
        let fails = |at| TextDecodeError { encoding: self, at };
        match self {
            Self::Ascii => match payload.iter().position(|byte| !byte.is_ascii()) {
                None => decode_utf8(payload).map_err(fails),
                Some(at) => Err(fails(at)),
            },
            Self::Utf8 => decode_utf8(payload).map_err(fails),
            Self::Latin1 => Ok(payload.iter().copied().map(char::from).collect()),
            Self::Utf16Le => decode_utf16(payload, u16::from_le_bytes).map_err(fails),
            Self::Utf16Be => decode_utf16(payload, u16::from_be_bytes).map_err(fails),
            #[cfg(feature = "encoding_rs")]
            Self::Standard(encoding) => match Self::from(encoding) {
                Self::Standard(encoding) => standard::decode(encoding, payload).map_err(fails),
                own => own.decode(payload),
            },
        }
    }
}

/// The name that texts about encodings use.
impl fmt::Display for TextEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ascii => "ASCII",
            Self::Utf8 => "UTF-8",
            Self::Latin1 => "ISO 8859-1",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
            #[cfg(feature = "encoding_rs")]
            Self::Standard(encoding) => encoding.name(),
        })
    }
}

/// UTF-8 and UTF-16 become this crate's own, since `encoding_rs` writes UTF-8 for UTF-16 too, as the
/// standard asks of forms in Web pages.
#[cfg(feature = "encoding_rs")]
impl From<&'static encoding_rs::Encoding> for TextEncoding {
    fn from(encoding: &'static encoding_rs::Encoding) -> Self {
        match encoding {
            e if e == encoding_rs::UTF_8 => Self::Utf8,
            e if e == encoding_rs::UTF_16LE => Self::Utf16Le,
            e if e == encoding_rs::UTF_16BE => Self::Utf16Be,
            e => Self::Standard(e),
        }
    }
}

fn decode_utf8(payload: &[u8]) -> Result<String, usize> {
    match std::str::from_utf8(payload) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(error.valid_up_to()),
    }
}

fn decode_utf16(payload: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, usize> {
    let pairs = payload.chunks_exact(2);
    let half = pairs.remainder();
    let units = pairs.map(|pair| unit([pair[0], pair[1]]));
    let mut text = String::with_capacity(payload.len() / 2);
    let mut at = 0;
    for character in char::decode_utf16(units) {
        let character = character.map_err(|_| at)?;
        text.push(character);
        at += 2 * character.len_utf16();
    }
    if half.is_empty() { Ok(text) } else { Err(at) }
}

/// A text has a character that its encoding lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("{encoding} has no {character:?}, which is at byte {at} of the text")]
#[non_exhaustive]
pub struct TextEncodeError {
    /// The encoding.
    pub encoding: TextEncoding,
    /// The first character that it lacks.
    pub character: char,
    /// Where that stands in the text, in bytes: `text[at..]` begins with it.
    pub at: usize,
}

/// A payload is not a text in the encoding that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("byte {at} does not belong to a text in {encoding}")]
#[non_exhaustive]
pub struct TextDecodeError {
    /// The encoding.
    pub encoding: TextEncoding,
    /// Where what is not a character begins in the payload, in bytes.
    pub at: usize,
}

#[cfg(feature = "encoding_rs")]
mod standard {
    use bytes::{Bytes, BytesMut};
    use encoding_rs::{DecoderResult, EncoderResult, Encoding};

    /// Room for what is encoded or decoded at a time, in bytes; far more than one character needs.
    const STEP: usize = 1024;

    /// Returns the place of the first character that `encoding` lacks as an error.
    pub(super) fn encode(encoding: &'static Encoding, text: &str) -> Result<Bytes, (usize, char)> {
        // `replacement` stands for encodings that are unsafe to read, and is written as UTF-8.
        if encoding.output_encoding() != encoding {
            return text.char_indices().next().map_or(Ok(Bytes::new()), Err);
        }
        let mut encoder = encoding.new_encoder();
        let mut payload = BytesMut::with_capacity(text.len());
        let mut done = 0;
        loop {
            let mut step = [0; STEP];
            let (result, read, written) =
                encoder.encode_from_utf8_without_replacement(&text[done..], &mut step, true);
            payload.extend_from_slice(&step[..written]);
            done += read;
            match result {
                EncoderResult::InputEmpty => return Ok(payload.freeze()),
                EncoderResult::OutputFull => {}
                // ISO-2022-JP reports its control characters as U+FFFD, so look for oneself.
                EncoderResult::Unmappable(reported) => {
                    return Err(text[..done].char_indices().next_back().unwrap_or((0, reported)));
                }
            }
        }
    }

    /// Returns the place of the first byte that does not belong to the encoding as an error.
    pub(super) fn decode(encoding: &'static Encoding, payload: &[u8]) -> Result<String, usize> {
        let mut decoder = encoding.new_decoder_without_bom_handling();
        let mut text = String::with_capacity(payload.len());
        let mut done = 0;
        loop {
            text.reserve(STEP);
            let (result, read) =
                decoder.decode_to_string_without_replacement(&payload[done..], &mut text, true);
            done += read;
            match result {
                DecoderResult::InputEmpty => return Ok(text),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(bad, after) => {
                    return Err(done.saturating_sub(usize::from(bad) + usize::from(after)));
                }
            }
        }
    }
}
