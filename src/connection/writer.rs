//! The sending direction: payloads in, whole frames out, in as few writes as possible.
//!
//! ```text
//!   ┌──────┐ closed here: all is read, or the peer has left ┌────────┐
//!   │ open │ ─────────────────────────────────────────────▶ │ closed │
//!   └──────┘                                                └────────┘
//!       │ the transport fails ┌────────┐
//!       └───────────────────▶ │ failed │
//!                             └────────┘
//! ```

mod closing;

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use super::{
    limits::Deadline,
    options::ConnectionOptions,
    reader::{DetectedDialect, Reader},
    telemetry::Telemetry,
    write_limit::WriteLimit,
};
use crate::{
    codec::{is_larger_than, put_frame},
    error::{Error, Operation},
    frame::{Dialect, FrameFormat, OVERHEAD, Trailer},
    name::PipeName,
};

/// The size in bytes from which a payload is written from its own memory. A smaller payload is
/// copied, so that many frames share a write.
const COPY_BELOW: usize = 8 * 1024;

/// The most bytes that a tail reserves at once, however large the send buffer is.
const USUAL_TAIL: usize = 256 * 1024;

/// The most slices handed to one write.
const MAX_SLICES: usize = 16;

/// The most bytes that a writer keeps when it has nothing to send. Together with what an idle
/// reader may keep and the bookkeeping, a connection stays below 1 KiB.
const IDLE_CAPACITY: usize = 256;

#[derive(Debug)]
pub(super) struct Writer {
    format: FrameFormat,
    detected: DetectedDialect,
    pipe: Option<PipeName>,
    /// Whether every frame is written in its own write, as a message-type pipe needs it.
    frame_per_write: bool,
    /// The number of queued bytes at which `poll_ready` writes before it takes more.
    high_water: usize,
    limit: WriteLimit,
    /// What is written first, oldest first. `tail` comes after it.
    queue: VecDeque<Bytes>,
    tail: BytesMut,
    /// About how long the tail was recently, in bytes. The tail reserves this with its second
    /// frame, instead of growing step by step.
    usual_tail: usize,
    /// How many bytes of each frame in `queue` are unwritten, if every frame is written in its own
    /// write. Then the tail is empty.
    frames: VecDeque<usize>,
    /// Bytes in `queue` and `tail`.
    queued: usize,
    state: State,
    close_timeout: Duration,
    /// Runs while a drain or a close is in progress and has to wait.
    deadline: Option<Deadline>,
    telemetry: Telemetry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Closed on this side: nothing more is written.
    Closed,
    /// The transport failed. What is queued stays, for `into_unsent`.
    Failed,
}

impl Writer {
    pub(super) fn new(
        options: &ConnectionOptions,
        detected: DetectedDialect,
        pipe: Option<PipeName>,
        telemetry: Telemetry,
    ) -> Self {
        let format = options.format;
        Self {
            format: if options.frame_per_write { format.one_write() } else { format },
            detected,
            pipe,
            frame_per_write: options.frame_per_write,
            high_water: options.high_water,
            limit: WriteLimit::new(options.high_water),
            queue: VecDeque::new(),
            tail: BytesMut::new(),
            usual_tail: 0,
            frames: VecDeque::new(),
            queued: 0,
            state: State::Open,
            close_timeout: options.close_timeout,
            deadline: None,
            telemetry,
        }
    }

    /// Is ready when less than the high-water mark is queued. What is queued below it waits for
    /// more: to write it alone would cost a system call at both ends.
    pub(super) fn poll_ready<W: AsyncWrite>(
        &mut self,
        io: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        self.check_open()?;
        if self.queued < self.high_water {
            return Poll::Ready(Ok(()));
        }
        self.poll_write_queue(self.high_water - 1, io, cx)
    }

    /// Queues one frame. Either all of it is queued, or nothing.
    pub(super) fn start_send(&mut self, payload: &Bytes) -> Result<(), Error> {
        if payload.len() < COPY_BELOW {
            return self.start_send_slice(payload);
        }
        self.check_open()?;
        let dialect = self.dialect();
        let header = self.format.header(payload.len())?.encode(dialect);
        let trailer = Trailer::encode(self.format.checksum(payload), dialect);
        self.tail.put_slice(&header);
        self.queue.push_back(self.tail.split().freeze());
        self.queue.push_back(payload.clone());
        self.tail.put_slice(&trailer);
        if self.frame_per_write {
            self.queue.push_back(self.tail.split().freeze());
        }
        self.has_queued(payload.len());
        Ok(())
    }

    /// As [`start_send`](Self::start_send), with a copy of the payload, however long it is.
    #[inline]
    pub(super) fn start_send_slice(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.check_open()?;
        let dialect = self.dialect();
        let len = payload.len();
        if self.frame_per_write {
            let mut frame = BytesMut::new();
            put_frame(&self.format, dialect, payload, &mut frame)?;
            self.queue.push_back(frame.freeze());
        } else {
            let room = self.tail.capacity() - self.tail.len();
            if room < OVERHEAD + len && !self.tail.is_empty() {
                let usual = self.usual_tail.saturating_sub(self.tail.len());
                self.tail.reserve(usual.max(OVERHEAD + len));
            }
            put_frame(&self.format, dialect, payload, &mut self.tail)?;
        }
        self.has_queued(len);
        Ok(())
    }

