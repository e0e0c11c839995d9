//! hyper-util's client over a pipe, and hyper's own server.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use futures::future::join_all;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{Response, body::Bytes, rt::Executor, server::conn::http1, service::service_fn};
use hyper_util::{client::legacy::Client, rt::TokioIo, server::graceful::GracefulShutdown};
use npipes::{
    Listener, PipeStream,
    pipe::{Connector, PeerHandle},
};
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::task::TaskTracker;

use crate::{
    http::{assert_is_this_process, listen, patient},
    support::{unique_name, within},
    trouble::Troubles,
};

/// How each connection of a server has ended.
type Endings = Arc<Mutex<Vec<hyper::Result<()>>>>;

struct Server {
    stop: oneshot::Sender<()>,
    running: JoinHandle<GracefulShutdown>,
}

impl Server {
    async fn start(name: &str, endings: &Endings) -> Self {
        let listener = listen(name).await;
        let (stop, stopped) = oneshot::channel();
        let endings = Arc::clone(endings);
        Self { stop, running: tokio::spawn(serve(listener, stopped, endings)) }
    }

    async fn stop(self) {
        drop(self.stop);
        within(within(self.running).await.unwrap().shutdown()).await;
    }
}

async fn serve(
    mut listener: Listener,
    mut stopped: oneshot::Receiver<()>,
    endings: Endings,
) -> GracefulShutdown {
    let graceful = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            stream = listener.accept_stream() => stream.unwrap(),
            _ = &mut stopped => return graceful,
        };
        let serving = graceful.watch(connection(stream));
        let endings = Arc::clone(&endings);
        tokio::spawn(async move {
            let ending = serving.await;
            endings.lock().unwrap().push(ending);
        });
    }
}

fn connection(
    stream: PipeStream,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send {
    let client = stream.peer_handle();
    let answer = service_fn(move |_| {
        let text = whoami(&client);
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(text))) }
    });
    http1::Builder::new().serve_connection(TokioIo::new(stream), answer)
}

fn whoami(client: &PeerHandle) -> String {
    let peer = client.peer().unwrap();
    format!("{:?} {}", peer.process_id, peer.user_id())
}

/// Runs a client's tasks and tells when the last has ended.
#[derive(Clone, Default)]
struct Tasks(TaskTracker);

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

impl Tasks {
    async fn ended(&self) {
        self.0.close();
        within(self.0.wait()).await;
        self.0.reopen();
    }
}

type HttpClient = Client<Connector, Empty<Bytes>>;

async fn ask(clients: &[HttpClient], times: usize) {
    join_all(clients.iter().map(|client| async move {
        for _ in 0..times {
            let uri = "http://kitchen/whoami".parse().unwrap();
            let answer = within(client.get(uri)).await.unwrap();
            let body = within(answer.into_body().collect()).await.unwrap().to_bytes();
            assert_is_this_process(std::str::from_utf8(&body).unwrap());
        }
    }))
    .await;
}

#[tokio::test]
async fn a_thousand_requests_outlive_a_restart_and_nobody_fails() {
    let (troubles, _guard) = Troubles::record();
    let (name, endings) = (unique_name(), Endings::default());
    let connector = Connector::with_options(&*name, &patient()).unwrap();
    let tasks = Tasks::default();
    let client = || Client::builder(tasks.clone()).build(connector.clone());
    let clients: Vec<HttpClient> = (0..20).map(|_| client()).collect();

    let server = Server::start(&name, &endings).await;
    ask(&clients, 25).await;
    server.stop().await;
    // A request on a connection that has ended unseen would fail, as it would over TCP.
    tasks.ended().await;

    let mut asking = Box::pin(ask(&clients, 25));
    assert!(futures::poll!(&mut asking).is_pending());
    let server = Server::start(&name, &endings).await;
    asking.await;
    drop(clients);
    tasks.ended().await;
    server.stop().await;

    let endings = endings.lock().unwrap();
    assert!(endings.iter().all(Result::is_ok), "{endings:?}");
    // Each client had one to each server at least.
    assert!(endings.len() >= 40, "{}", endings.len());
    troubles.assert_none();
    troubles.assert_heard("hyper_util");
}
