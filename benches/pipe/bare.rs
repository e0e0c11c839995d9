//! Tokio's own pipes of the system, as little as there is to be done with them.

use std::time::Duration;

#[cfg(windows)]
use tokio::net::windows::named_pipe::{
    ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions,
};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

#[cfg(windows)]
pub(crate) type ServerEnd = NamedPipeServer;
#[cfg(windows)]
pub(crate) type ClientEnd = NamedPipeClient;
#[cfg(unix)]
pub(crate) type ServerEnd = UnixStream;
#[cfg(unix)]
pub(crate) type ClientEnd = UnixStream;

#[cfg(windows)]
pub(crate) fn path(name: &str) -> String {
    format!(r"\\.\pipe\{name}")
}

#[cfg(unix)]
pub(crate) fn path(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(name)
}

pub(crate) struct Listener {
    #[cfg(windows)]
    waiting: NamedPipeServer,
    #[cfg(windows)]
    path: String,
    #[cfg(unix)]
    listener: UnixListener,
    #[cfg(unix)]
    path: std::path::PathBuf,
}

impl Listener {
    pub(crate) fn bind(name: &str) -> Self {
        let path = path(name);
        #[cfg(windows)]
        let waiting = ServerOptions::new().first_pipe_instance(true).create(&path).unwrap();
        #[cfg(unix)]
        let listener = UnixListener::bind(&path).unwrap();
        Self {
            #[cfg(windows)]
            waiting,
            #[cfg(unix)]
            listener,
            path,
        }
    }

    #[cfg(windows)]
    pub(crate) async fn accept(&mut self) -> ServerEnd {
        self.waiting.connect().await.unwrap();
        let next = ServerOptions::new().create(&self.path).unwrap();
        std::mem::replace(&mut self.waiting, next)
    }

    #[cfg(unix)]
    pub(crate) async fn accept(&mut self) -> ServerEnd {
        self.listener.accept().await.unwrap().0
    }
}

#[cfg(unix)]
impl Drop for Listener {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
    }
}

/// Opens a pipe with Tokio alone; connecting is not what this benchmark measures.
pub(crate) async fn open(name: &str) -> ClientEnd {
    loop {
        #[cfg(windows)]
        let opened = ClientOptions::new().open(path(name));
        #[cfg(unix)]
        let opened = UnixStream::connect(path(name)).await;
        if let Ok(client) = opened {
            return client;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
