//! gRPC over a pipe with tonic: a call, and a stream of answers.
//!
//! `cargo run --features tonic_0_14 --example grpc`
//!
//! `kitchen.rs` is generated from `kitchen.proto` and kept here, so that the build needs no
//! `protoc`. Your own project calls `tonic_prost_build::compile_protos("kitchen.proto")` in its
//! `build.rs`.

#[allow(unreachable_pub, unused_qualifications, reason = "generated, and for a library")]
#[rustfmt::skip]
mod kitchen;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::{
        pin::Pin,
        sync::atomic::{AtomicU32, Ordering},
    };

    use futures::{Stream, stream};
    use npipes::{Listener, adapters::tonic_0_14::PipeIncoming, pipe::Connector, pipe::PeerHandle};
    use tokio::sync::oneshot;
    use tonic::{
        Request, Response, Status,
        transport::{Endpoint, Server},
    };

    use kitchen::{
        Course, Order, Receipt,
        kitchen_client::KitchenClient,
        kitchen_server::{Kitchen, KitchenServer},
    };

    #[derive(Default)]
    struct Cook {
        orders: AtomicU32,
    }

    #[tonic::async_trait]
    impl Kitchen for Cook {
        async fn place(&self, request: Request<Order>) -> Result<Response<Receipt>, Status> {
            let client = request.extensions().get::<PeerHandle>();
            let client = client.ok_or_else(|| Status::internal("not over a pipe"))?;
            // Whoever cannot be identified is nobody.
            let client = client.peer().map_err(|e| Status::unauthenticated(e.to_string()))?;
            let number = 1 + self.orders.fetch_add(1, Ordering::Relaxed);
            let process = client.process_id.unwrap_or_default();
            Ok(Response::new(Receipt { number, process, user: client.user_id() }))
        }

        type CoursesStream = Pin<Box<dyn Stream<Item = Result<Course, Status>> + Send>>;

        async fn courses(
            &self,
            request: Request<Order>,
        ) -> Result<Response<Self::CoursesStream>, Status> {
            let dish = request.into_inner().dish;
            let courses =
                ["soup", &dish, "coffee"].map(|name| Ok(Course { name: name.to_owned() }));
            Ok(Response::new(Box::pin(stream::iter(courses))))
        }
    }

    let name = format!("npipes-grpc-{}", std::process::id());
    let incoming = PipeIncoming::new(Listener::bind(&name)?);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::builder()
        .add_service(KitchenServer::new(Cook::default()))
        .serve_with_incoming_shutdown(incoming, async { drop(stopped.await) });
    let server = tokio::spawn(server);

    // The authority of the URI is a header of the requests, no address.
    let endpoint = Endpoint::from_static("http://kitchen");
    let channel = endpoint.connect_with_connector(Connector::new(&name)?).await?;
    let mut kitchen = KitchenClient::new(channel);
    for dish in ["pie", "tart"] {
        let receipt = kitchen.place(Order { dish: dish.to_owned() }).await?.into_inner();
        let whose = if receipt.process == std::process::id() { "this one" } else { "another" };
        println!("order {}: by process {whose}, of {}", receipt.number, receipt.user);
    }
    let mut courses = kitchen.courses(Order { dish: "pie".to_owned() }).await?.into_inner();
    while let Some(course) = courses.message().await? {
        println!("a course: {}", course.name);
    }

    drop(kitchen);
    drop(stop);
    server.await??;
    println!("the server has ended");
    Ok(())
}
