//! The receiving direction: bytes in, payloads out, and a permanent end.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

use super::{batch::Batch, limits::Clock, options::ConnectionOptions, telemetry::Telemetry};
use crate::{
    codec::{FrameCodec, ReadWindow, is_larger_than, take_payload},
    error::{Error, Operation},
    frame::{Dialect, FrameError},
    name::PipeName,
};

/// The dialect that the reader has detected. The writer answers in it. It is set once.
pub(super) type DetectedDialect = Arc<OnceLock<Dialect>>;

/// The size of the buffer for bytes that are read and discarded: as much as one read of a pipe
/// returns.
const DISCARD_BUFFER: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Reader {
    codec: FrameCodec,
    buffer: BytesMut,
    detected: DetectedDialect,
    pipe: Option<PipeName>,
    /// Whether nothing more comes: the peer has closed, it sent a wrong frame, or the transport
    /// failed.
    ended: bool,
    /// Whether there was a batch, so that one of the following may be set.
    has_batched: bool,
    /// How much of the buffer a batch has handed out, in bytes.
    handed_out: usize,
    /// A message that a batch begins with, which is no longer in the buffer, and whether the batch
    /// has handed it out.
    lone: Option<BytesMut>,
    is_lone_out: bool,
    /// The length of the buffer's first payload, if its frame was looked at.
    checked: Option<usize>,
    /// Only there if there is a limit.
    clock: Option<Box<Clock>>,
    telemetry: Telemetry,
}

impl Reader {
    pub(super) fn new(
        options: &ConnectionOptions,
        detected: DetectedDialect,
        pipe: Option<PipeName>,
        telemetry: Telemetry,
    ) -> Self {
        Self {
            codec: FrameCodec::new(options.format),
            buffer: BytesMut::new(),
            detected,
            pipe,
            ended: false,
            has_batched: false,
            handed_out: 0,
            lone: None,
            is_lone_out: false,
            checked: None,
            clock: Clock::new(options.limits).map(Box::new),
            telemetry,
        }
    }

