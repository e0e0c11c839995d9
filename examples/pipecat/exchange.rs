//! Sends the messages of the plan, and shows what arrives meanwhile.

use std::{cell::Cell, fmt, io::ErrorKind, path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use npipes::{Connection, ConnectionOptions, FrameCodec, frame::Dialect};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::codec::Encoder;

use crate::{
    dissect::{Dissector, Step},
    failure::Failure,
    open::Door,
    plan::{ExchangePlan, Outgoing, Place, Stop, View},
    show,
};

pub(crate) async fn run(place: &Place, plan: &ExchangePlan) -> Result<(), Failure> {
    let mut door = Door::at(place, ConnectionOptions::new().format(plan.view.format))?;
    let mut lines = plan.lines.then(read_lines);
    loop {
        let connection = door.open().await?;
        let session = Session::new(&plan.view);
        let outcome = session.run(connection, plan, &mut lines).await;
        eprintln!("{session}");
        match outcome {
            Err(failure) if plan.keep => eprintln!("pipecat: {failure}"),
            outcome if !plan.keep => return outcome,
            _ => {}
        }
    }
}

/// Shows the frames in a file, or in standard input.
pub(crate) async fn decode(file: Option<&Path>, view: &View) -> Result<(), Failure> {
    let session = Session::new(view);
    let outcome = match file {
        Some(path) => {
            let file = File::open(path).await.map_err(|e| Failure::of(path.display(), &e))?;
            session.show(file, view, None).await
        }
        None => session.show(tokio::io::stdin(), view, None).await,
    };
    eprintln!("{session}");
    outcome
}

/// What both directions of one connection know, in one task.
struct Session {
    /// What the peer has spoken, or what is spoken until it does.
    dialect: Cell<Dialect>,
    last_arrival: Cell<Instant>,
    sent: Cell<Count>,
    received: Cell<Count>,
    wrong: Cell<u64>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    frames: u64,
    bytes: u64,
}

impl Session {
    fn new(view: &View) -> Self {
        Self {
            dialect: Cell::new(FrameCodec::new(view.format).dialect()),
            last_arrival: Cell::new(Instant::now()),
            sent: Cell::default(),
            received: Cell::default(),
            wrong: Cell::default(),
        }
    }

    async fn run<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connection: Connection<T>,
        plan: &ExchangePlan,
        lines: &mut Option<mpsc::Receiver<String>>,
    ) -> Result<(), Failure> {
        // Only the bare stream shows everything, what is wrong included.
        let (from_peer, mut to_peer) = split(connection.into_inner());
        let replies = match plan.stop {
            Stop::AfterReplies(count) => Some(count),
            _ => None,
        };
        let reading = async {
            match plan.stop {
                Stop::Never => std::future::pending().await,
                _ => self.show(from_peer, &plan.view, replies).await,
            }
        };
        let writing = async {
            self.send_all(&mut to_peer, plan, lines).await?;
            match plan.stop {
                Stop::WhenRead => to_peer.shutdown().await.map_err(|e| {
                    Failure::of(
                        match e.kind() {
                            ErrorKind::TimedOut => "the peer does not read",
                            _ => "the peer has left, and may not have read everything",
                        },
                        &e,
                    )
                }),
                Stop::WhenIdle(time) => {
                    self.idle(time).await;
                    Ok(())
                }
                _ => std::future::pending().await,
            }
        };
        tokio::pin!(reading, writing);
        tokio::select! {
            outcome = &mut reading => match plan.stop {
                // The peer may have left before it had read everything: that is still to be told.
                Stop::WhenRead if outcome.is_ok() => writing.await,
                _ => outcome,
            },
            outcome = &mut writing => {
                if outcome.is_err() && !matches!(plan.stop, Stop::Never) {
                    // What the peer has said before it left may tell why.
                    let _ = timeout(Duration::from_secs(1), reading).await;
                }
                outcome.and_then(|()| self.verdict())
            }
        }
    }

    /// Shows everything that arrives until the stream ends, or until there were enough replies.
    async fn show(
        &self,
        mut source: impl AsyncRead + Unpin,
        view: &View,
        replies: Option<u64>,
    ) -> Result<(), Failure> {
        if view.raw {
            return self.show_raw(source, view).await;
        }
        let mut save: Box<dyn AsyncWrite + Unpin> = match &view.save {
            Some(path) => Box::new(append_to(path).await?),
            None => Box::new(tokio::io::sink()),
        };
        let mut dissector = Dissector::new(&mut source, view.format);
        while replies.is_none_or(|count| self.received.get().frames < count) {
            let step = dissector.next(&mut save).await;
            self.last_arrival.set(Instant::now());
            match step.map_err(|e| Failure::of("receiving", &e))? {
                Step::Frame(frame) => {
                    self.dialect.set(frame.dialect);
                    self.received.set(self.received.get().and(frame.len));
                    let wrong = show::frame(&frame, view);
                    self.wrong.set(self.wrong.get() + u64::from(wrong));
                }
                Step::Broken(broken) => {
                    show::broken(&broken, view);
                    return Err(Failure::Failed("what arrived is not a frame".to_owned()));
                }
                Step::End => {
                    self.verdict()?;
                    return match replies {
                        None => Ok(()),
                        Some(count) => {
                            let frames = self.received.get().frames;
                            let text = format!("the peer left after {frames} of {count} replies");
                            Err(Failure::Failed(text))
                        }
                    };
                }
            }
        }
        self.verdict()
    }

    async fn show_raw(
        &self,
        mut source: impl AsyncRead + Unpin,
        view: &View,
    ) -> Result<(), Failure> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = source.read(&mut buffer).await;
            self.last_arrival.set(Instant::now());
            match read.map_err(|e| Failure::of("receiving", &e))? {
                0 => return Ok(()),
                len => {
                    let before = self.received.get();
                    show::raw(before.bytes, &buffer[..len], view);
                    self.received.set(Count { bytes: before.bytes + len as u64, ..before });
                }
            }
        }
    }

    fn verdict(&self) -> Result<(), Failure> {
        match self.wrong.get() {
            0 => Ok(()),
            count => Err(Failure::Failed(format!("{count} of the frames were wrong"))),
        }
    }

    async fn send_all(
        &self,
        to_peer: &mut (impl AsyncWrite + Unpin),
        plan: &ExchangePlan,
        lines: &mut Option<mpsc::Receiver<String>>,
    ) -> Result<(), Failure> {
        let view = &plan.view;
        for outgoing in &plan.outgoing {
            match outgoing {
                Outgoing::Text(text) => self.send(to_peer, text.clone().into(), view).await?,
                Outgoing::MessageFile(path) => {
                    let message = tokio::fs::read(path).await;
                    let message = message.map_err(|e| Failure::of(path.display(), &e))?;
                    self.send(to_peer, message.into(), view).await?;
                }
                Outgoing::Bytes(bytes) => {
                    show::sent_raw(bytes, view);
                    let written = to_peer.write_all(bytes).await;
                    written.map_err(|e| Failure::of("sending", &e))?;
                    let count = self.sent.get();
                    self.sent.set(Count { bytes: count.bytes + bytes.len() as u64, ..count });
                }
            }
        }
        if let Some(lines) = lines {
            while let Some(line) = lines.recv().await {
                self.send(to_peer, line.into(), view).await?;
            }
        }
        Ok(())
    }

    /// Writes a frame in one write, which is one message on a message-type pipe.
    async fn send(
        &self,
        to_peer: &mut (impl AsyncWrite + Unpin),
        message: Bytes,
        view: &View,
    ) -> Result<(), Failure> {
        let count = self.sent.get().and(message.len() as u64);
        let (dialect, mut frame) = (self.dialect.get(), BytesMut::new());
        FrameCodec::new(view.format.dialect(dialect)).encode(message, &mut frame)?;
        show::sent(count.frames, &frame, dialect, view);
        to_peer.write_all(&frame).await.map_err(|e| Failure::of("sending", &e))?;
        self.sent.set(count);
        Ok(())
    }

    /// Waits until nothing has arrived for this time, counted from now at the earliest.
    async fn idle(&self, time: Duration) {
        let start = Instant::now();
        loop {
            let end = self.last_arrival.get().max(start) + time;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, received, wrong) = (self.sent.get(), self.received.get(), self.wrong.get());
        write!(
            f,
            "received {} frames, {} bytes, {wrong} wrong; sent {} frames, {} bytes",
            received.frames, received.bytes, sent.frames, sent.bytes
        )
    }
}

impl Count {
    fn and(self, bytes: u64) -> Self {
        Self { frames: self.frames + 1, bytes: self.bytes + bytes }
    }
}

async fn append_to(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().append(true).create(true).open(path).await;
    opened.map_err(|e| Failure::of(path.display(), &e))
}

/// Reads standard input on a thread of its own: a runtime waits at its end for such a read.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lines().map_while(Result::ok);
        lines.try_for_each(|line| sender.blocking_send(line))
    });
    receiver
}