    #[inline]
    fn dialect(&self) -> Dialect {
        self.detected.get().copied().unwrap_or(self.format.dialect)
    }

    #[inline]
    fn has_queued(&mut self, len: usize) {
        self.queued += OVERHEAD + len;
        if self.frame_per_write {
            self.frames.push_back(OVERHEAD + len);
        }
        self.telemetry.sent(len);
    }

    /// Writes everything queued and flushes the transport.
    pub(super) fn poll_flush<W: AsyncWrite>(
        &mut self,
        mut io: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        self.check_open()?;
        ready!(self.poll_write_queue(0, io.as_mut(), cx))?;
        let flushed = ready!(io.poll_flush(cx));
        Poll::Ready(flushed.map_err(|e| self.fail(Operation::Write, e)))
    }

    /// Writes until no more than `rest` bytes are queued.
    fn poll_write_queue<W: AsyncWrite>(
        &mut self,
        rest: usize,
        mut io: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        self.note_tail();
        while self.queued > rest {
            let written = match io.is_write_vectored() {
                true => {
                    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                    let used = self.gather(&mut slices);
                    ready!(io.as_mut().poll_write_vectored(cx, &slices[..used]))
                }
                false => {
                    self.join_frame();
                    let piece = self.queue.front().map_or(&self.tail[..], |chunk| &chunk[..]);
                    let len = piece.len().min(self.room());
                    ready!(io.as_mut().poll_write(cx, &piece[..len]))
                }
            };
            match written {
                Ok(0) => {
                    return Poll::Ready(Err(
                        self.fail(Operation::Write, io::ErrorKind::WriteZero.into())
                    ));
                }
                Ok(count) => {
                    self.limit.wrote(count);
                    self.consume(count);
                }
                Err(e) => return Poll::Ready(Err(self.fail(Operation::Write, e))),
            }
        }
        if self.queued == 0 && is_larger_than(&mut self.tail, IDLE_CAPACITY) {
            self.tail = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Records how long the tail has become.
    fn note_tail(&mut self) {
        if self.queued > 0 {
            let tail = self.tail.len().min(USUAL_TAIL);
            self.usual_tail = tail.max(self.usual_tail - self.usual_tail / 8);
        }
    }

    /// Returns the most bytes that go into the next write.
    fn room(&self) -> usize {
        self.frames.front().copied().unwrap_or_else(|| self.limit.get())
    }

    /// Makes one slice of a frame that goes into a write of its own.
    fn join_frame(&mut self) {
        let Some(&len) = self.frames.front() else { return };
        if self.queue.front().is_some_and(|chunk| chunk.len() < len) {
            let mut frame = BytesMut::with_capacity(len);
            while frame.len() < len {
                let Some(chunk) = self.queue.pop_front() else { break };
                frame.extend_from_slice(&chunk);
            }
            self.queue.push_front(frame.freeze());
        }
    }

    /// Lays out what goes into the next write and returns the number of slices.
    fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut room = self.room();
        let mut used = 0;
        let pieces = self.queue.iter().map(|chunk| &chunk[..]).chain([&self.tail[..]]);
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            if used == slices.len() || room == 0 {
                break;
            }
            let part = &piece[..piece.len().min(room)];
            slices[used] = IoSlice::new(part);
            room -= part.len();
            used += 1;
        }
        used
    }

    fn consume(&mut self, mut count: usize) {
        self.queued -= count;
        if let Some(frame) = self.frames.front_mut() {
            *frame -= count;
            if *frame == 0 {
                self.frames.pop_front();
            }
        }
        while count > 0 {
            let Some(front) = self.queue.front_mut() else {
                self.tail.advance(count);
                return;
            };
            let part = count.min(front.len());
            front.advance(part);
            count -= part;
            if front.is_empty() {
                self.queue.pop_front();
            }
        }
    }

    fn check_open(&self) -> Result<(), Error> {
        match self.state {
            State::Open => Ok(()),
            State::Closed | State::Failed => Err(Error::Closed),
        }
    }

    fn fail(&mut self, operation: Operation, source: io::Error) -> Error {
        // open -> failed
        self.state = State::Failed;
        self.telemetry.sending_failed(&source);
        Error::io(operation, self.pipe.as_ref(), source)
    }

    /// Returns whether `reader` belongs to the same connection.
    pub(super) fn answers(&self, reader: &Reader) -> bool {
        reader.has_detected(&self.detected)
    }

    pub(super) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Returns how many bytes are queued. A write that fails takes none of the queued bytes.
    pub(super) fn unwritten(&self) -> usize {
        self.queued
    }

    /// Returns the writer with bytes that it writes before anything else: frames, perhaps from the
    /// middle of one.
    pub(super) fn with_unsent(mut self, unsent: BytesMut) -> Self {
        if !unsent.is_empty() {
            self.queued += unsent.len();
            if self.frame_per_write {
                self.frames.push_front(unsent.len());
            }
            self.queue.push_front(unsent.freeze());
        }
        self
    }

    /// Returns what was queued and not written.
    pub(super) fn into_unsent(mut self) -> BytesMut {
        let mut unsent = BytesMut::new();
        for chunk in self.queue.drain(..) {
            unsent.extend_from_slice(&chunk);
        }
        unsent.extend_from_slice(&self.tail);
        unsent
    }
}
