//! Do not change these tests. They freeze the bytes on the wire, which peers of other versions and
//! in other languages rely on: if one fails, the code is wrong.
//!
//! The first four were made with the Python module's own `Message` class.

use bytes::{Bytes, BytesMut};
use npipes::{
    FrameCodec,
    frame::{ByteOrder, Dialect, FrameFormat, LengthRule, SendChecksum},
};
use tokio_util::codec::{Decoder, Encoder};

const HELLO: &[u8] = b"Hello";

const LITTLE_AFTER_ITSELF: Dialect =
    Dialect { byte_order: ByteOrder::Little, length_rule: LengthRule::AfterItself };

const BIG_WHOLE_PACKET: Dialect =
    Dialect { byte_order: ByteOrder::Big, length_rule: LengthRule::WholePacket };

#[track_caller]
fn stands_for(frame: &str, payload: &'static [u8], format: FrameFormat) {
    let frame: Vec<u8> = frame
        .split_whitespace()
        .flat_map(|field| field.as_bytes().chunks(2))
        .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
        .collect();

    let mut encoded = BytesMut::new();
    FrameCodec::new(format).encode(Bytes::from_static(payload), &mut encoded).unwrap();
    assert_eq!(encoded, frame);

    let mut wire = BytesMut::from(&frame[..]);
    let decoded = FrameCodec::new(format).decode(&mut wire).unwrap().unwrap();
    assert_eq!((&decoded[..], wire.len()), (payload, 0));

    let mut wire = BytesMut::from(&frame[..]);
    let mut detecting = FrameCodec::new(FrameFormat::new().detect_dialect(true));
    assert_eq!(detecting.decode(&mut wire).unwrap().unwrap(), payload);
    assert_eq!(detecting.dialect(), FrameCodec::new(format).dialect());
}

const fn speaking(dialect: Dialect) -> FrameFormat {
    FrameFormat::new().dialect(dialect)
}

#[test]
fn big_after_itself_with_crc() {
    stands_for("0000000d 00000005 48656c6c6f f7d18982", HELLO, speaking(Dialect::NPIPES_1_0_1));
}

#[test]
fn big_after_itself_without_crc() {
    let format = speaking(Dialect::NPIPES_1_0_1).send_checksum(SendChecksum::Zero);
    stands_for("0000000d 00000005 48656c6c6f 00000000", HELLO, format);
}

#[test]
fn big_after_itself_empty() {
    stands_for("00000008 00000000 00000000", b"", speaking(Dialect::NPIPES_1_0_1));
}

#[test]
fn little_after_itself_with_crc() {
    stands_for("0d000000 05000000 48656c6c6f 8289d1f7", HELLO, speaking(LITTLE_AFTER_ITSELF));
}

#[test]
fn little_whole_packet_with_crc() {
    stands_for("11000000 05000000 48656c6c6f 8289d1f7", HELLO, speaking(Dialect::DOCUMENTED));
}

#[test]
fn big_whole_packet_with_crc() {
    stands_for("00000011 00000005 48656c6c6f f7d18982", HELLO, speaking(BIG_WHOLE_PACKET));
}

#[test]
fn the_default_is_the_documented_dialect_with_crc() {
    assert_eq!(FrameFormat::default(), speaking(Dialect::DOCUMENTED));
    stands_for("11000000 05000000 48656c6c6f 8289d1f7", HELLO, FrameFormat::default());
}

#[test]
fn the_crc_is_crc_32_iso_hdlc() {
    let mut frame = BytesMut::new();
    FrameCodec::default().encode(Bytes::from_static(b"123456789"), &mut frame).unwrap();
    assert_eq!(frame[17..], 0xcbf4_3926_u32.to_le_bytes());
}
