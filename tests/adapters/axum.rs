//! axum serves a listener.

use futures::future::join_all;
use npipes::pipe::PeerHandle;

use crate::{
    http::{AxumServer, Client, assert_is_this_process, listen},
    support::unique_name,
    trouble::Troubles,
};

async fn ask(clients: &mut [Client], times: usize) {
    join_all(clients.iter_mut().map(|client| async move {
        for _ in 0..times {
            assert_is_this_process(&client.whoami().await);
        }
    }))
    .await;
}

#[tokio::test]
async fn a_thousand_requests_outlive_a_restart_and_nobody_fails() {
    let (troubles, _guard) = Troubles::record();
    let name = unique_name();
    let mut clients: Vec<_> = (0..20).map(|_| Client::new(&name)).collect();

    let server = AxumServer::start(&name).await;
    ask(&mut clients, 25).await;
    assert_eq!(server.stop().await, 20);
    join_all(clients.iter_mut().map(Client::closed)).await;

    let mut asking = Box::pin(ask(&mut clients, 25));
    assert!(futures::poll!(&mut asking).is_pending());
    let server = AxumServer::start(&name).await;
    asking.await;
    join_all(clients.iter_mut().map(Client::close)).await;
    assert_eq!(server.stop().await, 20);

    troubles.assert_none();
    troubles.assert_heard("axum");
}

#[cfg(windows)]
#[tokio::test]
async fn a_client_that_asks_for_no_static_tracking_is_known_when_its_request_is_handled() {
    let (troubles, _guard) = Troubles::record();
    let name = unique_name();
    let server = AxumServer::start(&name).await;
    let path = format!(r"\\.\pipe\{name}");
    let asking = tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut pipe = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        pipe.write_all(b"GET /whoami HTTP/1.1\r\nhost: pipe\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        pipe.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer = crate::support::within(asking).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_is_this_process(body);
    server.stop().await;
    troubles.assert_none();
}

#[tokio::test]
async fn the_address_is_the_name_and_needs_no_tapping() {
    use axum::{Router, extract::ConnectInfo, routing::get, serve::Listener as _};

    let (_troubles, _guard) = Troubles::record();
    let name = unique_name();
    let listener = listen(&name).await;
    assert!(listener.local_addr().unwrap().as_str().ends_with(&name));

    let named = async |ConnectInfo(client): ConnectInfo<PeerHandle>| {
        let peer = client.peer().unwrap();
        assert!(client.name().unwrap().as_str().contains("npipes-test"));
        format!("{:?} {}", peer.process_id, peer.user_id())
    };
    let app = Router::new().route("/whoami", get(named));
    let app = app.into_make_service_with_connect_info::<PeerHandle>();
    let serving = tokio::spawn(axum::serve(listener, app).into_future());
    assert_is_this_process(&Client::new(&name).whoami().await);
    serving.abort();
}
