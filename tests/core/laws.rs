//! The laws of the codec, for any input.

use bytes::{Bytes, BytesMut};
use npipes::{
    Error, FrameCodec,
    frame::{
        ByteOrder, Dialect, FrameError, FrameFormat, LengthRule, ReceiveChecksum, SendChecksum,
    },
};
use proptest::{collection::vec, prelude::*};
use tokio_util::codec::{Decoder, Encoder};

fn any_format() -> impl Strategy<Value = FrameFormat> {
    let order = prop::sample::select(vec![ByteOrder::Little, ByteOrder::Big, ByteOrder::Native]);
    let rule = prop::sample::select(vec![LengthRule::WholePacket, LengthRule::AfterItself]);
    let send = prop::sample::select(vec![SendChecksum::Compute, SendChecksum::Zero]);
    let receive =
        prop::sample::select(vec![ReceiveChecksum::CheckUnlessZero, ReceiveChecksum::Ignore]);
    (order, rule, send, receive, 0..50_000_u32, any::<bool>()).prop_map(
        |(byte_order, length_rule, send, receive, max, detect)| {
            let format = FrameFormat::new()
                .dialect(Dialect { byte_order, length_rule })
                .max_payload(max)
                .send_checksum(send)
                .receive_checksum(receive);
            if detect { format.detect_dialect(true) } else { format }
        },
    )
}

fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let small = vec(any::<u8>(), 0..40);
    let large = (any::<u8>(), 0..40_000_usize).prop_map(|(byte, len)| vec![byte; len]);
    vec(prop_oneof![4 => small, 1 => large], 0..12)
}

/// What a decoder makes of a stream: its frames and skipped errors, then the fatal one if any.
fn decode<'a>(
    format: FrameFormat,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Result<Bytes, FrameError>> {
    let mut codec = FrameCodec::new(format);
    let mut buffer = BytesMut::new();
    let mut outcomes = Vec::new();
    let mut arrived = 0;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        arrived += piece.len();
        loop {
            match codec.decode(&mut buffer) {
                Ok(None) => break,
                Ok(Some(payload)) => outcomes.push(Ok(payload.freeze())),
                Err(Error::Frame(error)) => {
                    outcomes.push(Err(error));
                    if !error.is_skippable() {
                        return outcomes;
                    }
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(buffer.capacity() <= 4 * arrived + 3 * 64 * 1024, "{}", buffer.capacity());
    }
    if let Err(Error::Frame(error)) = codec.decode_eof(&mut buffer) {
        outcomes.push(Err(error));
    }
    outcomes
}

fn pieces<'a>(mut stream: &'a [u8], lens: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for len in lens.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (piece, rest) = stream.split_at((*len).min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        format in any_format(),
        payloads in payloads(),
        lens in vec(1..20_000_usize, 1..6),
    ) {
        let mut codec = FrameCodec::new(format);
        let mut wire = BytesMut::new();
        let mut sent = Vec::new();
        for payload in payloads {
            let before = wire.len();
            let payload = Bytes::from(payload);
            match codec.encode(payload.clone(), &mut wire) {
                Ok(()) => sent.push(Ok(payload)),
                Err(_) => prop_assert_eq!(wire.len(), before),
            }
        }
        prop_assert_eq!(&decode(format, [&wire[..]]), &sent);
        prop_assert_eq!(&decode(format, pieces(&wire, &lens)), &sent);
    }

    #[test]
    fn arbitrary_bytes_mean_the_same_in_any_split(
        format in any_format(),
        stream in vec(any::<u8>(), 0..300),
        lens in vec(1..40_usize, 1..6),
    ) {
        prop_assert_eq!(decode(format, pieces(&stream, &lens)), decode(format, [&stream[..]]));
    }

    #[test]
    fn bytes_with_plausible_headers_mean_the_same_in_any_split(
        format in any_format(),
        frames in vec((0..60_u32, prop::sample::select(vec![8_u32, 12, 13]), vec(any::<u8>(), 0..80)), 1..6),
        lens in vec(1..40_usize, 1..6),
    ) {
        let mut stream = Vec::new();
        for (len, surplus, rest) in frames {
            stream.extend_from_slice(&(len + surplus).to_le_bytes());
            stream.extend_from_slice(&len.to_le_bytes());
            stream.extend_from_slice(&rest);
        }
        prop_assert_eq!(decode(format, pieces(&stream, &lens)), decode(format, [&stream[..]]));
    }

    #[test]
    fn a_flipped_bit_never_gives_a_different_message(
        payload in vec(any::<u8>(), 1..64),
        bit in any::<prop::sample::Index>(),
        receive in prop::sample::select(vec![
            ReceiveChecksum::Require,
            ReceiveChecksum::CheckUnlessZero,
        ]),
    ) {
        let mut wire = BytesMut::new();
        FrameCodec::default().encode(Bytes::from(payload.clone()), &mut wire).unwrap();
        let bit = bit.index(wire.len() * 8);
        wire[bit / 8] ^= 1 << (bit % 8);
        let outcomes = decode(FrameFormat::new().receive_checksum(receive), [&wire[..]]);
        prop_assert_eq!(outcomes.len(), 1);
        if let Ok(received) = &outcomes[0] {
            // Only a CRC-32 that became 0 can pass, and then the payload is what it was.
            prop_assert_eq!(receive, ReceiveChecksum::CheckUnlessZero);
            prop_assert_eq!(&received[..], &payload[..]);
        }
    }

    #[test]
    fn encode_refuses_exactly_what_decode_refuses(max in 0..300_u32, len in 0..300_u32) {
        let format = FrameFormat::new().max_payload(max);
        let payload = vec![1; len as usize];
        let mut wire = BytesMut::new();
        let sent = FrameCodec::new(format).encode(Bytes::from(payload.clone()), &mut wire).is_ok();
        wire.clear();
        FrameCodec::default().encode(Bytes::from(payload), &mut wire).unwrap();
        let received = FrameCodec::new(format).decode(&mut wire).is_ok();
        prop_assert_eq!(sent, received);
        prop_assert_eq!(sent, len <= max);
    }
}
