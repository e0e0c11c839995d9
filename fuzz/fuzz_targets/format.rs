//! A frame format drawn by the fuzzer. Each target uses a part of it.
#![allow(dead_code)]

use arbitrary::Arbitrary;
use npipes::frame::{ByteOrder, Dialect, FrameFormat, LengthRule, ReceiveChecksum, SendChecksum};

#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct AnyFormat {
    order: AnyOrder,
    whole_packet: bool,
    pub detect: bool,
    pub max_payload: u16,
    pub computes: bool,
    pub receive: AnyReceive,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum AnyOrder {
    Little,
    Big,
    Native,
}

#[derive(Debug, Clone, Copy, PartialEq, Arbitrary)]
pub enum AnyReceive {
    Require,
    CheckUnlessZero,
    Ignore,
}

impl AnyFormat {
    pub fn build(&self) -> FrameFormat {
        let byte_order = match self.order {
            AnyOrder::Little => ByteOrder::Little,
            AnyOrder::Big => ByteOrder::Big,
            AnyOrder::Native => ByteOrder::Native,
        };
        let length_rule = match self.whole_packet {
            true => LengthRule::WholePacket,
            false => LengthRule::AfterItself,
        };
        let format = FrameFormat::new()
            .dialect(Dialect { byte_order, length_rule })
            .max_payload(u32::from(self.max_payload))
            .send_checksum(match self.computes {
                true => SendChecksum::Compute,
                false => SendChecksum::Zero,
            })
            .receive_checksum(match self.receive {
                AnyReceive::Require => ReceiveChecksum::Require,
                AnyReceive::CheckUnlessZero => ReceiveChecksum::CheckUnlessZero,
                AnyReceive::Ignore => ReceiveChecksum::Ignore,
            });
        format.detect_dialect(self.detect)
    }
}
