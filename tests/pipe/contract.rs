//! What a real pipe has in common with a simulated one.

use npipes::{
    ConnectOptions, Connection, ConnectionOptions, Error, Listener, ListenerOptions, PipeName,
    PipeStream, client::Connect, pipe::Connector,
};

use crate::{
    laws::{Place, Policy, contract},
    support::unique_name,
};

struct Name(String);

impl Place for Name {
    type Io = PipeStream;
    type Listener = Listener;

    const HAS_INSTANCES: bool = cfg!(windows);
    const TELLS_OF_ROOM: bool = cfg!(windows);
    const WAITS_IN_REAL_TIME: bool = cfg!(windows);

    fn new() -> Self {
        Self(unique_name())
    }

    fn path(&self) -> String {
        PipeName::new(&self.0).unwrap().to_string()
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
