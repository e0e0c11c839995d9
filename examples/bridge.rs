//! Relays messages between a pipe and TCP, for any number of clients, so that pipes can reach other
//! machines.
//!
//! `cargo run --example bridge -- tcp 127.0.0.1:7000 pipe orders` relays clients from TCP to a pipe.
//! `cargo run --example bridge -- pipe orders tcp 10.0.0.7:7000` relays clients to another machine.
//!
//! TCP identifies nobody and encrypts nothing. If the messages leave this machine, put TLS around
//! the `TcpStream`: a `Connection` works over anything that reads and writes.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use bytes::BytesMut;
    use futures::{StreamExt, TryStreamExt};
    use npipes::{Connection, Error, Listener, PipeName, connect, serve, server::Accept};
    use tokio::{
        io::{AsyncRead, AsyncWrite},
        net::{TcpListener, TcpStream},
    };
    use tokio_util::sync::CancellationToken;

    struct Tcp(TcpListener);

    impl Accept for Tcp {
        type Io = TcpStream;

        async fn accept(&mut self) -> Result<Connection<TcpStream>, Error> {
            Ok(Connection::new(self.0.accept().await?.0))
        }
    }

    /// Relays until one side ends, and hands the other what is on its way. A pipe has no end of one
    /// direction alone, so the end of one is that of both. Whoever reads slowly holds up whoever
    /// writes to him: no more than a message or two is held here.
    async fn relay<A, B>(near: Connection<A>, far: Connection<B>) -> Result<(), Error>
    where
        A: AsyncRead + AsyncWrite + Unpin,
        B: AsyncRead + AsyncWrite + Unpin,
    {
        let (to_near, from_near) = near.split();
        let (to_far, from_far) = far.split();
        tokio::select! {
            ended = from_near.map_ok(BytesMut::freeze).forward(to_far) => ended,
            ended = from_far.map_ok(BytesMut::freeze).forward(to_near) => ended,
        }
    }

    fn report<T>(session: Result<(), Error>) -> Result<Option<Connection<T>>, Error> {
        match &session {
            Ok(()) => println!("a session has ended"),
            Err(e) => println!("a session has failed: {e}"),
        }
        session.map(|()| None)
    }

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let never = CancellationToken::new();
    let served = match arguments.as_slice() {
        [from, address, to, name] if (from.as_str(), to.as_str()) == ("tcp", "pipe") => {
            let listener = TcpListener::bind(address).await?;
            println!("listening on {}", listener.local_addr()?);
            let name = PipeName::new(name)?;
            serve(Tcp(listener), never, move |near, _| {
                let name = name.clone();
                async move { report(async { relay(near, connect(name).await?).await }.await) }
            })
            .await
        }
        [from, name, to, address] if (from.as_str(), to.as_str()) == ("pipe", "tcp") => {
            let listener = Listener::bind(name)?;
            println!("listening on {}", listener.name());
            let address = address.clone();
            serve(listener, never, move |near, _| {
                let far = TcpStream::connect(address.clone());
                async move { report(async { relay(near, Connection::new(far.await?)).await }.await) }
            })
            .await
        }
        _ => {
            return Err(
                "usage: bridge tcp <address> pipe <name>, or pipe <name> tcp <address>".into()
            );
        }
    };
    served.accept_error.map_or(Ok(()), |e| Err(e.into()))
}
