//! The streams of docs/wire-vectors.tsv, which peers in other languages are put through too.

use bytes::{Bytes, BytesMut};
use npipes::{
    Error, FrameCodec,
    frame::{ByteOrder, Dialect, FrameError, FrameFormat, LengthRule},
};
use tokio_util::codec::{Decoder, Encoder};

const VECTORS: &str = include_str!("../../docs/wire-vectors.tsv");

struct Vector<'a> {
    name: &'a str,
    format: FrameFormat,
    stream: Vec<u8>,
    outcome: &'a str,
}

fn vectors() -> impl Iterator<Item = Vector<'static>> {
    VECTORS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let [name, dialect, stream, outcome] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line:?} has not four columns");
        };
        Vector { name, format: format(dialect), stream: bytes(stream), outcome }
    })
}

fn format(dialect: &str) -> FrameFormat {
    let of = |byte_order, length_rule| Dialect { byte_order, length_rule };
    FrameFormat::new().dialect(match dialect {
        "detect" => return FrameFormat::new().detect_dialect(true),
        "documented" => Dialect::DOCUMENTED,
        "npipes-1.0.1" => Dialect::NPIPES_1_0_1,
        "little-after-itself" => of(ByteOrder::Little, LengthRule::AfterItself),
        "big-whole-packet" => of(ByteOrder::Big, LengthRule::WholePacket),
        other => panic!("there is no dialect {other}"),
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    hex.as_bytes().chunks(2).map(digits).collect()
}

/// Says what a codec makes of a stream that arrives in these pieces.
fn outcome<'a>(format: FrameFormat, pieces: impl Iterator<Item = &'a [u8]>) -> String {
    let mut codec = FrameCodec::new(format);
    let mut buffer = BytesMut::new();
    let mut events = Vec::new();
    let mut told = |decoded: Result<Option<BytesMut>, Error>| match decoded {
        Ok(Some(payload)) => {
            events.push(format!("payload:{}", hex(&payload)));
            true
        }
        Err(Error::Frame(e)) if e.is_skippable() => {
            events.push("corrupt".to_owned());
            true
        }
        Err(Error::Frame(FrameError::Truncated { .. })) => {
            events.push("truncated".to_owned());
            false
        }
        Err(Error::Frame(_)) => {
            events.push("refused".to_owned());
            false
        }
        Err(other) => panic!("{other}"),
        Ok(None) => false,
    };
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while told(codec.decode(&mut buffer)) {}
    }
    while told(codec.decode_eof(&mut buffer)) {}
    match events.iter().position(|event| event == "refused" || event == "truncated") {
        Some(last) => events.truncate(last + 1),
        None => events.push("end".to_owned()),
    }
    events.join(" ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_stream_comes_to_what_it_should_in_whatever_pieces_it_arrives() {
    assert!(vectors().count() > 60);
    for Vector { name, format, stream, outcome: expected } in vectors() {
        for cut in 0..=stream.len() {
            let (before, after) = stream.split_at(cut);
            assert_eq!(outcome(format, [before, after].into_iter()), expected, "{name}, cut {cut}");
        }
        assert_eq!(outcome(format, stream.chunks(1)), expected, "{name}, byte by byte");
    }
}

#[test]
fn what_is_sent_is_what_the_vectors_have() {
    let mut compared = 0;
    for Vector { name, format, stream, outcome } in vectors() {
        let Some(payloads) = outcome.strip_suffix("end").filter(|_| !name.contains("without-crc"))
        else {
            continue;
        };
        let payloads: Option<Vec<_>> =
            payloads.split_whitespace().map(|event| event.strip_prefix("payload:")).collect();
        let (Some(payloads), false) = (payloads, name.starts_with("detect")) else { continue };
        let mut sent = BytesMut::new();
        for payload in payloads {
            FrameCodec::new(format).encode(Bytes::from(bytes(payload)), &mut sent).unwrap();
        }
        assert_eq!(hex(&sent), hex(&stream), "{name}");
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}
