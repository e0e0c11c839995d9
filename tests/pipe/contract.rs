//! What a real pipe has in common with a simulated one.

use npipes::{
    ConnectOptions, Connection, ConnectionOptions, Error, Listener, ListenerOptions, PipeStream,
    client::Connect, pipe::Connector,
};

use crate::{
    laws::{Place, Policy, contract},
    support::unique_name,
};

struct Name(String);

impl Place for Name {
    type Io = PipeStream;
    type Listener = Listener;

    fn new() -> Self {
        Self(unique_name())
    }

    fn path(&self) -> String {
        format!(r"\\.\pipe\{}", self.0)
    }

    fn listen(&self, backlog: u8, options: ConnectionOptions) -> Result<Listener, Error> {
        ListenerOptions::new().backlog(backlog).connection(options).bind(&self.0)
    }

    async fn connect(&self, policy: Policy) -> Result<Connection<PipeStream>, Error> {
        let Policy { deadline, busy, not_found, connection } = policy;
        let options = ConnectOptions::new().timeout(deadline).busy(busy).not_found(not_found);
        options.connection(connection).connect(&self.0).await
    }

    fn connector(&self) -> impl Connect<Io = PipeStream> {
        Connector::new(self.0.as_str()).unwrap()
    }
}

contract!(Name);
