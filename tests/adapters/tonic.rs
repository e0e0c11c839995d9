//! gRPC by tonic: a server on a listener, and channels to it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use futures::{Stream, TryStreamExt, future::join_all, stream};
use npipes::{adapters::tonic_0_14::PipeIncoming, pipe::Connector, pipe::PeerHandle};
use tokio::{sync::oneshot, task::JoinHandle};
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint, Error, Server as TonicServer},
};

use crate::{
    http::{listen, patient},
    kitchen::{
        Course, Order, Receipt,
        kitchen_client::KitchenClient,
        kitchen_server::{Kitchen, KitchenServer},
    },
    support::{unique_name, within},
    trouble::Troubles,
};

#[derive(Default)]
struct Cook {
    orders: AtomicU32,
}

#[tonic::async_trait]
impl Kitchen for Cook {
    async fn place(&self, request: Request<Order>) -> Result<Response<Receipt>, Status> {
        let client = request.extensions().get::<PeerHandle>().unwrap();
        let client = client.peer().map_err(|e| Status::unauthenticated(e.to_string()))?;
        let number = 1 + self.orders.fetch_add(1, Ordering::Relaxed);
        let process = client.process_id.unwrap_or_default();
        Ok(Response::new(Receipt { number, process, user: client.user_id() }))
    }

    type CoursesStream = Pin<Box<dyn Stream<Item = Result<Course, Status>> + Send>>;

    /// Never ends.
    async fn courses(
        &self,
        order: Request<Order>,
    ) -> Result<Response<Self::CoursesStream>, Status> {
        let name = order.into_inner().dish;
        Ok(Response::new(Box::pin(stream::repeat(Ok(Course { name })))))
    }
}

pub(crate) struct Server {
    connections: Arc<AtomicU32>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), Error>>,
}

impl Server {
    pub(crate) async fn start(name: &str) -> Self {
        let connections = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&connections);
        let incoming = PipeIncoming::new(listen(name).await).inspect_ok(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = TonicServer::builder()
            .add_service(KitchenServer::new(Cook::default()))
            .serve_with_incoming_shutdown(incoming, async { drop(stopped.await) });
        Self { connections, stop, running: tokio::spawn(serving) }
    }

    /// Waits until it has had so many connections.
    pub(crate) async fn accepted(&self, connections: u32) {
        within(async {
            while self.connections.load(Ordering::Relaxed) < connections {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Waits until all of its connections are closed, and returns how many there were.
    pub(crate) async fn stop(self) -> u32 {
        drop(self.stop);
        within(self.running).await.unwrap().unwrap();
        self.connections.load(Ordering::Relaxed)
    }
}

pub(crate) async fn channel(name: &str) -> KitchenClient<Channel> {
    let connector = Connector::with_options(name, &patient()).unwrap();
    let endpoint = Endpoint::from_static("http://kitchen");
    KitchenClient::new(within(endpoint.connect_with_connector(connector)).await.unwrap())
}

pub(crate) async fn ask(clients: &mut [KitchenClient<Channel>], times: usize) {
    join_all(clients.iter_mut().map(|client| async move {
        for _ in 0..times {
            let receipt = within(client.place(Order::default())).await.unwrap().into_inner();
            assert_eq!(receipt.process, std::process::id());
            let begins = if cfg!(windows) { "S-1-5-" } else { "" };
            assert!(!receipt.user.is_empty() && receipt.user.starts_with(begins), "{receipt:?}");
        }
    }))
    .await;
}

#[tokio::test]
async fn a_thousand_calls_outlive_a_restart_and_nobody_fails() {
    let (troubles, _guard) = Troubles::record();
    let name = unique_name();
    let server = Server::start(&name).await;
    let mut clients = join_all((0..20).map(|_| channel(&name))).await;
    ask(&mut clients, 25).await;
    assert_eq!(server.stop().await, 20);

    let mut asking = Box::pin(ask(&mut clients, 25));
    assert!(futures::poll!(&mut asking).is_pending());
    let server = Server::start(&name).await;
    asking.await;
    drop(clients);
    assert_eq!(server.stop().await, 20);

    troubles.assert_none();
    troubles.assert_heard("tonic");
}

#[tokio::test]
async fn a_client_that_hangs_up_amid_a_stream_of_answers_is_no_trouble() {
    let (troubles, _guard) = Troubles::record();
    let name = unique_name();
    let server = Server::start(&name).await;
    let mut client = channel(&name).await;
    let order = Order { dish: "pie".to_owned() };
    let mut courses = within(client.courses(order)).await.unwrap().into_inner();
    for _ in 0..10 {
        assert_eq!(within(courses.message()).await.unwrap().unwrap().name, "pie");
    }
    drop((courses, client));
    server.stop().await;
    troubles.assert_none();
}
