//! Who is compared: each side's server and client, all with the same messages over them.

use std::{
    fmt, io,
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use interprocess::os::windows::named_pipe::{
    PipeListenerOptions, pipe_mode,
    tokio::{DuplexPipeStream, PipeListener},
};
use npipes::{
    ConnectOptions, Connection, Listener, ListenerOptions, PipeStream, security::ServerTrust,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::windows::named_pipe::{ClientOptions, ServerOptions},
    runtime::Builder,
    sync::{oneshot, watch},
    time::sleep,
};

const ERROR_PIPE_BUSY: i32 = 231;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// This crate, with this many waiting instances.
    Ours { backlog: u8 },
    /// This crate with its default backlog, not looking who the server is, as the others do not.
    Unchecked,
    /// One instance, replaced after each accept, and a client that sleeps when it is busy: the loops
    /// of Tokio's documentation (50 ms), and go-winio's dialler (10 ms).
    Sleeping { delay: Duration },
    /// interprocess's Tokio listener and stream.
    Interprocess,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours { backlog } => f.pad(&format!("npipes, backlog {backlog}")),
            Self::Unchecked => f.pad("npipes, server not checked"),
            Self::Sleeping { delay } => f.pad(&format!("one instance, sleep {delay:?}")),
            Self::Interprocess => f.pad("interprocess"),
        }
    }
}

pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

fn over(stream: impl Transport + 'static) -> Connection<Box<dyn Transport>> {
    Connection::new(Box::new(stream))
}

impl Side {
    /// Returns a connection, and the attempts that it took where the loop is not inside a library.
    pub(crate) async fn connect(
        self,
        path: &str,
    ) -> Result<(Connection<Box<dyn Transport>>, u32), Box<dyn std::error::Error>> {
        Ok(match self {
            Self::Ours { .. } | Self::Unchecked => {
                let options = ConnectOptions::new().timeout(Duration::from_secs(60));
                let options = match self {
                    Self::Unchecked => options.server_trust(ServerTrust::any_without_check()),
                    _ => options,
                };
                (over(options.connect(path).await?.into_inner()), 0)
            }
            Self::Sleeping { delay } => {
                let mut attempts = 1;
                let client = loop {
                    match ClientOptions::new().open(path) {
                        Ok(client) => break client,
                        Err(e) if e.raw_os_error() == Some(ERROR_PIPE_BUSY) => {}
                        Err(e) => return Err(e.into()),
                    }
                    attempts += 1;
                    sleep(delay).await;
                };
                (over(PipeStream::from(client)), attempts)
            }
            Self::Interprocess => {
                let stream = DuplexPipeStream::<pipe_mode::Bytes>::connect_by_path(path).await?;
                (over(stream), 0)
            }
        })
    }

    /// Accepts and echoes for ever, as long as the gate is open.
    async fn serve(self, path: String, ready: mpsc::Sender<()>, mut gate: watch::Receiver<bool>) {
        let mut server = BoundServer::bind(self, &path).expect("the name is free");
        ready.send(()).expect("somebody waits for the server");
        while gate.wait_for(|open| *open).await.is_ok() {
            let mut connection = server.accept().await.expect("accept");
            tokio::spawn(async move {
                while let Ok(Some(message)) = connection.receive().await {
                    if connection.send(message).await.is_err() {
                        break;
                    }
                }
            });
        }
    }
}

enum BoundServer {
    Ours(Box<Listener>),
    Single(String, tokio::net::windows::named_pipe::NamedPipeServer),
    Interprocess(PipeListener<pipe_mode::Bytes, pipe_mode::Bytes>),
}

impl BoundServer {
    fn bind(side: Side, path: &str) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(match side {
            Side::Ours { backlog } => {
                Self::Ours(Box::new(ListenerOptions::new().backlog(backlog).bind(path)?))
            }
            Side::Unchecked => Self::Ours(Box::new(Listener::bind(path)?)),
            Side::Sleeping { .. } => Self::Single(
                path.to_owned(),
                ServerOptions::new().first_pipe_instance(true).create(path)?,
            ),
            Side::Interprocess => {
                Self::Interprocess(PipeListenerOptions::new().path(path).create_tokio_duplex()?)
            }
        })
    }

    async fn accept(
        &mut self,
    ) -> Result<Connection<Box<dyn Transport>>, Box<dyn std::error::Error>> {
        Ok(match self {
            Self::Ours(listener) => over(listener.accept().await?.into_inner()),
            Self::Single(path, server) => {
                server.connect().await?;
                let next = ServerOptions::new().create(&*path)?;
                over(PipeStream::from(std::mem::replace(server, next)))
            }
            Self::Interprocess(listener) => over(listener.accept().await?),
        })
    }
}

/// A side's server on a thread and a runtime of its own.
pub(crate) struct Server {
    pub(crate) side: Side,
    pub(crate) path: String,
    gate: watch::Sender<bool>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(side: Side, name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = format!(r"\\.\pipe\npipes-bench-{}-{name}-{number}", std::process::id());
        let (gate, gate_seen) = watch::channel(true);
        let (stop, stopped) = oneshot::channel();
        let (ready, bound) = mpsc::channel();
        let served = path.clone();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = side.serve(served, ready, gate_seen) => {}
                    _ = stopped => {}
                }
            });
        });
        bound.recv().expect("the server starts");
        Self { side, path, gate, stop: Some(stop), thread: Some(thread) }
    }

    /// Stops accepting, and takes all instances that clients could still have.
    pub(crate) fn stall(&self) -> Vec<impl Transport + use<>> {
        self.gate.send_replace(false);
        let mut taken = Vec::new();
        let mut refused = 0;
        // One that is being accepted when the gate closes is replaced, so once is not enough.
        while refused < 3 {
            match ClientOptions::new().open(&self.path) {
                Ok(client) => taken.push(client),
                Err(e) if e.raw_os_error() == Some(ERROR_PIPE_BUSY) => {
                    refused += 1;
                    thread::sleep(Duration::from_millis(20));
                }
                Err(e) => panic!("{e}"),
            }
        }
        taken
    }

    pub(crate) fn resume(&self) {
        self.gate.send_replace(true);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends well");
        }
    }
}

/// Sends one message and checks that it comes back.
pub(crate) async fn exchange(
    connection: &mut Connection<Box<dyn Transport>>,
    client: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let message = Bytes::from(format!("client {client}: one message, please return it"));
    connection.send(message.clone()).await?;
    match connection.receive().await? {
        Some(echo) if echo == message => Ok(()),
        other => Err(io::Error::other(format!("{message:?} came back as {other:?}")).into()),
    }
}
