//! Many at once, and at the wrong moment.

use std::time::Duration;

use npipes::{
    ConnectOptions, Error, Listener, ListenerOptions, connect,
    retry::{Backoff, Retry},
};

use crate::support::{unique_name, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connects_in_a_row_find_a_listener_that_drops_each() {
    let name = unique_name();
    let mut listener = ListenerOptions::new().backlog(1).bind(&name).unwrap();
    let server = tokio::spawn(async move {
        for _ in 0..1000 {
            drop(listener.accept().await.unwrap());
        }
        listener
    });
    for _ in 0..1000 {
        drop(within(connect(&name)).await.unwrap());
    }
    within(server).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_can_be_listened_on_again_and_again_while_a_client_tries() {
    let name = unique_name();
    for _ in 0..50 {
        let client = tokio::spawn({
            let name = name.clone();
            async move { connect(&name).await }
        });
        // The one before is closed; Windows needs a moment to forget its name.
        let listener = loop {
            match Listener::bind(&name) {
                Err(Error::NameTaken { .. }) => tokio::task::yield_now().await,
                listener => break listener.unwrap(),
            }
        };
        within(listener.close()).await;
        // In time or too early or too late: each is right.
        match within(client).await.unwrap() {
            Ok(_) => {}
            Err(Error::Connect(e)) => assert!(e.timeout.is_none(), "{e:?}"),
            Err(e) => panic!("{e:?}"),
        }
    }
}

#[tokio::test]
async fn clients_that_connect_at_once_are_all_served() {
    const CLIENTS: usize = 100;
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let name = name.clone();
            tokio::spawn(async move {
                let options = ConnectOptions::new().timeout(Duration::from_secs(60));
                let mut client = options.connect(&name).await?;
                client.send(number.to_string()).await?;
                let echo = client.receive().await?;
                Ok::<_, Error>(echo.is_some_and(|echo| echo == number.to_string().as_bytes()))
            })
        })
        .collect();
    for _ in 0..CLIENTS {
        let mut connection = within(listener.accept()).await.unwrap();
        tokio::spawn(async move {
            while let Some(message) = connection.receive().await? {
                connection.send(message).await?;
            }
            Ok::<_, Error>(())
        });
    }
    for client in clients {
        assert!(within(client).await.unwrap().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn every_client_comes_back_after_a_restart_and_none_spins() {
    const CLIENTS: usize = 32;
    const CAP: Duration = Duration::from_millis(250);
    const DOWNTIME: Duration = Duration::from_secs(3);
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let name = name.clone();
            tokio::spawn(async move {
                let absent = Retry::with_backoff(Backoff::new(Duration::from_millis(10), CAP));
                let options =
                    ConnectOptions::new().not_found(absent).timeout(Duration::from_secs(600));
                let mut connection = options.connect(&name).await.unwrap();
                assert_eq!(connection.receive().await.unwrap(), None);
                let connection = options.connect(&name).await.unwrap();
                (connection, tokio::time::Instant::now())
            })
        })
        .collect();
    let mut connections = Vec::new();
    for _ in 0..CLIENTS {
        connections.push(within(listener.accept()).await.unwrap());
    }
    within(listener.close()).await;
    drop(connections);
    tokio::time::sleep(DOWNTIME).await;

    let mut listener = Listener::bind(&name).unwrap();
    let restarted = tokio::time::Instant::now();
    let mut connections = Vec::new();
    for _ in 0..CLIENTS {
        connections.push(within(listener.accept()).await.unwrap());
    }
    let mut last = restarted;
    let mut retries = Vec::new();
    for client in clients {
        let (connection, at) = within(client).await.unwrap();
        last = last.max(at);
        retries.push(connection.stats().retries);
    }
    // The cap at the longest until it looks again, and then its turn among the busy.
    assert!(last - restarted <= CAP + Duration::from_secs(5), "{:?}", last - restarted);
    // 3 s and the cap at half the cap a time is 26; a client that spins tries thousands of times.
    assert!(retries.iter().all(|retries| *retries < 150), "{retries:?}");
}
