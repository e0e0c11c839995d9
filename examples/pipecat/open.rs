//! Opens the other end of a pipe. Everything that needs Windows is in this file.

#[cfg(windows)]
use npipes::{
    ConnectOptions, Listener, ListenerOptions, PipeName, PipeStream, pipe::PipeType,
    security::ServerTrust,
};
use npipes::{Connection, ConnectionOptions};

#[cfg(windows)]
use crate::plan::Role;
use crate::{failure::Failure, plan::Place};

/// The transport that a [`Door`] opens to.
#[cfg(windows)]
pub(crate) type Stream = PipeStream;
#[cfg(not(windows))]
pub(crate) type Stream = tokio::io::DuplexStream;

/// Where connections come from.
#[cfg(windows)]
pub(crate) enum Door {
    Listener(Box<Listener>),
    Server(PipeName, Box<ConnectOptions>),
}

#[cfg(windows)]
impl Door {
    pub(crate) fn at(place: &Place, connection: ConnectionOptions) -> Result<Self, Failure> {
        match place.role {
            Role::Listen { message_type } => {
                let pipe_type = if message_type { PipeType::Message } else { PipeType::Byte };
                let options = ListenerOptions::new().pipe_type(pipe_type).connection(connection);
                let listener = options.bind(place.pipe.clone())?;
                eprintln!("listening on {}, {}", listener.name(), type_name(pipe_type));
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
                        let user = peer.account_name().unwrap_or_else(|_| peer.user.to_string());
                        eprintln!("a client has connected: process {process}, user {user}");
                    }
                    Err(e) => eprintln!("a client has connected: {}", Failure::from(e)),
                }
                Ok(connection)
            }
            Self::Server(pipe, options) => {
                let connection = options.connect(pipe.clone()).await?;
                let kind = connection.get_ref().pipe_type().map_or("unknown type", type_name);
                eprintln!("connected to {pipe}, {kind}");
                Ok(connection)
            }
        }
    }
}

#[cfg(windows)]
fn type_name(kind: PipeType) -> &'static str {
    match kind {
        PipeType::Message => "message type",
        _ => "byte type",
    }
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

#[cfg(not(windows))]
pub(crate) enum Door {}

#[cfg(not(windows))]
impl Door {
    pub(crate) fn at(place: &Place, _: ConnectionOptions) -> Result<Self, Failure> {
        let pipe = &place.pipe;
        Err(Failure::Unavailable(format!("{pipe}: named pipes exist on Windows only")))
    }

    pub(crate) async fn open(&mut self) -> Result<Connection<Stream>, Failure> {
        match *self {}
    }
}

#[cfg(not(windows))]
pub(crate) fn list() -> Result<(), Failure> {
    Err(Failure::Unavailable("named pipes exist on Windows only".to_owned()))
}