    /// Returns the next payload, the report of a corrupt frame, or the failure that ends the
    /// stream. After that failure, and after the peer's end, it returns `None` for ever.
    ///
    /// Nothing is lost if the caller stops polling: what has arrived stays in the buffer.
    pub(super) fn poll_next<R: AsyncRead>(
        &mut self,
        mut io: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BytesMut, Error>>> {
        if self.has_batched {
            self.settle();
            if let Some(message) = self.lone.take() {
                return Poll::Ready(Some(Ok(message)));
            }
        }
        while !self.ended {
            self.codec.note_read(&self.buffer);
            match self.codec.find_frame(&mut self.buffer) {
                Ok(None) => {}
                Ok(Some(len)) => {
                    // reading -> reading, with a payload
                    self.frame_ended();
                    self.telemetry.received(len);
                    if self.detected.get().is_none() {
                        let _ = self.detected.set(self.codec.dialect());
                    }
                    return Poll::Ready(Some(Ok(take_payload(&mut self.buffer, len))));
                }
                Err(corrupt) if corrupt.is_skippable() => {
                    return Poll::Ready(Some(Err(self.skip(corrupt))));
                }
                Err(fatal) => return Poll::Ready(Some(Err(self.end(fatal.into())))),
            }

            self.codec.make_room(&mut self.buffer);
            match poll_read_buf(io.as_mut(), cx, &mut self.buffer) {
                Poll::Ready(Ok(0)) => match self.codec.truncated(&self.buffer) {
                    Some(truncated) => return Poll::Ready(Some(Err(self.end(truncated.into())))),
                    None => self.end_well(),
                },
                Poll::Ready(Ok(_)) => {
                    if let Some(clock) = &mut self.clock {
                        clock.arrived();
                    }
                }
                Poll::Ready(Err(e)) => {
                    let error = Error::io(Operation::Read, self.pipe.as_ref(), e);
                    return Poll::Ready(Some(Err(self.end(error))));
                }
                Poll::Pending => {
                    if let Some(clock) = &mut self.clock {
                        let partial = self.codec.truncated(&self.buffer);
                        if let Poll::Ready(late) = clock.poll(partial, cx) {
                            return Poll::Ready(Some(Err(self.end(late))));
                        }
                    }
                    if self.buffer.is_empty() && is_larger_than(&mut self.buffer, ReadWindow::MIN) {
                        self.buffer = BytesMut::new();
                    }
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(None)
    }

    /// Does the same as [`poll_next`](Self::poll_next), with the result type of `receive`.
    pub(super) fn poll_receive<R: AsyncRead>(
        &mut self,
        io: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<BytesMut>, Error>> {
        Poll::Ready(ready!(self.poll_next(io, cx)).transpose())
    }

    /// Is ready when a message has arrived for [`batch`](Self::batch), or none will; otherwise as
    /// [`poll_receive`](Self::poll_receive).
    pub(super) fn poll_arrived<R: AsyncRead>(
        &mut self,
        io: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        self.settle();
        if self.lone.is_none() {
            if !self.ended {
                self.checked = self.codec.peek_payload(&self.buffer).map(<[u8]>::len);
            }
            match self.checked {
                Some(_) => self.frame_ended(),
                None => self.lone = ready!(self.poll_receive(io, cx))?,
            }
        }
        self.has_batched = true;
        Poll::Ready(Ok(()))
    }

    /// Returns the messages that have arrived; `None` if there are none.
    pub(super) fn batch(&mut self) -> Option<Batch<'_>> {
        if self.lone.is_none() && self.checked.is_none() {
            return None;
        }
        Some(Batch {
            lone: self.lone.as_deref(),
            is_lone_out: &mut self.is_lone_out,
            checked: self.checked.take(),
            rest: &self.buffer,
            handed_out: &mut self.handed_out,
            codec: &self.codec,
            telemetry: &mut self.telemetry,
        })
    }

    /// Takes off what the last batch has handed out.
    fn settle(&mut self) {
        self.has_batched = false;
        self.checked = None;
        if self.is_lone_out {
            self.lone = None;
            self.is_lone_out = false;
        }
        self.buffer.advance(self.handed_out);
        self.handed_out = 0;
    }

    fn frame_ended(&mut self) {
        if let Some(clock) = &mut self.clock {
            clock.frame_ended();
        }
    }

    #[cold]
    #[inline(never)]
    fn skip(&mut self, corrupt: FrameError) -> Error {
        // reading -> reading, past a corrupt frame
        self.frame_ended();
        self.telemetry.corrupt(corrupt, self.codec.corrupt_len());
        corrupt.into()
    }

    #[cold]
    #[inline(never)]
    fn end_well(&mut self) {
        // reading -> ended, between two frames
        self.ended = true;
        self.telemetry.peer_closed();
    }

    #[cold]
    #[inline(never)]
    fn end(&mut self, error: Error) -> Error {
        // reading -> ended, for good
        self.ended = true;
        self.telemetry.receiving_failed(&error);
        error
    }

    /// Reads what the peer sends and discards it, so that a peer that is blocked in a write can
    /// continue. Is ready when nothing more comes. Nothing can be received afterwards.
    pub(super) fn poll_discard<R: AsyncRead>(
        &mut self,
        mut io: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        /// The number of reads in one poll. With this limit, a peer that never stops does not block
        /// the task.
        const READS: usize = 32;
        self.settle();
        // reading -> ended, or it had ended before
        self.ended = true;
        if self.buffer.capacity() < DISCARD_BUFFER {
            self.buffer = BytesMut::with_capacity(DISCARD_BUFFER);
        }
        for _ in 0..READS {
            self.buffer.clear();
            match ready!(poll_read_buf(io.as_mut(), cx, &mut self.buffer)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Returns whether this reader has set, or would set, `detected`.
    pub(super) fn has_detected(&self, detected: &DetectedDialect) -> bool {
        Arc::ptr_eq(&self.detected, detected)
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.codec.dialect()
    }

    /// Returns the reader with bytes that were read from the transport before.
    pub(super) fn with_unread(self, unread: BytesMut) -> Self {
        Self { buffer: unread, ..self }
    }

    pub(super) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Returns what has arrived of frames not handed out.
    pub(super) fn into_unread(mut self) -> BytesMut {
        self.settle();
        let mut unread = BytesMut::new();
        if let Some(message) = &self.lone {
            self.codec.put_back(message, &mut unread);
        }
        if let Some(header) = self.codec.pending_header() {
            unread.extend_from_slice(&header);
        }
        if unread.is_empty() {
            return self.buffer;
        }
        unread.extend_from_slice(&self.buffer);
        unread
    }
}
