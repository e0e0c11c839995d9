//! Text as payloads. The conversion is strict: if an encoding cannot express a text, the error
//! names the place, and nothing is substituted. No byte order mark is written. A byte order mark
//! that arrives is a character.

use std::fmt;

use bytes::Bytes;
use thiserror::Error as ThisError;

/// How text becomes a payload and back.
///
/// Both ends have to be set to the same encoding: a frame does not say what its payload is.
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
    /// ASCII. It is the default of `Ipc`, since the Python module sends it.
    Ascii,
    /// UTF-8, which has every character. It is the default of a [`Connection`](crate::Connection).
    #[default]
    Utf8,
    /// ISO 8859-1: the characters up to U+00FF, one byte each. On the Web this name means
    /// windows-1252, which is another encoding.
    Latin1,
    /// UTF-16, least significant byte first. Windows keeps its own texts in it.
    Utf16Le,
    /// UTF-16, most significant byte first.
    Utf16Be,
    /// An encoding of the Encoding Standard, from the crate `encoding_rs`.
    ///
    /// Some of these encodings are lossy in the standard: Shift_JIS writes `¥` as the byte that it
    /// reads as `\`.
    #[cfg(feature = "encoding_rs")]
    Standard(&'static encoding_rs::Encoding),
}

impl TextEncoding {
    /// Returns the payload for `text`.
    ///
    /// # Errors
    ///
    /// [`TextEncodeError`] names the first character that the encoding does not have, and its
    /// place.
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

    /// Returns the text of `payload`.
    ///
    /// # Errors
    ///
    /// [`TextDecodeError`] names the first byte that does not belong to a text in this encoding.
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

/// The name of the encoding in error texts.
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

/// UTF-8 and UTF-16 become this crate's own variants, since `encoding_rs` writes UTF-8 for UTF-16
/// too, as the standard requires for forms in Web pages.
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

/// A text has a character that its encoding does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("{encoding} has no {character:?}, which is at byte {at} of the text")]
#[non_exhaustive]
pub struct TextEncodeError {
    /// The encoding.
    pub encoding: TextEncoding,
    /// The first character that the encoding does not have.
    pub character: char,
    /// The place of the character in the text, in bytes: `text[at..]` begins with it.
    pub at: usize,
}

/// A payload is not a text in the encoding that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("byte {at} does not belong to a text in {encoding}")]
#[non_exhaustive]
pub struct TextDecodeError {
    /// The encoding.
    pub encoding: TextEncoding,
    /// The place in the payload, in bytes, at which the bytes are not a character.
    pub at: usize,
}

#[cfg(feature = "encoding_rs")]
mod standard {
    use bytes::{Bytes, BytesMut};
    use encoding_rs::{DecoderResult, EncoderResult, Encoding};

    /// How many bytes are encoded or decoded at a time. This is far more than one character needs.
    const STEP: usize = 1024;

    /// Returns the payload. The error is the place of the first character that `encoding` does not
    /// have.
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
                // ISO-2022-JP reports its control characters as U+FFFD, so this code looks for the
                // character itself.
                EncoderResult::Unmappable(reported) => {
                    return Err(text[..done].char_indices().next_back().unwrap_or((0, reported)));
                }
            }
        }
    }

    /// Returns the text. The error is the place of the first byte that does not belong to the
    /// encoding.
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
