//! Sends a file as many messages, without holding it as a whole, and compares its checksum at both
//! ends.
//!
//! ```text
//! sender                                   receiver
//! "file <bytes>"                  ────▶
//! the file, in messages           ────▶    writes FILE.part
//!                                 ◀────    "received <bytes> <CRC-32 in hex>", when it is FILE
//! ```

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use bytes::BytesMut;
use npipes::{Connection, ConnectionOptions, DrainOutcome};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
};

use crate::{
    failure::Failure,
    open::Door,
    plan::{Place, TransferPlan},
    progress::Progress,
};

pub(crate) async fn send(place: &Place, path: &Path, plan: &TransferPlan) -> Result<(), Failure> {
    // What is wrong with the file, its receiver need not hear of.
    let about_file = |e: std::io::Error| Failure::of(path.display(), &e);
    let file = File::open(path).await.map_err(about_file)?;
    let bytes = file.metadata().await.map_err(about_file)?.len();
    let mut connection = connection_at(place, plan).await?;
    let sent = send_file(&mut connection, file, bytes, plan).await?;
    let answer = connection.receive().await?;
    let answer = answer.ok_or_else(|| failed("the receiver left and did not say what it has"))?;
    let receipt = receipt(bytes, sent.crc);
    if answer != receipt.as_bytes() {
        let answer = String::from_utf8_lossy(&answer);
        return Err(Failure::Failed(format!("the receiver says {answer:?}, not {receipt:?}")));
    }
    println!(
        "sent {bytes} bytes in {} messages, CRC-32 {:08x}; the receiver has the same",
        sent.messages, sent.crc
    );
    Ok(())
}

struct Sent {
    messages: u64,
    crc: u32,
}

async fn send_file<T: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<T>,
    mut file: File,
    bytes: u64,
    plan: &TransferPlan,
) -> Result<Sent, Failure> {
    let mut progress = Progress::new(bytes, plan.progress);
    let mut hasher = crc32fast::Hasher::new();
    let (mut messages, mut left) = (0, bytes);
    connection.send(format!("file {bytes}")).await?;
    while left > 0 {
        let wanted = u64::try_from(plan.chunk).unwrap_or(u64::MAX).min(left);
        let mut chunk = BytesMut::new();
        let mut source = (&mut file).take(wanted);
        while source.read_buf(&mut chunk).await.map_err(|e| Failure::of("reading", &e))? > 0 {}
        if (chunk.len() as u64) < wanted {
            return Err(failed("the file has become shorter"));
        }
        left -= wanted;
        messages += 1;
        hasher.update(&chunk);
        progress.add(chunk.len());
        // Waits while the receiver is behind, so that one chunk is held and not the file.
        connection.feed(chunk).await?;
    }
    connection.flush().await?;
    progress.finish();
    Ok(Sent { messages, crc: hasher.finalize() })
}

pub(crate) async fn receive(
    place: &Place,
    path: &Path,
    plan: &TransferPlan,
) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::Failed(format!("{} exists already", path.display())));
    }
    let mut connection = connection_at(place, plan).await?;
    let announced = connection.receive().await?.ok_or_else(|| failed("nothing was sent"))?;
    let bytes = announced_bytes(&announced)?;

    let part = part_of(path);
    let about_part = |e: std::io::Error| Failure::of(part.display(), &e);
    let mut file = File::create(&part).await.map_err(about_part)?;
    let mut progress = Progress::new(bytes, plan.progress);
    let mut hasher = crc32fast::Hasher::new();
    let (mut messages, mut have) = (0_u64, 0);
    while have < bytes {
        let Some(chunk) = connection.receive().await? else {
            let part = part.display();
            let text =
                format!("the sender left after {have} of {bytes} bytes, which are in {part}");
            return Err(Failure::Failed(text));
        };
        have += chunk.len() as u64;
        if have > bytes {
            return Err(Failure::Failed(format!("the sender sends more than {bytes} bytes")));
        }
        messages += 1;
        hasher.update(&chunk);
        file.write_all(&chunk).await.map_err(about_part)?;
        progress.add(chunk.len());
    }
    file.flush().await.map_err(about_part)?;
    file.sync_all().await.map_err(about_part)?;
    drop(file);
    tokio::fs::rename(&part, path).await.map_err(about_part)?;
    progress.finish();

    let crc = hasher.finalize();
    connection.send(receipt(bytes, crc)).await?;
    println!("received {bytes} bytes in {messages} messages, CRC-32 {crc:08x}");
    match connection.close().await? {
        DrainOutcome::TimedOut { .. } => Err(failed("the sender does not read what was received")),
        // It has read that, and may have left since.
        _ => Ok(()),
    }
}

async fn connection_at(
    place: &Place,
    plan: &TransferPlan,
) -> Result<Connection<crate::open::Stream>, Failure> {
    Door::at(place, ConnectionOptions::new().format(plan.format))?.open().await
}

fn receipt(bytes: u64, crc: u32) -> String {
    format!("received {bytes} {crc:08x}")
}

fn announced_bytes(message: &[u8]) -> Result<u64, Failure> {
    let text = String::from_utf8_lossy(&message[..message.len().min(64)]);
    let bytes = text.strip_prefix("file ").and_then(|bytes| bytes.parse().ok());
    bytes.ok_or_else(|| Failure::Failed(format!("{text:?} does not announce a file")))
}

fn part_of(path: &Path) -> PathBuf {
    let mut part = OsString::from(path);
    part.push(".part");
    PathBuf::from(part)
}

fn failed(text: &str) -> Failure {
    Failure::Failed(text.to_owned())
}
