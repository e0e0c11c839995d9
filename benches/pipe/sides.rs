//! Who is measured: this crate, the bare Tokio pipe that it is built on, and what people use
//! instead.

use std::time::Duration;

use interprocess::local_socket::{
    GenericNamespaced, ListenerOptions as InterprocessOptions, ToNsName,
    tokio::{Listener as InterprocessListener, Stream as InterprocessStream},
    traits::tokio::{Listener as _, Stream as _},
};
use npipes::{Connection, Listener, PipeStream, connect};
use tokio::task::JoinSet;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::{
    bare::{self, ClientEnd, open},
    blocking,
    ends::{drive, drive_bare, drive_batches, drive_client, serve, serve_bare, serve_batches},
    floor,
    workload::{Messages, Work},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// A `Connection` with its defaults, so with a CRC.
    Npipes,
    /// The same on a pipe of message type.
    #[cfg(windows)]
    MessageType,
    /// The client that reconnects, with its defaults: one `send` a message, which it gathers itself.
    Reconnecting,
    /// A `Connection` that is fed slices and asked for batches: one way only.
    Batches,
    /// Tokio's handles, the same bytes in pieces of up to 64 KiB without framing.
    Bare,
    /// Tokio's handles under `Framed` with `LengthDelimitedCodec`, its defaults.
    LengthDelimited,
    /// The stream of `interprocess` under the same.
    Interprocess,
    /// One pipe for each message, the way of the Python module.
    PerMessage,
    /// The system's blocking handles, the same bytes as the bare side.
    Blocking,
    /// The same with a write for each message, however long it is.
    #[cfg(windows)]
    BlockingWhole,
    /// The same on a pipe of message type.
    #[cfg(windows)]
    BlockingMessages,
    /// Tokio's handles, and of frames and CRCs what nobody can leave out: one way only.
    Floor,
}

impl Side {
    pub(crate) const ALL: [Self; 6] = [
        Self::Npipes,
        Self::Reconnecting,
        Self::Bare,
        Self::LengthDelimited,
        Self::Interprocess,
        Self::PerMessage,
    ];

    /// The sides of a row that streams small messages.
    pub(crate) const STREAM: [Self; 8] = [
        Self::Npipes,
        Self::Batches,
        Self::Reconnecting,
        Self::Bare,
        Self::Floor,
        Self::LengthDelimited,
        Self::Interprocess,
        Self::PerMessage,
    ];

    /// The same without those that take longest.
    pub(crate) const SHORT_STREAM: [Self; 5] =
        [Self::Npipes, Self::Batches, Self::Bare, Self::Floor, Self::LengthDelimited];

    /// The sides of a row in which each message is written by itself.
    pub(crate) const SINGLE: [Self; 4] =
        [Self::Npipes, Self::Bare, Self::Blocking, Self::LengthDelimited];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Npipes => "npipes",
            #[cfg(windows)]
            Self::MessageType => "npipes, messages",
            Self::Reconnecting => "npipes Client",
            Self::Batches => "npipes, batches",
            Self::Bare => "bare Tokio",
            Self::LengthDelimited => "length-delimited",
            Self::Interprocess => "interprocess",
            Self::PerMessage => "a pipe a message",
            Self::Floor => "bare, framed, CRC",
            Self::Blocking => "blocking",
            #[cfg(windows)]
            Self::BlockingWhole => "blocking, whole",
            #[cfg(windows)]
            Self::BlockingMessages => "blocking, messages",
        }
    }

    pub(crate) fn from_name(name: &str) -> Self {
        let others = [
            Self::Blocking,
            #[cfg(windows)]
            Self::MessageType,
            #[cfg(windows)]
            Self::BlockingWhole,
            #[cfg(windows)]
            Self::BlockingMessages,
        ];
        Self::STREAM.into_iter().chain(others).find(|side| side.name() == name).unwrap()
    }
}

pub(crate) enum Server {
    Npipes(Listener),
    Batches(Listener),
    PerMessage(Listener),
    Tokio(bare::Listener, Side),
    Interprocess(InterprocessListener),
    Blocking(blocking::Listener),
}

impl Server {
    pub(crate) fn bind(side: Side, name: &str) -> Self {
        match side {
            Side::Npipes | Side::Reconnecting => Self::Npipes(Listener::bind(name).unwrap()),
            #[cfg(windows)]
            Side::MessageType => {
                let options = npipes::ListenerOptions::new();
                let options = options.pipe_type(npipes::pipe::PipeType::Message);
                Self::Npipes(options.bind(name).unwrap())
            }
            Side::Batches => Self::Batches(Listener::bind(name).unwrap()),
            Side::PerMessage => Self::PerMessage(Listener::bind(name).unwrap()),
            Side::Bare | Side::Floor | Side::LengthDelimited => {
                Self::Tokio(bare::Listener::bind(name), side)
            }
            Side::Blocking => Self::Blocking(blocking::Listener::bind(name)),
            #[cfg(windows)]
            Side::BlockingWhole => Self::Blocking(blocking::Listener::bind(name)),
            #[cfg(windows)]
            Side::BlockingMessages => Self::Blocking(blocking::Listener::bind_messages(name)),
            Side::Interprocess => {
                let name = name.to_ns_name::<GenericNamespaced>().unwrap();
                Self::Interprocess(InterprocessOptions::new().name(name).create_tokio().unwrap())
            }
        }
    }

