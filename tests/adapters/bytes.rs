//! What is on the pipe is the protocol's own, from the first byte.

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use npipes::{PipeName, pipe::Connector};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tonic::transport::Endpoint;

use crate::{
    http::AxumServer,
    support::{unique_name, within},
    tonic::Server,
    trouble::Troubles,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads as many bytes as `expected` has from a client.
async fn begins(mut server: impl AsyncRead + Unpin, expected: &[u8]) {
    let mut first = vec![0; expected.len()];
    within(server.read_exact(&mut first)).await.unwrap();
    assert_eq!(first, expected, "{:?}", String::from_utf8_lossy(&first));
}

/// A server that knows nothing of this crate.
#[cfg(windows)]
struct Raw(tokio::net::windows::named_pipe::NamedPipeServer);
#[cfg(unix)]
struct Raw(tokio::net::UnixListener, String);

impl Raw {
    fn at(path: &str) -> Self {
        #[cfg(windows)]
        return Self(
            tokio::net::windows::named_pipe::ServerOptions::new()
                .first_pipe_instance(true)
                .create(path)
                .unwrap(),
        );
        #[cfg(unix)]
        Self(tokio::net::UnixListener::bind(path).unwrap(), path.to_owned())
    }

    /// Waits for a client.
    async fn client(self) -> impl AsyncRead + Unpin {
        #[cfg(windows)]
        within(self.0.connect()).await.unwrap();
        #[cfg(windows)]
        return self.0;
        #[cfg(unix)]
        {
            let client = within(self.0.accept()).await.unwrap().0;
            std::fs::remove_file(self.1).unwrap();
            client
        }
    }
}

fn raw(name: &str) -> (String, Raw) {
    let path = PipeName::new(name).unwrap().to_string();
    let server = Raw::at(&path);
    (path, server)
}

/// A client that knows nothing of this crate.
async fn plain_client(name: &str) -> impl AsyncRead + AsyncWrite + Unpin {
    let path = PipeName::new(name).unwrap().to_string();
    #[cfg(windows)]
    return tokio::net::windows::named_pipe::ClientOptions::new().open(path).unwrap();
    #[cfg(unix)]
    within(tokio::net::UnixStream::connect(path)).await.unwrap()
}

#[tokio::test]
async fn hyper_utils_client_begins_with_its_request() {
    let (_troubles, _guard) = Troubles::record();
    let (path, server) = raw(&unique_name());
    let connector = Connector::new(&*path).unwrap();
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    let asking = tokio::spawn(client.get("http://kitchen/menu".parse().unwrap()));
    begins(server.client().await, b"GET /menu HTTP/1.1\r\nhost: kitchen\r\n\r\n").await;
    within(asking).await.unwrap().unwrap_err();
}

#[tokio::test]
async fn tonics_channel_begins_with_the_preface_of_http_2() {
    let (_troubles, _guard) = Troubles::record();
    let (path, server) = raw(&unique_name());
    let connector = Connector::new(&*path).unwrap();
    let channel = tokio::spawn(async move {
        Endpoint::from_static("http://kitchen").connect_with_connector(connector).await
    });
    begins(server.client().await, PREFACE).await;
    drop(within(channel).await.unwrap());
}

#[tokio::test]
async fn axum_answers_a_client_that_knows_nothing_of_this_crate() {
    let (_troubles, _guard) = Troubles::record();
    let name = unique_name();
    let server = AxumServer::start(&name).await;
    let mut client = plain_client(&name).await;
    within(client.write_all(b"GET /nowhere HTTP/1.1\r\nhost: pipe\r\n\r\n")).await.unwrap();
    let mut first = [0; 26];
    within(client.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 404 Not Found\r\nco");
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn tonic_answers_a_client_that_knows_nothing_of_this_crate() {
    let (_troubles, _guard) = Troubles::record();
    let name = unique_name();
    let server = Server::start(&name).await;
    let mut client = plain_client(&name).await;
    let no_settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    within(client.write_all(&[PREFACE, &no_settings[..]].concat())).await.unwrap();
    let mut header = [0; 9];
    within(client.read_exact(&mut header)).await.unwrap();
    // A frame of settings, of stream 0.
    assert_eq!((header[3], &header[5..]), (4, &[0; 4][..]));
    drop(client);
    server.stop().await;
}
