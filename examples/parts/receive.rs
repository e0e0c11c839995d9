//! The end that receives.

use npipes::{
    PipeStream,
    connection::{ReceiveHalf, SendHalf},
};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::{failure::Failure, message::Message};

pub(crate) enum Received {
    /// All of it, and it is what was sent.
    Kept { length: u64 },
    /// This end did not want the rest, and has told the sender why.
    GaveUp { after: u64, why: String },
    /// The sender has no more of it.
    Cut { after: u64 },
}

/// Receives what is sent next into `sink`, and holds one part of it. What is in `sink` counts only after
/// [`Received::Kept`]. Returns `None` if the sender has closed.
pub(crate) async fn receive(
    from_sender: &mut ReceiveHalf<PipeStream>,
    to_sender: &mut SendHalf<PipeStream>,
    mut sink: impl AsyncWrite + Unpin,
    longest: u64,
) -> Result<Option<Received>, Failure> {
    let Some(first) = from_sender.receive().await? else { return Ok(None) };
    let Some(Message::Begin { length }) = Message::decode(first) else {
        return Err(Failure::Protocol);
    };
    let mut have = 0;
    let mut crc = crc32fast::Hasher::new();
    let mut why = (length > longest).then(|| format!("more than {longest} bytes are not wanted"));
    while why.is_none() {
        let message = from_sender.receive().await?.ok_or(Failure::Left { have, length })?;
        match Message::decode(message) {
            Some(Message::Part(part)) => {
                crc.update(&part);
                match sink.write_all(&part).await {
                    Ok(()) => have += part.len() as u64,
                    Err(e) => why = Some(e.to_string()),
                }
                if have > length {
                    return Err(Failure::Protocol);
                }
            }
            Some(Message::Cut) => {
                to_sender.send(Message::Stop("it was cut".to_owned()).encode()).await?;
                return Ok(Some(Received::Cut { after: have }));
            }
            Some(Message::End { crc: expected }) => {
                let whole = have == length && crc.finalize() == expected;
                let flushed = sink.flush().await;
                let answer = match flushed {
                    Ok(()) if whole => Message::Kept,
                    Ok(()) => Message::Stop("the length or the CRC-32 is wrong".to_owned()),
                    Err(e) => Message::Stop(e.to_string()),
                };
                let received = match &answer {
                    Message::Stop(why) => Received::GaveUp { after: have, why: why.clone() },
                    _ => Received::Kept { length },
                };
                to_sender.send(answer.encode()).await?;
                return Ok(Some(received));
            }
            _ => return Err(Failure::Protocol),
        }
    }
    let why = why.unwrap_or_default();
    to_sender.send(Message::Stop(why.clone()).encode()).await?;
    // What was on its way when the sender heard of it. Then the connection is as it was before.
    loop {
        let message = from_sender.receive().await?.ok_or(Failure::Left { have, length })?;
        match Message::decode(message) {
            Some(Message::Part(_)) => {}
            Some(Message::Cut | Message::End { .. }) => {
                return Ok(Some(Received::GaveUp { after: have, why }));
            }
            _ => return Err(Failure::Protocol),
        }
    }
}