    /// Accepts the work's connections and serves each in a task of its own.
    pub(crate) async fn serve(self, work: Work) {
        let messages = Messages::new(work.len);
        let mut serving = JoinSet::new();
        match self {
            Self::Npipes(mut listener) => {
                for _ in 0..work.connections {
                    serving.spawn(serve(listener.accept().await.unwrap(), work, messages.clone()));
                }
            }
            Self::Batches(mut listener) => {
                let connection = listener.accept().await.unwrap();
                serving.spawn(serve_batches(connection, work, messages));
            }
            Self::PerMessage(mut listener) => {
                for index in 0..work.count {
                    let mut session = listener.accept().await.unwrap();
                    let message = session.receive().await.unwrap().unwrap();
                    messages.check(index, &message);
                    session.send(message).await.unwrap();
                    // The client leaves first, when it has the answer.
                    assert!(session.receive().await.unwrap().is_none());
                }
            }
            Self::Tokio(mut listener, side) => {
                for _ in 0..work.connections {
                    let stream = listener.accept().await;
                    let messages = messages.clone();
                    match side {
                        Side::LengthDelimited => {
                            let framed = Framed::new(stream, LengthDelimitedCodec::new());
                            serving.spawn(serve(framed, work, messages))
                        }
                        Side::Floor => serving.spawn(floor::serve(stream, work, messages)),
                        _ => serving.spawn(serve_bare(stream, work, messages)),
                    };
                }
            }
            Self::Blocking(listener) => {
                serving.spawn_blocking(move || listener.serve(work));
            }
            Self::Interprocess(listener) => {
                for _ in 0..work.connections {
                    let stream = listener.accept().await.unwrap();
                    let framed = Framed::new(stream, LengthDelimitedCodec::new());
                    serving.spawn(serve(framed, work, messages.clone()));
                }
            }
        }
        while let Some(done) = serving.join_next().await {
            done.unwrap();
        }
    }
}

pub(crate) enum Client {
    Npipes(Connection<PipeStream>),
    Batches(Connection<PipeStream>),
    Reconnecting(npipes::Client, npipes::client::Inbox),
    LengthDelimited(Framed<ClientEnd, LengthDelimitedCodec>),
    Interprocess(Framed<InterprocessStream, LengthDelimitedCodec>),
    Bare(ClientEnd),
    Floor(ClientEnd),
    PerMessage(String),
    Blocking(blocking::Client),
}

impl Client {
    pub(crate) async fn connect(side: Side, name: &str) -> Self {
        match side {
            Side::Npipes => Self::Npipes(connect(name).await.unwrap()),
            #[cfg(windows)]
            Side::MessageType => Self::Npipes(connect(name).await.unwrap()),
            Side::Batches => Self::Batches(connect(name).await.unwrap()),
            Side::Reconnecting => {
                let (client, inbox) =
                    npipes::Client::spawn(npipes::pipe::Connector::new(name).unwrap());
                let mut state = client.watch();
                let connected = npipes::client::ClientState::Connected { session: 1 };
                state.wait_for(|state| *state == connected).await.unwrap();
                Self::Reconnecting(client, inbox)
            }
            Side::PerMessage => Self::PerMessage(name.to_owned()),
            Side::Blocking => Self::Blocking(blocking::Client::connect(name)),
            #[cfg(windows)]
            Side::BlockingWhole | Side::BlockingMessages => {
                Self::Blocking(blocking::Client::connect(name).whole())
            }
            Side::Bare => Self::Bare(open(name).await),
            Side::Floor => Self::Floor(open(name).await),
            Side::LengthDelimited => {
                Self::LengthDelimited(Framed::new(open(name).await, LengthDelimitedCodec::new()))
            }
            Side::Interprocess => loop {
                let target = name.to_ns_name::<GenericNamespaced>().unwrap();
                if let Ok(stream) = InterprocessStream::connect(target).await {
                    break Self::Interprocess(Framed::new(stream, LengthDelimitedCodec::new()));
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            },
        }
    }

    pub(crate) async fn drive(self, work: Work, messages: Messages) {
        match self {
            Self::Npipes(stream) => drive(stream, work, messages).await,
            Self::Batches(connection) => drive_batches(connection, work, messages).await,
            Self::Reconnecting(client, inbox) => drive_client(client, inbox, work, messages).await,
            Self::LengthDelimited(stream) => drive(stream, work, messages).await,
            Self::Interprocess(stream) => drive(stream, work, messages).await,
            Self::Bare(stream) => drive_bare(stream, work, messages).await,
            Self::Floor(stream) => floor::drive(stream, work, messages).await,
            Self::Blocking(client) => client.drive(work, &messages),
            Self::PerMessage(name) => {
                for index in 0..work.count {
                    let mut session = connect(&name).await.unwrap();
                    session.send(messages.get(index)).await.unwrap();
                    messages.check(index, &session.receive().await.unwrap().unwrap());
                }
            }
        }
    }
}
