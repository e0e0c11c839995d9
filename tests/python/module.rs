//! The Python module npipes 1.0.1 itself as the judge of what it writes and reads.
//! `tests/interop/fetch module` obtains it.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
    thread,
};

use bytes::{Bytes, BytesMut};
use npipes::{
    FrameCodec,
    frame::{ByteOrder, Dialect, FrameFormat, LengthRule, ReceiveChecksum, SendChecksum},
    text::TextEncoding,
};
use tokio_util::codec::{Decoder, Encoder};

use crate::{skip, support::pattern};

const COUNT: usize = 1000;

/// Byte orders as the module names them, and the module's two calls.
const WAYS: [&str; 6] = ["big", "little", "native", "network", "ipc", "ipc-crc"];

const ENCODINGS: [(&str, TextEncoding); 5] = [
    ("ascii", TextEncoding::Ascii),
    ("latin-1", TextEncoding::Latin1),
    ("utf-8", TextEncoding::Utf8),
    ("utf-16-le", TextEncoding::Utf16Le),
    ("utf-16-be", TextEncoding::Utf16Be),
];

/// Runs `golden.py` and returns the lines that it prints, or `None` if it can't be had, which is
/// said for `test`.
fn golden(test: &str, arguments: &[&str], input: &str) -> Option<Vec<String>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/golden.py");
    let Ok(mut python) = Command::new("python3")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    else {
        skip(test, "there is no python3");
        return None;
    };
    let mut stdin = python.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        // It may end without reading, which the exit code tells.
        scope.spawn(move || stdin.write_all(input.as_bytes()));
        python.wait_with_output().unwrap()
    });
    match output.status.code() {
        Some(69) => {
            skip(test, "the module is not there: run tests/interop/fetch module");
            None
        }
        Some(0) => {
            Some(String::from_utf8(output.stdout).unwrap().lines().map(Into::into).collect())
        }
        other => panic!("{script} {arguments:?} ended with {other:?}"),
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = if text == "-" { "" } else { text };
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encoding_named(name: &str) -> TextEncoding {
    ENCODINGS.into_iter().find(|&(other, _)| other == name).unwrap().1
}

/// What is spoken in one of the [`WAYS`].
fn format_of(way: &str) -> FrameFormat {
    let byte_order = match way {
        "little" => ByteOrder::Little,
        "native" => ByteOrder::Native,
        _ => ByteOrder::Big,
    };
    FrameFormat::NPIPES_1_0_1.dialect(Dialect { byte_order, length_rule: LengthRule::AfterItself })
}

#[test]
fn what_the_module_writes_is_read_and_written_alike() {
    const TEST: &str = "what_the_module_writes_is_read_and_written_alike";
    let Some(lines) = golden(TEST, &["build", &COUNT.to_string(), "1001"], "") else {
        return;
    };
    assert_eq!(lines.len(), COUNT);
    let mut seen = BTreeMap::new();
    for line in &lines {
        let fields: Vec<&str> = line.split(' ').collect();
        let [way, encoding, crc, text, frame] = fields[..] else { panic!("{line}") };
        *seen.entry((way, encoding)).or_insert(0) += 1;
        let (encoding, frame) = (encoding_named(encoding), from_hex(frame));
        let text = String::from_utf8(from_hex(text)).unwrap();

        let (send, receive) = match crc {
            "00000000" => (SendChecksum::Zero, ReceiveChecksum::CheckUnlessZero),
            _ => (SendChecksum::Compute, ReceiveChecksum::Require),
        };
        let format = format_of(way).send_checksum(send).receive_checksum(receive);
        for format in [format, format.detect_dialect(true)] {
            let mut wire = BytesMut::from(&frame[..]);
            let payload = FrameCodec::new(format).decode(&mut wire).unwrap().expect(line);
            assert_eq!(encoding.decode(&payload).unwrap(), text, "{line}");
            assert!(wire.is_empty(), "{line}");
        }

        let mut written = BytesMut::new();
        let payload = encoding.encode(&text).unwrap();
        FrameCodec::new(format).encode(payload, &mut written).unwrap();
        assert_eq!(written, frame, "{line}");
    }
    // Four byte orders with five encodings each, and the two calls, which are ASCII.
    assert_eq!(seen.len(), 4 * ENCODINGS.len() + 2, "{seen:?}");
}

#[test]
fn what_is_written_the_module_reads() {
    const TEST: &str = "what_is_written_the_module_reads";
    let mut input = String::new();
    let mut expected = Vec::new();
    for n in 0..COUNT {
        let way = WAYS[n % WAYS.len()];
        let (name, encoding) = match way {
            "ipc" | "ipc-crc" => ENCODINGS[0],
            _ => ENCODINGS[n / WAYS.len() % ENCODINGS.len()],
        };
        let text = random_text(n as u64, encoding);
        let payload = encoding.encode(&text).unwrap();
        let crc = if n % 2 == 0 || way == "ipc-crc" { crc32fast::hash(&payload) } else { 0 };
        let send = if crc == 0 { SendChecksum::Zero } else { SendChecksum::Compute };
        let mut frame = BytesMut::new();
        let mut codec = FrameCodec::new(format_of(way).send_checksum(send));
        codec.encode(payload, &mut frame).unwrap();

        input += &format!("{way} {name} {}\n", to_hex(&frame));
        let told = if way.starts_with("ipc") { "-".to_owned() } else { format!("{crc:08x}") };
        expected.push(format!("ok {told} {}", to_hex(text.as_bytes())));
    }
    if let Some(lines) = golden(TEST, &["read"], &input) {
        assert_eq!(lines, expected);
    }
}

/// The largest payload, and one byte more written past the limit that the preset sets.
#[test]
fn the_module_reads_exactly_what_the_preset_lets_out() {
    const TEST: &str = "the_module_reads_exactly_what_the_preset_lets_out";
    let text = "x".repeat(65_525);
    let frame = |len: usize, format: FrameFormat| {
        let mut frame = BytesMut::new();
        let payload = Bytes::copy_from_slice(&text.as_bytes()[..len]);
        FrameCodec::new(format).encode(payload, &mut frame).map(|()| to_hex(&frame))
    };
    let largest = frame(65_524, FrameFormat::NPIPES_1_0_1).unwrap();
    let refused = frame(65_525, FrameFormat::NPIPES_1_0_1).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a payload of 65525 bytes is too large to send, 65524 are allowed"
    );
    let beyond = frame(65_525, FrameFormat::NPIPES_1_0_1.max_send(u32::MAX)).unwrap();
    let input = format!("ipc-crc ascii {largest}\nipc-crc ascii {beyond}\n");
    if let Some(lines) = golden(TEST, &["read"], &input) {
        assert_eq!(lines[0], format!("ok - {}", to_hex(&text.as_bytes()[..65_524])));
        assert!(lines[1].starts_with("error "), "{}", lines[1]);
    }
}

/// Draws a text of up to 300 characters that the encoding has, each length of UTF-8 as likely.
fn random_text(seed: u64, encoding: TextEncoding) -> String {
    let bytes = pattern(1200, seed + 1);
    let highest = match encoding {
        TextEncoding::Ascii => 0x7f,
        TextEncoding::Latin1 => 0xff,
        _ => 0x10_ffff,
    };
    let len = usize::from(bytes[0]) + usize::from(bytes[1] % 45);
    bytes
        .chunks_exact(4)
        .take(len)
        .filter_map(|chunk| {
            let bits = [7, 11, 16, 21][usize::from(chunk[0] % 4)];
            let code = u32::from_le_bytes([chunk[1], chunk[2], chunk[3], 0]) & ((1 << bits) - 1);
            char::from_u32(code % (highest + 1))
        })
        .collect()
}
