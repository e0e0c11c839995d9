//! What no side with frames and a CRC-32 for each message can be faster than: Tokio's handle, frames
//! laid out beforehand, written 128 KiB at a time, and at both ends nothing but the CRC of each payload;
//! at the reader also the comparison.

use std::hint::black_box;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    bare::{ClientEnd, ServerEnd},
    workload::{Messages, PIECE, Work},
};

const HEADER: usize = 8;
const OVERHEAD: usize = 12;

/// The frames of one write; each write is the same.
struct Batch {
    wire: Vec<u8>,
    frame: usize,
    frames: usize,
}

impl Batch {
    fn new(work: Work, messages: &Messages) -> Self {
        let frames = 2 * PIECE / (work.len + OVERHEAD);
        let mut wire = Vec::new();
        for payload in (0..frames).map(|index| messages.get(index)) {
            wire.extend_from_slice(&((work.len + OVERHEAD) as u32).to_le_bytes());
            wire.extend_from_slice(&(work.len as u32).to_le_bytes());
            wire.extend_from_slice(&payload);
            wire.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
        }
        Self { wire, frame: work.len + OVERHEAD, frames }
    }

    fn payload<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        &frame[HEADER..self.frame - (OVERHEAD - HEADER)]
    }
}

pub(crate) async fn drive(mut stream: ClientEnd, work: Work, messages: Messages) {
    let batch = Batch::new(work, &messages);
    let mut left = work.count;
    while left > 0 {
        let frames = batch.frames.min(left);
        let piece = &batch.wire[..frames * batch.frame];
        for frame in piece.chunks_exact(batch.frame) {
            black_box(crc32fast::hash(black_box(batch.payload(frame))));
        }
        stream.write_all(piece).await.unwrap();
        left -= frames;
    }
    let mut done = [0; 4];
    stream.read_exact(&mut done).await.unwrap();
    assert_eq!(&done, b"done");
}

pub(crate) async fn serve(mut stream: ServerEnd, work: Work, messages: Messages) {
    let batch = Batch::new(work, &messages);
    let mut buffer = vec![0; PIECE + batch.frame];
    let mut held = 0;
    let mut index = 0;
    while index < work.count {
        held += stream.read(&mut buffer[held..held + PIECE]).await.unwrap();
        let whole = held - held % batch.frame;
        for frame in buffer[..whole].chunks_exact(batch.frame) {
            let at = index % batch.frames * batch.frame;
            let payload = batch.payload(frame);
            assert!(frame[..] == batch.wire[at..at + batch.frame], "message {index} differs");
            assert!(frame[HEADER + work.len..] == crc32fast::hash(payload).to_le_bytes());
            index += 1;
        }
        buffer.copy_within(whole..held, 0);
        held -= whole;
    }
    stream.write_all(b"done").await.unwrap();
    assert_eq!(stream.read(&mut buffer).await.unwrap_or(0), 0);
}
