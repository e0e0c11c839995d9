//! The end that sends.

use std::io;

use bytes::{Bytes, BytesMut};
use npipes::{
    PipeStream,
    connection::{ReceiveHalf, SendHalf},
};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    failure::Failure,
    message::{LONGEST_PART, Message},
};

pub(crate) enum Sent {
    /// The receiver has all of it.
    Kept,
    /// The receiver does not want the rest.
    Stopped { after: u64, why: String },
}

/// Sends `length` bytes of `source`. A receiver that is slow holds it up, so no more than a part or two is
/// held here. Give it a time limit from outside, `tokio::time::timeout`, if the receiver may hang.
pub(crate) async fn send(
    to_receiver: &mut SendHalf<PipeStream>,
    from_receiver: &mut ReceiveHalf<PipeStream>,
    mut source: impl AsyncRead + Unpin,
    length: u64,
) -> Result<Sent, Failure> {
    to_receiver.send(Message::Begin { length }.encode()).await?;
    let mut crc = crc32fast::Hasher::new();
    let mut have = 0;
    while have < length {
        let part = match read_part(&mut source, length - have).await {
            Ok(part) => part,
            Err(source) => {
                to_receiver.send(Message::Cut.encode()).await?;
                verdict(from_receiver, have, length).await?;
                return Err(Failure::Source { have, length, source });
            }
        };
        let bytes = part.len() as u64 - 1;
        crc.update(&part[1..]);
        tokio::select! {
            // If the send is dropped, its part may arrive or not: the receiver discards it.
            sent = verdict(from_receiver, have, length) => {
                to_receiver.send(Message::Cut.encode()).await?;
                return sent;
            }
            sent = to_receiver.send(part) => sent?,
        }
        have += bytes;
    }
    to_receiver.send(Message::End { crc: crc.finalize() }.encode()).await?;
    verdict(from_receiver, have, length).await
}

async fn verdict(
    from_receiver: &mut ReceiveHalf<PipeStream>,
    have: u64,
    length: u64,
) -> Result<Sent, Failure> {
    let word = from_receiver.receive().await?.ok_or(Failure::Left { have, length })?;
    match Message::decode(word) {
        Some(Message::Kept) if have == length => Ok(Sent::Kept),
        Some(Message::Stop(why)) => Ok(Sent::Stopped { after: have, why }),
        _ => Err(Failure::Protocol),
    }
}

/// Reads a whole part, or the rest if that is shorter.
async fn read_part(mut source: impl AsyncRead + Unpin, rest: u64) -> io::Result<Bytes> {
    let wanted = rest.min(LONGEST_PART.into());
    let mut part: BytesMut = Message::part();
    let mut limited = (&mut source).take(wanted);
    while limited.read_buf(&mut part).await? > 0 {}
    match limited.limit() {
        0 => Ok(part.freeze()),
        _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is shorter than was announced")),
    }
}
