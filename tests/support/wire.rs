//! A transport in memory that can be asked what its other end has read, and connectors and listeners
//! that do what a test tells them. Each test binary uses a part of it.

use std::{
    collections::VecDeque,
    future::pending,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker, ready},
};

use bytes::BytesMut;
use npipes::{
    Connection, ConnectionOptions, Error, FrameCodec, client::Connect, connection::Transport,
    server::Accept,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex},
    sync::mpsc,
    time::Instant,
};
use tokio_util::codec::Decoder;

/// Returns what a peer is told that does not speak in frames: no further attempt can mend it.
pub(crate) fn not_a_frame() -> Error {
    FrameCodec::default().decode(&mut BytesMut::from(&b"GET / HT"[..])).unwrap_err()
}

#[derive(Default)]
struct Tally {
    written: u64,
    read: u64,
    /// How far the wait that is under way goes.
    target: Option<u64>,
    gone: bool,
    waiting: Option<Waker>,
}

/// The end that writes are counted of.
pub(crate) struct Near {
    io: DuplexStream,
    tally: Arc<Mutex<Tally>>,
    counts: bool,
}

/// The end that reads are counted of.
pub(crate) struct Far {
    io: DuplexStream,
    tally: Arc<Mutex<Tally>>,
}

/// Returns the two ends of a transport that holds `capacity` bytes in each direction.
pub(crate) fn wire(capacity: usize) -> (Near, Far) {
    let (near, far) = duplex(capacity);
    let tally = Arc::<Mutex<Tally>>::default();
    (Near { io: near, tally: Arc::clone(&tally), counts: false }, Far { io: far, tally })
}

impl Near {
    /// Returns how many bytes the other end has not read.
    fn unread(&self) -> u64 {
        let tally = self.tally.lock().unwrap();
        tally.written - tally.read
    }
}

impl Transport for Near {
    fn unread_at_most(self: Pin<&mut Self>) -> Option<u64> {
        self.counts.then(|| self.unread())
    }

    /// Waits until the other end has read what was written before the wait began, and no more.
    fn poll_drained(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut tally = self.tally.lock().unwrap();
        let written = tally.written;
        let target = *tally.target.get_or_insert(written);
        if tally.read >= target || tally.gone {
            tally.target = None;
            return Poll::Ready(match tally.read >= target {
                true => Ok(()),
                false => Err(io::ErrorKind::BrokenPipe.into()),
            });
        }
        tally.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncRead for Near {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Near {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.tally.lock().unwrap().written += count as u64;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_drained(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl AsyncRead for Far {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let mut tally = self.tally.lock().unwrap();
        tally.read += (buf.filled().len() - before) as u64;
        if let Some(waiting) = tally.waiting.take() {
            waiting.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Far {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let mut tally = self.tally.lock().unwrap();
        tally.gone = true;
        if let Some(waiting) = tally.waiting.take() {
            waiting.wake();
        }
    }
}

/// What a scripted connector or listener does when it is next asked.
pub(crate) enum Step {
    Give(Near),
    Fail(Error),
}

impl Step {
    pub(crate) fn refuse() -> Self {
        Self::Fail(io::Error::from(io::ErrorKind::ConnectionRefused).into())
    }
}

/// Does what it is told, one step an attempt, and waits for ever when it is told no more.
pub(crate) struct Script {
    steps: Mutex<VecDeque<Step>>,
    options: ConnectionOptions,
    tells: bool,
    counts: bool,
    attempts: mpsc::UnboundedSender<Instant>,
}

impl Script {
    /// Returns a script and the times of its attempts.
    pub(crate) fn new(
        steps: impl IntoIterator<Item = Step>,
    ) -> (Self, mpsc::UnboundedReceiver<Instant>) {
        let (attempts, times) = mpsc::unbounded_channel();
        let steps = Mutex::new(steps.into_iter().collect());
        (
            Self { steps, options: ConnectionOptions::new(), tells: true, counts: false, attempts },
            times,
        )
    }

    pub(crate) fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::new(steps).0
    }

    pub(crate) fn options(mut self, options: ConnectionOptions) -> Self {
        self.options = options;
        self
    }

    /// Knows at any time how much the other end has not read.
    pub(crate) fn counts_unread(mut self) -> Self {
        self.counts = true;
        self
    }

    /// Is not able to wait until the other end has read everything.
    pub(crate) fn tells_nothing(mut self) -> Self {
        self.tells = false;
        self
    }
}

impl Connect for Script {
    type Io = Near;

    async fn connect(&self) -> Result<Connection<Near>, Error> {
        let _ = self.attempts.send(Instant::now());
        let step = self.steps.lock().unwrap().pop_front();
        match step {
            Some(Step::Give(near)) => {
                let near = Near { counts: self.counts, ..near };
                Ok(match self.tells {
                    true => Connection::with_transport(near, &self.options),
                    false => Connection::with_options(near, &self.options),
                })
            }
            Some(Step::Fail(error)) => Err(error),
            None => pending().await,
        }
    }
}

impl Accept for Script {
    type Io = Near;

    async fn accept(&mut self) -> Result<Connection<Near>, Error> {
        self.connect().await
    }
}

/// A listener to which clients come through a channel.
pub(crate) struct Door(mpsc::UnboundedReceiver<Step>);

impl Door {
    pub(crate) fn new() -> (mpsc::UnboundedSender<Step>, Self) {
        let (street, door) = mpsc::unbounded_channel();
        (street, Self(door))
    }
}

impl Accept for Door {
    type Io = Near;

    async fn accept(&mut self) -> Result<Connection<Near>, Error> {
        match self.0.recv().await {
            Some(Step::Give(near)) => {
                Ok(Connection::with_transport(near, &ConnectionOptions::new()))
            }
            Some(Step::Fail(error)) => Err(error),
            None => pending().await,
        }
    }
}
