//! What is on the pipe is the protocol's own, from the first byte.

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use npipes::pipe::Connector;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::windows::named_pipe::{ClientOptions, NamedPipeServer, ServerOptions},
};
use tonic::transport::Endpoint;

use crate::{
    http::AxumServer,
    support::{unique_name, within},
    tonic::Server,
    trouble::Troubles,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads as many bytes as `expected` has from a client.
async fn begins(mut server: NamedPipeServer, expected: &[u8]) {
    within(server.connect()).await.unwrap();
    let mut first = vec![0; expected.len()];
    within(server.read_exact(&mut first)).await.unwrap();
    assert_eq!(first, expected, "{:?}", String::from_utf8_lossy(&first));
}

fn raw(name: &str) -> (String, NamedPipeServer) {
    let path = format!(r"\\.\pipe\{name}");
    let server = ServerOptions::new().first_pipe_instance(true).create(&path).unwrap();
    (path, server)
}

#[tokio::test]
async fn hyper_utils_client_begins_with_its_request() {
    let (_troubles, _guard) = Troubles::record();
    let (path, server) = raw(&unique_name());
    let connector = Connector::new(&*path).unwrap();
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    let asking = tokio::spawn(client.get("http://kitchen/menu".parse().unwrap()));
    begins(server, b"GET /menu HTTP/1.1\r\nhost: kitchen\r\n\r\n").await;
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
    begins(server, PREFACE).await;
    drop(within(channel).await.unwrap());
}

#[tokio::test]
async fn axum_answers_a_client_that_knows_nothing_of_this_crate() {
    let (_troubles, _guard) = Troubles::record();
    let name = unique_name();
    let server = AxumServer::start(&name).await;
    let mut client = ClientOptions::new().open(format!(r"\\.\pipe\{name}")).unwrap();
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
    let mut client = ClientOptions::new().open(format!(r"\\.\pipe\{name}")).unwrap();
    let no_settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    within(client.write_all(&[PREFACE, &no_settings[..]].concat())).await.unwrap();
    let mut header = [0; 9];
    within(client.read_exact(&mut header)).await.unwrap();
    // A frame of settings, of stream 0.
    assert_eq!((header[3], &header[5..]), (4, &[0; 4][..]));
    drop(client);
    server.stop().await;
}
