//! What a simulated pipe has in common with a real one.

use npipes::{
    Connection, ConnectionOptions, Error,
    client::Connect,
    simulated::{Listener, Pipe, Stream},
};

use crate::{
    laws::{Place, Policy, contract},
    support::unique_name,
};

impl Place for Pipe {
    type Io = Stream;
    type Listener = Listener;

    fn new() -> Self {
        Self::new(unique_name().as_str()).unwrap()
    }

    fn path(&self) -> String {
        self.name().to_string()
    }

    fn listen(&self, backlog: u8, options: ConnectionOptions) -> Result<Listener, Error> {
        self.backlog(backlog);
        Ok(self.listener()?.connection(options))
    }

    async fn connect(&self, policy: Policy) -> Result<Connection<Stream>, Error> {
        let Policy { deadline, busy, not_found, connection } = policy;
        let connector = self.connector().timeout(deadline).busy(busy).not_found(not_found);
        connector.connection(connection).connect().await
    }

    fn connector(&self) -> impl Connect<Io = Stream> {
        Self::connector(self)
    }
}

contract!(Pipe);
