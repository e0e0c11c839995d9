//! Ends of the operating system's own, one for each system.

use npipes::security::ServerTrust;

#[cfg(not(windows))]
pub(crate) use self::unix::{client, server};
#[cfg(windows)]
pub(crate) use self::windows::{client, server};

/// Trusts somebody who serves nothing here.
pub(crate) fn stranger() -> ServerTrust {
    #[cfg(windows)]
    let trust = ServerTrust::user("S-1-5-21-1-2-3-4".parse().unwrap());
    #[cfg(not(windows))]
    let trust = ServerTrust::uid(rustix::process::geteuid().as_raw() + 1);
    trust
}

#[cfg(windows)]
mod windows {
    use tokio::net::windows::named_pipe::{
        ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions,
    };

    /// Returns a server for one client.
    pub(crate) fn server(path: &str) -> NamedPipeServer {
        ServerOptions::new().max_instances(1).create(path).unwrap()
    }

    pub(crate) async fn client(path: &str) -> NamedPipeClient {
        ClientOptions::new().open(path).unwrap()
    }
}

#[cfg(not(windows))]
mod unix {
    use std::fs;

    use tokio::net::{UnixListener, UnixSocket, UnixStream};

    /// A server for one client. The file goes with it.
    pub(crate) struct Server(#[expect(dead_code, reason = "it listens")] UnixListener, String);

    pub(crate) fn server(path: &str) -> Server {
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(path).unwrap();
        // Linux lets in one client more (docs/unix.md).
        Server(socket.listen(0).unwrap(), path.to_owned())
    }

    impl Drop for Server {
        fn drop(&mut self) {
            fs::remove_file(&self.1).unwrap();
        }
    }

    pub(crate) async fn client(path: &str) -> UnixStream {
        UnixStream::connect(path).await.unwrap()
    }
}
