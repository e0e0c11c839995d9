//! A transport whose answers a test has written down, and that notes what it is asked for.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use npipes::{
    Connection, ConnectionOptions,
    connection::{AbortHandle, Transport},
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

/// The close timeout of a [`Stage`]'s connection.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a transport is asked for, other than reading and writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Drain,
    StopDraining,
    CloseWrite,
    Linger(Duration),
    Abort,
}

/// How a wait of the transport ends: `None` is never.
pub(crate) type Answer = Option<Result<(), io::ErrorKind>>;

#[derive(Debug, Default)]
pub(crate) struct Script {
    drain: Answer,
    close_write: Answer,
    pub(crate) asked: VecDeque<Asked>,
    /// How often it was read from, through any handle and through a second one.
    pub(crate) reads: usize,
    pub(crate) second_reads: usize,
}

/// A transport whose answers the test has written down.
#[derive(Debug)]
pub(crate) struct Scripted {
    io: Arc<Mutex<DuplexStream>>,
    script: Arc<Mutex<Script>>,
    /// Whether the halves of a connection have a handle each.
    two_handles: bool,
    is_second: bool,
}

impl Scripted {
    fn answer(&self, asked: Asked, answer: impl Fn(&Script) -> Answer) -> Poll<io::Result<()>> {
        let mut script = self.script.lock().unwrap();
        script.asked.push_back(asked);
        match answer(&script) {
            Some(answer) => Poll::Ready(answer.map_err(Into::into)),
            None => Poll::Pending,
        }
    }
}

impl Transport for Scripted {
    fn poll_drained(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.answer(Asked::Drain, |script| script.drain)
    }

    fn stop_draining(self: Pin<&mut Self>) {
        self.script.lock().unwrap().asked.push_back(Asked::StopDraining);
    }

    fn poll_close_write(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.answer(Asked::CloseWrite, |script| script.close_write)
    }

    fn abort_handle(&self) -> Option<AbortHandle> {
        let script = Arc::clone(&self.script);
        Some(AbortHandle::new(move || script.lock().unwrap().asked.push_back(Asked::Abort)))
    }

    fn set_linger(&self, time: Duration) {
        self.script.lock().unwrap().asked.push_back(Asked::Linger(time));
    }

    fn reader(&self) -> Option<Self> {
        let (io, script) = (Arc::clone(&self.io), Arc::clone(&self.script));
        self.two_handles.then_some(Self { io, script, two_handles: true, is_second: true })
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut script = self.script.lock().unwrap();
        script.reads += 1;
        script.second_reads += usize::from(self.is_second);
        drop(script);
        Pin::new(&mut *self.io.lock().unwrap()).poll_read(cx, buf)
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io.lock().unwrap()).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io.lock().unwrap()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("a transport that can tell is asked, and not shut down")
    }
}

/// A connection over a scripted transport, its peer, and what the transport was asked for.
pub(crate) struct Stage {
    pub(crate) near: Connection<Scripted>,
    pub(crate) far: DuplexStream,
    pub(crate) script: Arc<Mutex<Script>>,
}

impl Stage {
    pub(crate) fn new(two_handles: bool) -> Self {
        let (near, far) = duplex(4096);
        let script = Arc::<Mutex<Script>>::default();
        let io = Arc::new(Mutex::new(near));
        let near = Scripted { io, script: Arc::clone(&script), two_handles, is_second: false };
        let options = ConnectionOptions::new().close_timeout(CLOSE_TIMEOUT);
        Self { near: Connection::with_transport(near, &options), far, script }
    }

    pub(crate) fn drain(self, answer: Answer) -> Self {
        self.script.lock().unwrap().drain = answer;
        self
    }

    pub(crate) fn close_write(self, answer: Answer) -> Self {
        self.script.lock().unwrap().close_write = answer;
        self
    }
}

/// Takes what was asked, without the same question again and again.
pub(crate) fn asked(script: &Mutex<Script>) -> Vec<Asked> {
    let mut asked: Vec<_> = script.lock().unwrap().asked.drain(..).collect();
    asked.dedup();
    asked
}
