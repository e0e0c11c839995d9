//! Opens the other end of a pipe. Everything in which the systems differ is in this file.

#[cfg(windows)]
use npipes::pipe::PipeType;
use npipes::{
    ConnectOptions, Connection, ConnectionOptions, Listener, ListenerOptions, Peer, PipeName,
    PipeStream, security::ServerTrust,
};

use crate::{
    failure::Failure,
    plan::{Place, Role},
};

/// The transport that a [`Door`] opens to.
pub(crate) type Stream = PipeStream;

/// Where connections come from.
pub(crate) enum Door {
    Listener(Box<Listener>),
    Server(PipeName, Box<ConnectOptions>),
}

impl Door {
    pub(crate) fn at(place: &Place, connection: ConnectionOptions) -> Result<Self, Failure> {
        match place.role {
            Role::Listen { message_type } => {
                let options = ListenerOptions::new().connection(connection);
                #[cfg(windows)]
                let options = options.pipe_type(match message_type {
                    true => PipeType::Message,
                    false => PipeType::Byte,
                });
                #[cfg(unix)]
                if message_type {
                    let text = "only Windows has pipes of message type".to_owned();
                    return Err(Failure::Unavailable(text));
                }
                let listener = options.bind(place.pipe.clone())?;
                let kind = if message_type { "message type" } else { "byte type" };
                eprintln!("listening on {}, {kind}", listener.name());
                Ok(Self::Listener(Box::new(listener)))
            }
            Role::Connect { wait, any_server } => {
                let mut options = ConnectOptions::new().connection(connection);
                if !wait.is_zero() {
                    let retry = ConnectOptions::WAIT_FOR_SERVER;
                    options = options.timeout(wait).not_found(retry).access_denied(retry);
                }
                if any_server {
                    options = options.server_trust(ServerTrust::any_without_check());
                }
                Ok(Self::Server(place.pipe.clone(), Box::new(options)))
            }
        }
    }

    pub(crate) async fn open(&mut self) -> Result<Connection<Stream>, Failure> {
        match self {
            Self::Listener(listener) => {
                let connection = listener.accept().await?;
                // To know who it is helps; not to know it does not hinder.
                match connection.peer() {
                    Ok(peer) => {
                        let process =
                            peer.process_id.map_or_else(|| "?".to_owned(), |id| id.to_string());
                        let user = account(&peer);
                        eprintln!("a client has connected: process {process}, user {user}");
                    }
                    Err(e) => eprintln!("a client has connected: {}", Failure::from(e)),
                }
                Ok(connection)
            }
            Self::Server(pipe, options) => {
                let connection = options.connect(pipe.clone()).await?;
                let kind = type_of(connection.get_ref());
                eprintln!("connected to {pipe}, {kind}");
                Ok(connection)
            }
        }
    }
}

#[cfg(windows)]
fn type_of(stream: &Stream) -> &'static str {
    match stream.pipe_type() {
        Ok(PipeType::Message) => "message type",
        Ok(_) => "byte type",
        Err(_) => "unknown type",
    }
}

#[cfg(unix)]
fn type_of(_: &Stream) -> &'static str {
    "byte type"
}

#[cfg(windows)]
fn account(peer: &Peer) -> String {
    peer.account_name().unwrap_or_else(|_| peer.user.to_string())
}

#[cfg(unix)]
fn account(peer: &Peer) -> String {
    peer.uid.to_string()
}

/// Prints the names of this machine's pipes.
#[cfg(windows)]
pub(crate) fn list() -> Result<(), Failure> {
    let unavailable = |e: std::io::Error| {
        Failure::Unavailable(format!(r"this system does not list \\.\pipe\ (Wine cannot): {e}"))
    };
    let entries = std::fs::read_dir(r"\\.\pipe\").map_err(unavailable)?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(unavailable)?.file_name());
    }
    names.sort();
    for name in names {
        println!("{}", name.to_string_lossy());
    }
    Ok(())
}

/// Prints the paths of this machine's pipes.
#[cfg(unix)]
pub(crate) fn list() -> Result<(), Failure> {
    let unavailable = |e| Failure::Unavailable(format!("the folder of the sockets: {e}"));
    let mut names = PipeName::list().map_err(unavailable)?;
    names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    for name in names {
        println!("{name}");
    }
    Ok(())
}
