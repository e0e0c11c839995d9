//! What bad input gets.

use bytes::{BufMut, Bytes, BytesMut};
use npipes::{
    Error, FrameCodec,
    frame::{Dialect, FrameError, FrameFormat, ReceiveChecksum, SendChecksum},
};
use tokio_util::codec::{Decoder, Encoder};

const MAX: u32 = FrameFormat::DEFAULT_MAX_PAYLOAD;

fn frame(payload: &'static [u8]) -> BytesMut {
    let mut wire = BytesMut::new();
    FrameCodec::default().encode(Bytes::from_static(payload), &mut wire).unwrap();
    wire
}

fn header(message_len: u32, data_len: u32) -> BytesMut {
    let mut wire = BytesMut::new();
    wire.put_u32_le(message_len);
    wire.put_u32_le(data_len);
    wire
}

#[track_caller]
fn frame_error(result: Result<Option<BytesMut>, Error>) -> FrameError {
    match result {
        Err(Error::Frame(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn contradicting_lengths_are_fatal_and_nothing_further_is_decoded() {
    let mut codec = FrameCodec::default();
    let mut wire = header(99, 5);
    let error = frame_error(codec.decode(&mut wire));
    assert!(
        matches!(
            error,
            FrameError::LengthMismatch { message_len: 99, data_len: 5, expected, fits: None, .. }
                if expected == Dialect::DOCUMENTED
        ),
        "{error:?}"
    );
    for _ in 0..3 {
        wire.extend_from_slice(&frame(b"Hello"));
        assert_eq!(frame_error(codec.decode(&mut wire)), error);
    }
    assert_eq!(frame_error(codec.decode_eof(&mut wire)), error);
}

#[test]
fn an_announcement_gets_the_room_of_its_frame_and_no_more_than_frames_before_it_had() {
    for (announced, room) in [(100_000, 10_012), (3000, 3004)] {
        let mut codec = FrameCodec::default();
        let mut wire = frame(&[7; 10_000]);
        let rest = wire.split_off(100);
        assert_eq!(codec.decode(&mut wire).unwrap(), None);
        wire.extend_from_slice(&rest);
        assert_eq!(codec.decode(&mut wire).unwrap().unwrap().len(), 10_000);

        let mut wire = header(announced + 12, announced);
        assert_eq!(codec.decode(&mut wire).unwrap(), None);
        assert!((room - room / 8..room + 1024).contains(&wire.capacity()), "{}", wire.capacity());
    }
}

#[test]
fn the_default_limits_are_16_mib_for_a_payload_and_4_for_a_write() {
    assert_eq!(FrameFormat::DEFAULT_MAX_PAYLOAD, 16 << 20);
    assert_eq!(FrameFormat::DEFAULT_MAX_PER_WRITE, 4 << 20);
}

#[test]
fn a_codec_says_what_it_was_set_to_and_what_it_detected() {
    let format = FrameFormat::NPIPES_1_0_1.detect_dialect(true);
    let mut codec = FrameCodec::new(format);
    assert_eq!((*codec.format(), codec.dialect()), (format, Dialect::NPIPES_1_0_1));
    codec.decode(&mut frame(b"Hello")).unwrap().unwrap();
    assert_eq!((*codec.format(), codec.dialect()), (format, Dialect::DOCUMENTED));
}

#[test]
fn a_header_of_another_dialect_is_named() {
    let mut wire = BytesMut::new();
    let mut peer = FrameCodec::new(FrameFormat::new().dialect(Dialect::NPIPES_1_0_1));
    peer.encode(Bytes::from_static(b"Hello"), &mut wire).unwrap();
    match frame_error(FrameCodec::default().decode(&mut wire)) {
        FrameError::LengthMismatch { fits, .. } => assert_eq!(fits, Some(Dialect::NPIPES_1_0_1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_payload_announced_over_the_maximum_is_fatal_and_nothing_is_reserved() {
    let mut codec = FrameCodec::default();
    let mut wire = header(MAX + 1 + 12, MAX + 1);
    let error = frame_error(codec.decode(&mut wire));
    assert!(
        matches!(error, FrameError::TooLarge { len, max: MAX, .. } if len == MAX + 1),
        "{error:?}"
    );
    assert!(wire.capacity() < 64, "{}", wire.capacity());
    wire.extend_from_slice(&frame(b"Hello"));
    assert_eq!(frame_error(codec.decode(&mut wire)), error);
}

#[test]
fn a_payload_sent_over_the_maximum_writes_nothing_and_leaves_the_codec_usable() {
    let mut codec = FrameCodec::new(FrameFormat::new().max_payload(4));
    let mut wire = BytesMut::new();
    match codec.encode(Bytes::from_static(b"Hello"), &mut wire) {
        Err(Error::TooLarge { len: 5, max: 4, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(wire.is_empty());
    codec.encode(Bytes::from_static(b"Hell"), &mut wire).unwrap();
    assert_eq!(codec.decode(&mut wire).unwrap().unwrap(), b"Hell"[..]);
}

#[test]
fn a_wrong_crc_skips_that_frame_alone() {
    let mut codec = FrameCodec::default();
    let mut wire = frame(b"Hello");
    wire[8] ^= 1;
    wire.extend_from_slice(&frame(b"World"));
    match frame_error(codec.decode(&mut wire)) {
        FrameError::Checksum { expected: 0xf7d1_8982, actual, .. } => {
            assert_eq!(actual, crc32fast::hash(b"Iello"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(codec.decode(&mut wire).unwrap().unwrap(), b"World"[..]);
}

#[test]
fn a_crc_of_zero_is_taken_for_none_unless_one_is_required() {
    let mut sender = FrameCodec::new(FrameFormat::new().send_checksum(SendChecksum::Zero));
    let receive = |policy| {
        let mut wire = BytesMut::new();
        sender.clone().encode(Bytes::from_static(b"Hello"), &mut wire).unwrap();
        FrameCodec::new(FrameFormat::new().receive_checksum(policy)).decode(&mut wire)
    };
    assert!(receive(ReceiveChecksum::CheckUnlessZero).unwrap().is_some());
    assert!(receive(ReceiveChecksum::Ignore).unwrap().is_some());
    assert!(matches!(
        frame_error(receive(ReceiveChecksum::Require)),
        FrameError::ChecksumMissing { actual: 0xf7d1_8982, .. }
    ));
    // An empty payload's CRC-32 is 0.
    let mut wire = BytesMut::new();
    sender.encode(Bytes::new(), &mut wire).unwrap();
    let mut strict = FrameCodec::new(FrameFormat::new().receive_checksum(ReceiveChecksum::Require));
    assert!(strict.decode(&mut wire).unwrap().is_some());
}

#[test]
fn a_wrong_crc_is_not_looked_at_when_told_to_ignore_it() {
    let mut wire = frame(b"Hello");
    wire[8] ^= 1;
    let mut codec = FrameCodec::new(FrameFormat::new().receive_checksum(ReceiveChecksum::Ignore));
    assert_eq!(codec.decode(&mut wire).unwrap().unwrap(), b"Iello"[..]);
}

#[test]
fn the_end_of_the_stream_is_clean_only_between_frames() {
    let whole = frame(b"Hello");
    for cut in 0..=whole.len() {
        let mut codec = FrameCodec::default();
        let mut wire = BytesMut::from(&whole[..cut]);
        let decoded = codec.decode(&mut wire).unwrap();
        let end = codec.decode_eof(&mut wire);
        match cut {
            0 => assert!(decoded.is_none() && end.unwrap().is_none()),
            17 => assert!(decoded.is_some() && end.unwrap().is_none()),
            _ => {
                let FrameError::Truncated { have, need, .. } = frame_error(end) else {
                    panic!("cut after {cut} bytes");
                };
                assert_eq!((have, need), (cut, if cut < 8 { 8 } else { 17 }));
            }
        }
    }
}

#[test]
fn a_peer_that_announces_much_and_sends_little_costs_a_few_kib() {
    let mut codec = FrameCodec::default();
    let mut buffer = BytesMut::new();
    let mut wire = header(MAX + 12, MAX);
    wire.extend_from_slice(&[7; 10]);
    for byte in wire {
        buffer.extend_from_slice(&[byte]);
        assert!(codec.decode(&mut buffer).unwrap().is_none());
        assert!(buffer.capacity() <= 9 * 1024, "{}", buffer.capacity());
    }
}

#[test]
fn a_message_length_of_four_gigabytes_is_refused_without_overflow() {
    for data_len in [u32::MAX, u32::MAX - 8, u32::MAX - 12] {
        let mut codec = FrameCodec::new(FrameFormat::new().max_payload(u32::MAX));
        let result = codec.decode(&mut header(data_len.wrapping_add(12), data_len));
        match data_len {
            0xffff_fff3 => assert!(result.unwrap().is_none()),
            _ => assert!(matches!(frame_error(result), FrameError::LengthMismatch { .. })),
        }
    }
}

#[test]
fn a_detected_dialect_is_answered_in_and_kept() {
    let mut codec = FrameCodec::new(FrameFormat::new().detect_dialect(true));
    assert_eq!(codec.dialect(), Dialect::DOCUMENTED);
    let mut peer = FrameCodec::new(FrameFormat::new().dialect(Dialect::NPIPES_1_0_1));
    let mut wire = BytesMut::new();
    peer.encode(Bytes::from_static(b"Hello"), &mut wire).unwrap();
    codec.decode(&mut wire).unwrap().unwrap();
    codec.encode(Bytes::from_static(b"World"), &mut wire).unwrap();
    assert_eq!(peer.decode(&mut wire).unwrap().unwrap(), b"World"[..]);

    let mut other = frame(b"Hello");
    assert!(matches!(frame_error(codec.decode(&mut other)), FrameError::LengthMismatch { .. }));
}

#[test]
fn a_first_header_in_no_dialect_is_refused_by_a_detecting_codec() {
    let mut codec = FrameCodec::new(FrameFormat::new().detect_dialect(true));
    let error = frame_error(codec.decode(&mut BytesMut::from(&b"GET / HTTP/1.1\r\n"[..])));
    assert!(matches!(error, FrameError::NoDialect { header, .. } if header == *b"GET / HT"));
    assert_eq!(
        error.to_string(),
        "the stream begins with [47, 45, 54, 20, 2f, 20, 48, 54], which is a header in no dialect"
    );
}
