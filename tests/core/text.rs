//! Text: what an encoding has, what it lacks, and that a message survives either.

use npipes::{
    Connection, ConnectionOptions, Error,
    text::{TextDecodeError, TextEncodeError, TextEncoding},
};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, DuplexStream};

use crate::support::within;

const UNICODE: [TextEncoding; 3] =
    [TextEncoding::Utf8, TextEncoding::Utf16Le, TextEncoding::Utf16Be];

#[track_caller]
fn lacks(encoding: TextEncoding, text: &str, character: char, at: usize) {
    let error = encoding.encode(text).unwrap_err();
    assert!(
        matches!(error, TextEncodeError { encoding: e, character: c, at: a, .. }
            if (e, c, a) == (encoding, character, at)),
        "{error:?}"
    );
    assert!(text[at..].starts_with(character));
}

#[track_caller]
fn is_no_text(encoding: TextEncoding, payload: &[u8], at: usize) {
    let error = encoding.decode(payload).unwrap_err();
    assert!(
        matches!(error, TextDecodeError { encoding: e, at: a, .. } if (e, a) == (encoding, at)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_connection_sends_utf_8_and_one_to_the_python_module_ascii() {
    assert_eq!(TextEncoding::default(), TextEncoding::Utf8);
    let (mut near, mut far) = Connection::pair();
    within(near.send_text("5 €")).await.unwrap();
    assert_eq!(within(far.receive()).await.unwrap().unwrap(), b"5 \xe2\x82\xac"[..]);
    within(far.send_text("5 €")).await.unwrap();
    assert_eq!(within(near.receive_text()).await.unwrap().as_deref(), Some("5 €"));

    let (io, _peer) = tokio::io::duplex(64);
    let mut module = Connection::with_options(io, &ConnectionOptions::NPIPES_1_0_1);
    let error = within(module.send_text("5 €")).await.unwrap_err();
    assert_eq!(error.to_string(), "ASCII has no '€', which is at byte 2 of the text");
}

#[test]
fn ascii_is_strict() {
    let all: String = (0..128_u8).map(char::from).collect();
    assert_eq!(TextEncoding::Ascii.encode(&all).unwrap(), all.as_bytes());
    assert_eq!(TextEncoding::Ascii.decode(all.as_bytes()).unwrap(), all);
    lacks(TextEncoding::Ascii, "naïve", 'ï', 2);
    is_no_text(TextEncoding::Ascii, b"na\xefve", 2);
}

#[test]
fn latin_1_has_the_first_256_characters_and_no_other() {
    let bytes: Vec<u8> = (0..=255).collect();
    let all: String = bytes.iter().copied().map(char::from).collect();
    assert_eq!(TextEncoding::Latin1.encode(&all).unwrap(), bytes);
    assert_eq!(TextEncoding::Latin1.decode(&bytes).unwrap(), all);
    lacks(TextEncoding::Latin1, "für 5 €", '€', 7);
}

#[test]
fn utf_16_has_a_byte_order_and_no_mark() {
    assert_eq!(TextEncoding::Utf16Le.encode("a𝄞").unwrap(), &b"a\0\x34\xd8\x1e\xdd"[..]);
    assert_eq!(TextEncoding::Utf16Be.encode("a𝄞").unwrap(), &b"\0a\xd8\x34\xdd\x1e"[..]);
    assert_eq!(TextEncoding::Utf16Le.decode(b"\xff\xfea\0").unwrap(), "\u{feff}a");
    assert_eq!(TextEncoding::Utf8.decode(b"\xef\xbb\xbfa").unwrap(), "\u{feff}a");
}

#[test]
fn what_is_not_unicode_is_named_by_its_first_byte() {
    is_no_text(TextEncoding::Utf8, b"ab\xc3", 2);
    is_no_text(TextEncoding::Utf8, b"\xed\xa0\x80", 0);
    is_no_text(TextEncoding::Utf16Le, b"a\0b", 2);
    is_no_text(TextEncoding::Utf16Le, b"\x34\xd8\x1e\xdd\x34\xd8a\0", 4);
    is_no_text(TextEncoding::Utf16Be, b"\0a\xdd\x1e\xd8\x34", 2);
    is_no_text(TextEncoding::Utf16Be, b"\xd8\x34\xdd", 0);
}

#[test]
fn failures_say_what_and_where() {
    let error = Error::from(TextEncoding::Ascii.encode("naïve").unwrap_err());
    assert_eq!(error.to_string(), "ASCII has no 'ï', which is at byte 2 of the text");
    assert!(!error.is_closed() && !error.is_retryable());
    let error = TextEncoding::Utf16Le.decode(b"abc").unwrap_err();
    assert_eq!(error.to_string(), "byte 2 does not belong to a text in UTF-16LE");
}

proptest! {
    #[test]
    fn any_text_survives_unicode(text: String) {
        for encoding in UNICODE {
            prop_assert_eq!(encoding.decode(&encoding.encode(&text).unwrap()).unwrap(), &text[..]);
        }
    }

    #[test]
    fn any_bytes_are_a_text_or_fail_at_the_first_that_is_not(payload: Vec<u8>) {
        for encoding in UNICODE.into_iter().chain([TextEncoding::Ascii, TextEncoding::Latin1]) {
            match encoding.decode(&payload) {
                Ok(text) => prop_assert_eq!(encoding.encode(&text).unwrap(), &payload[..]),
                Err(error) => {
                    prop_assert!(error.at < payload.len());
                    prop_assert!(encoding.decode(&payload[..error.at]).is_ok());
                }
            }
        }
    }
}

fn pair(encoding: TextEncoding) -> (Connection<DuplexStream>, Connection<DuplexStream>) {
    let (near, far) = tokio::io::duplex(4096);
    let options = ConnectionOptions::new().text_encoding(encoding);
    (Connection::with_options(near, &options), Connection::with_options(far, &options))
}

#[tokio::test]
async fn a_text_crosses_in_the_encoding_of_the_connection() {
    for encoding in UNICODE.into_iter().chain([TextEncoding::Latin1]) {
        let (mut near, mut far) = pair(encoding);
        within(near.send_text("Grüße")).await.unwrap();
        within(near.send_text("")).await.unwrap();
        drop(near);
        assert_eq!(within(far.receive_text()).await.unwrap().as_deref(), Some("Grüße"));
        assert_eq!(within(far.receive_text()).await.unwrap().as_deref(), Some(""));
        assert_eq!(within(far.receive_text()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_text_crosses_from_half_to_half() {
    let (near, far) = pair(TextEncoding::Utf16Le);
    let ((mut send, send_rest), (far_send, mut receive)) = (near.split(), far.split());
    within(send.send_text("¡Hola!")).await.unwrap();
    assert_eq!(within(receive.receive_text()).await.unwrap().as_deref(), Some("¡Hola!"));
    let (mut near, mut far) = (send.reunite(send_rest), far_send.reunite(receive));
    within(far.send_text("→")).await.unwrap();
    assert_eq!(within(near.receive_text()).await.unwrap().as_deref(), Some("→"));
}

#[tokio::test]
async fn a_text_that_cannot_be_encoded_writes_nothing_and_harms_nothing() {
    let (near, mut far) = tokio::io::duplex(4096);
    let ascii = ConnectionOptions::new().text_encoding(TextEncoding::Ascii);
    let mut near = Connection::with_options(near, &ascii);
    let error = within(near.send_text("5 €")).await.unwrap_err();
    assert!(
        matches!(error, Error::TextEncode(TextEncodeError { character: '€', at: 2, .. })),
        "{error:?}"
    );
    within(near.send_text("5 EUR")).await.unwrap();
    drop(near);
    let mut wire = Vec::new();
    within(far.read_to_end(&mut wire)).await.unwrap();
    assert_eq!(wire.len(), 12 + 5);
    assert_eq!(wire[8..13], b"5 EUR"[..]);
}

#[tokio::test]
async fn a_message_that_is_no_text_is_handed_back_and_the_next_one_follows() {
    let (mut near, mut far) = pair(TextEncoding::Ascii);
    within(near.send(&b"\x01\x02\xff"[..])).await.unwrap();
    within(near.send_text("text")).await.unwrap();
    let error = within(far.receive_text()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a message of 3 bytes is not the text it should be: \
         byte 2 does not belong to a text in ASCII"
    );
    assert!(!error.is_closed() && !error.is_retryable());
    match error {
        Error::TextDecode { payload, source: TextDecodeError { at: 2, .. }, .. } => {
            assert_eq!(payload, &b"\x01\x02\xff"[..]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(within(far.receive_text()).await.unwrap().as_deref(), Some("text"));
}

#[cfg(feature = "encoding_rs")]
mod standard {
    use encoding_rs::*;

    use super::*;

    const LEGACY: [&Encoding; 37] = [
        BIG5,
        EUC_JP,
        EUC_KR,
        GB18030,
        GBK,
        IBM866,
        ISO_2022_JP,
        ISO_8859_10,
        ISO_8859_13,
        ISO_8859_14,
        ISO_8859_15,
        ISO_8859_16,
        ISO_8859_2,
        ISO_8859_3,
        ISO_8859_4,
        ISO_8859_5,
        ISO_8859_6,
        ISO_8859_7,
        ISO_8859_8,
        ISO_8859_8_I,
        KOI8_R,
        KOI8_U,
        MACINTOSH,
        REPLACEMENT,
        SHIFT_JIS,
        WINDOWS_1250,
        WINDOWS_1251,
        WINDOWS_1252,
        WINDOWS_1253,
        WINDOWS_1254,
        WINDOWS_1255,
        WINDOWS_1256,
        WINDOWS_1257,
        WINDOWS_1258,
        WINDOWS_874,
        X_MAC_CYRILLIC,
        X_USER_DEFINED,
    ];

    /// Longer than what is converted at a time.
    fn texts() -> impl Strategy<Value = String> {
        let characters = "[ -~]|[\u{a0}-\u{2ff}]|[А-я]|[ぁ-ヶ一-两가-각]|[\0-\u{10ffff}]";
        (proptest::collection::vec(characters, 0..40), 0..120_usize)
            .prop_map(|(pieces, repeat)| "tame ".repeat(5 * repeat) + &pieces.concat())
    }

    proptest! {
        #[test]
        fn encoding_agrees_with_the_crate_and_names_the_first_character_lacking(text in texts()) {
            for encoding in LEGACY {
                match TextEncoding::from(encoding).encode(&text) {
                    Ok(payload) => {
                        let (expected, _, lossy) = encoding.encode(&text);
                        prop_assert!(!lossy && payload == expected[..], "{}", encoding.name());
                    }
                    Err(error) => {
                        let end = error.at + error.character.len_utf8();
                        prop_assert!(text[error.at..].starts_with(error.character));
                        prop_assert!(TextEncoding::from(encoding).encode(&text[..error.at]).is_ok());
                        prop_assert!(
                            encoding == REPLACEMENT || encoding.encode(&text[..end]).2,
                            "{} has {:?}", encoding.name(), error.character
                        );
                    }
                }
            }
        }

        #[test]
        fn decoding_agrees_with_the_crate_and_names_the_first_byte_that_is_wrong(
            tame in 0..3000_usize, wild: Vec<u8>,
        ) {
            let payload = [&b"x".repeat(tame)[..], &wild].concat();
            for encoding in LEGACY {
                let expected =
                    encoding.decode_without_bom_handling_and_without_replacement(&payload);
                match TextEncoding::from(encoding).decode(&payload) {
                    Ok(text) => prop_assert_eq!(Some(text.into()), expected),
                    Err(error) => {
                        prop_assert_eq!(expected, None, "{}", encoding.name());
                        prop_assert!(error.at < payload.len());
                        let good = TextEncoding::from(encoding).decode(&payload[..error.at]);
                        prop_assert!(good.is_ok(), "{} {:?}", encoding.name(), error);
                    }
                }
            }
        }
    }

    #[test]
    fn unicode_is_this_crates_own_even_when_named_through_the_other() {
        assert_eq!(TextEncoding::from(UTF_8), TextEncoding::Utf8);
        assert_eq!(TextEncoding::from(UTF_16LE), TextEncoding::Utf16Le);
        assert_eq!(TextEncoding::from(UTF_16BE), TextEncoding::Utf16Be);
        let direct = TextEncoding::Standard(UTF_16LE);
        assert_eq!(direct.encode("a").unwrap(), &b"a\0"[..]);
        assert_eq!(direct.decode(b"a\0").unwrap(), "a");
    }

    #[test]
    fn a_place_is_counted_in_bytes_from_the_beginning() {
        let text = "ü".repeat(3000) + "→";
        lacks(TextEncoding::from(WINDOWS_1252), &text, '→', 6000);
        let payload = [&b"x".repeat(3000)[..], b"\x81"].concat();
        is_no_text(TextEncoding::from(SHIFT_JIS), &payload, 3000);
        lacks(TextEncoding::from(ISO_2022_JP), "あ\u{1b}", '\u{1b}', 3);
        lacks(TextEncoding::from(REPLACEMENT), "x", 'x', 0);
        is_no_text(TextEncoding::from(REPLACEMENT), b"x", 0);
    }
}
