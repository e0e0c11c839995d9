//! An HTTP/1.1 client that keeps one connection and says how it ended, and a server to ask.

use std::{
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, State},
    http::StatusCode,
    routing::get,
    serve::ListenerExt,
};
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use npipes::{ConnectOptions, Error, Listener, pipe::PeerHandle};
use tokio::{
    sync::{Semaphore, oneshot},
    task::JoinHandle,
};

use crate::support::within;

/// Tells the process and the user of whoever asks.
async fn whoami(
    State(requests): State<Arc<Semaphore>>,
    ConnectInfo(client): ConnectInfo<PeerHandle>,
) -> Result<String, StatusCode> {
    requests.add_permits(1);
    let peer = client.peer().map_err(|_| StatusCode::FORBIDDEN)?;
    Ok(format!("{:?} {}", peer.process_id, peer.user_id()))
}

/// What [`whoami`] says to this process.
pub(crate) fn assert_is_this_process(told: &str) {
    let user = if cfg!(windows) { "S-1-5-" } else { "" };
    let process = format!("{:?} {user}", Some(std::process::id()));
    assert!(told.starts_with(&process), "{told}");
}

/// Listens as soon as the name is free: the last handle of a server that has ended is closed when the
/// runtime has looked for finished I/O.
pub(crate) async fn listen(name: &str) -> Listener {
    within(async {
        loop {
            match Listener::bind(name) {
                Err(Error::NameTaken { .. }) => tokio::task::yield_now().await,
                bound => break bound.unwrap(),
            }
        }
    })
    .await
}

/// A client's options where servers come and go.
pub(crate) fn patient() -> ConnectOptions {
    let a_minute = Duration::from_secs(60);
    ConnectOptions::new().timeout(a_minute).not_found(ConnectOptions::WAIT_FOR_SERVER)
}

/// An axum server that can be stopped.
pub(crate) struct AxumServer {
    connections: Arc<AtomicU32>,
    /// A permit for each request that has come and that nobody has waited for.
    requests: Arc<Semaphore>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<std::io::Result<()>>,
}

impl AxumServer {
    pub(crate) async fn start(name: &str) -> Self {
        let connections = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&connections);
        let listener = listen(name).await.tap_io(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let requests = Arc::new(Semaphore::new(0));
        let app = Router::new().route("/whoami", get(whoami)).with_state(Arc::clone(&requests));
        let app = app.into_make_service_with_connect_info::<PeerHandle>();
        let (stop, stopped) = oneshot::channel();
        let serving =
            axum::serve(listener, app).with_graceful_shutdown(async move { drop(stopped.await) });
        Self { connections, requests, stop, running: tokio::spawn(serving.into_future()) }
    }

    /// Waits for the next `count` requests. A connection that is told to stop before its first bytes
    /// have reached HTTP ends with an error.
    pub(crate) async fn asked(&self, count: u32) {
        within(self.requests.acquire_many(count)).await.unwrap().forget();
    }

    /// Waits until all of its connections are closed, and returns how many there were.
    pub(crate) async fn stop(self) -> u32 {
        drop(self.stop);
        within(self.running).await.unwrap().unwrap();
        self.connections.load(Ordering::Relaxed)
    }
}

type Sender = SendRequest<Empty<Bytes>>;

/// A client that keeps a connection until the server ends it.
pub(crate) struct Client {
    name: String,
    connection: Option<(Sender, JoinHandle<hyper::Result<()>>)>,
}

impl Client {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), connection: None }
    }

    pub(crate) async fn whoami(&mut self) -> String {
        if self.connection.is_none() {
            let stream = within(patient().connect_stream(&*self.name)).await.unwrap();
            let (sender, connection) = within(handshake(TokioIo::new(stream))).await.unwrap();
            self.connection = Some((sender, tokio::spawn(connection)));
        }
        let (sender, _) = self.connection.as_mut().unwrap();
        within(sender.ready()).await.unwrap();
        let request = Request::get("/whoami").header("host", "pipe").body(Empty::new()).unwrap();
        let answer = within(sender.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = within(answer.into_body().collect()).await.unwrap().to_bytes();
        String::from_utf8(body.into()).unwrap()
    }

    /// Waits until the server has closed the connection, which is to be no error.
    pub(crate) async fn closed(&mut self) {
        let (_sender, connection) = self.connection.take().unwrap();
        within(connection).await.unwrap().unwrap();
    }

    /// Closes the connection, which is to be no error.
    pub(crate) async fn close(&mut self) {
        let (sender, connection) = self.connection.take().unwrap();
        drop(sender);
        within(connection).await.unwrap().unwrap();
    }
}
