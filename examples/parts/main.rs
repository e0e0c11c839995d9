//! Sends what is larger than memory, as one message in many parts. Each end holds a part or two of it at a
//! time, its length and its CRC-32 are compared, and a receiver that gives up tells the sender.
//!
//! `cargo run --example parts`, or `cargo run --example parts -- 4096` for 4 GiB
//!
//! The allocator of this program refuses to hold more than 1 MiB at once for both ends together. So nothing
//! here holds the message, nor ever more than a few parts of it.

mod failure;
mod message;
mod receive;
mod send;

use std::{
    alloc::System,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use cap::Cap;
use futures::stream;
use npipes::{ConnectOptions, ListenerOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio_util::io::StreamReader;

use crate::{failure::Failure, message::OPTIONS, receive::Received, send::Sent};

const MIB: u64 = 1024 * 1024;
/// What this process may hold at once, in bytes.
const LIMIT: usize = 1024 * 1024;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// In place of a file: the numbers from 0 on.
fn numbers() -> impl AsyncRead + Unpin {
    let block = |n: u64| Ok::<_, io::Error>(Bytes::from(n.to_le_bytes().repeat(512)));
    StreamReader::new(stream::iter((0..).map(block)))
}

/// In place of a disk, with room for so many bytes.
struct Disk {
    room: u64,
}

impl AsyncWrite for Disk {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(match self.room.checked_sub(bytes.len() as u64) {
            Some(room) => {
                self.room = room;
                Ok(bytes.len())
            }
            None => Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full")),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let size = std::env::args().nth(1).map_or(Ok(64), |mib| mib.parse::<u64>())? * MIB;
    ALLOCATOR.set_limit(LIMIT).map_err(|()| "more than the limit is in use already")?;

    let name = format!("npipes-parts-{}", std::process::id());
    let mut listener = ListenerOptions::new().connection(OPTIONS).bind(&name)?;

    let receiver = async {
        let (mut to_sender, mut from_sender) = listener.accept().await?.split();
        for room in [size, size / 4, MIB, MIB] {
            let disk = Disk { room };
            let received = receive::receive(&mut from_sender, &mut to_sender, disk, size).await?;
            match received.ok_or("the sender has left too early")? {
                Received::Kept { length } => println!("receiver: kept {length} bytes"),
                Received::GaveUp { after, why } => {
                    println!("receiver: gave up after {after}: {why}");
                }
                Received::Cut { after } => println!("receiver: cut after {after} bytes"),
            }
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let sender = async {
        let options = ConnectOptions::new().connection(OPTIONS);
        let (mut to_receiver, mut from_receiver) = options.connect(&name).await?.split();
        for (source, length) in [
            (numbers().take(u64::MAX), size),
            // The receiver has no room for it.
            (numbers().take(u64::MAX), size),
            (numbers().take(u64::MAX), MIB),
            // A source that ends too early.
            (numbers().take(1000), MIB),
        ] {
            match send::send(&mut to_receiver, &mut from_receiver, source, length).await {
                Ok(Sent::Kept) => println!("sender:   the receiver has {length} bytes"),
                Ok(Sent::Stopped { after, why }) if after < length => {
                    println!("sender:   stopped before the end: {why}");
                }
                Ok(Sent::Stopped { why, .. }) => println!("sender:   not kept: {why}"),
                Err(e @ Failure::Source { .. }) => println!("sender:   {e}"),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    };
    tokio::try_join!(receiver, sender)?;
    let most = ALLOCATOR.max_allocated() / 1024;
    println!("{most} KiB were held at most, for {} MiB", size / MIB);
    Ok(())
}
