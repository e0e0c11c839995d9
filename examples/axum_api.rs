//! An HTTP API over a pipe. axum serves it, and hyper-util's client uses it.
//!
//! `cargo run --features axum_0_8,hyper_util_0_1 --example axum_api`

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    use std::sync::Arc;

    use axum::{
        Router,
        extract::{ConnectInfo, State},
        http::StatusCode,
        routing::get,
    };
    use http_body_util::BodyExt;
    use hyper::Request;
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    use npipes::{
        Listener,
        pipe::{Connector, PeerHandle},
    };
    use tokio::sync::{Mutex, Notify};

    type Orders = Arc<Mutex<Vec<String>>>;

    async fn list(State(orders): State<Orders>) -> String {
        orders.lock().await.join("\n")
    }

    async fn place(
        State(orders): State<Orders>,
        ConnectInfo(client): ConnectInfo<PeerHandle>,
        order: String,
    ) -> Result<(StatusCode, String), StatusCode> {
        // Whoever cannot be identified is nobody.
        let client = client.peer().map_err(|_| StatusCode::FORBIDDEN)?;
        let mut orders = orders.lock().await;
        orders.push(format!("{order}, for {}", client.user_id()));
        Ok((StatusCode::CREATED, format!("order {}", orders.len())))
    }

    let name = format!("npipes-axum-{}", std::process::id());
    let app = Router::new().route("/orders", get(list).post(place)).with_state(Orders::default());
    let app = app.into_make_service_with_connect_info::<PeerHandle>();
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let server = axum::serve(Listener::bind(&name)?, app)
        .with_graceful_shutdown(async move { stopped.notified().await });
    let server = tokio::spawn(server.into_future());

    let client = Client::builder(TokioExecutor::new()).build(Connector::new(&name)?);
    for order in ["two coffees", "one tea"] {
        let request = Request::post("http://kitchen/orders").body(order.to_owned())?;
        let answer = client.request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        println!("{status}: {}", String::from_utf8_lossy(&body));
    }
    let answer = client.get("http://kitchen/orders".parse()?).await?;
    let body = answer.into_body().collect().await?.to_bytes();
    println!("{}", String::from_utf8_lossy(&body));

    stop.notify_one();
    server.await??;
    println!("the server has ended");
    Ok(())
}
