//! The end of serving, with the pipes full.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    thread,
};

use futures::future::join_all;
use npipes::{Connection, ListenerOptions, PipeStream, connect, server::ServeOptions};
use tokio::{runtime, sync::oneshot, task::yield_now};
use tokio_util::sync::CancellationToken;

use crate::support::{pattern, unique_name, within};

const CLIENTS: u32 = 100;

/// Larger than the pipe's buffer, so that a reply is still on its way when the handler is done.
const LARGE: usize = 80 * 1024;

fn request(client: u32, number: u32) -> Vec<u8> {
    [client.to_le_bytes(), number.to_le_bytes()].concat()
}

/// Every other reply is small, and waits in the pipe when the server is gone.
fn reply(request: &[u8]) -> Vec<u8> {
    let seed = u64::from_le_bytes(request.try_into().unwrap());
    let len = if request[4] % 2 == 0 { LARGE } else { 16 };
    [request, &pattern(len, seed)].concat()
}

/// Asks until the server hangs up, and returns the requests that were answered.
async fn ask(
    mut connection: Connection<PipeStream>,
    client: u32,
    warm: oneshot::Sender<()>,
) -> Vec<Vec<u8>> {
    let mut warm = Some(warm);
    let mut answered = Vec::new();
    for number in 0.. {
        let request = request(client, number);
        // After shutdown a request finds no reader, and then no pipe.
        if within(connection.send(request.clone())).await.is_err() {
            break;
        }
        match within(connection.receive()).await {
            Ok(Some(answer)) => assert!(answer == reply(&request)[..], "not the reply to this"),
            Ok(None) => break,
            Err(error) => panic!("{error:?} instead of the reply or the end"),
        }
        answered.push(request);
        if number == 3 {
            let _ = warm.take().map(|warm| warm.send(()));
        }
    }
    answered
}

/// The server has a runtime of its own, which is gone as soon as `serve` returns: what it has not
/// given to the operating system by then is lost.
#[test]
fn shutdown_under_a_hundred_busy_connections_loses_no_reply_that_was_begun() {
    let name = unique_name();
    let begun = Arc::new(Mutex::new(BTreeSet::new()));
    let shutdown = CancellationToken::new();
    let (ready, is_ready) = oneshot::channel();
    let server = thread::spawn({
        let (name, begun, shutdown) = (name.clone(), Arc::clone(&begun), shutdown.clone());
        move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let served = runtime.block_on(async {
                let listener = ListenerOptions::new().backlog(16).bind(&name).unwrap();
                ready.send(()).unwrap();
                let handler = move |mut connection: Connection<PipeStream>,
                                    told: CancellationToken| {
                    let begun = Arc::clone(&begun);
                    async move {
                        while let Some(received) =
                            told.run_until_cancelled(connection.receive()).await
                        {
                            let Some(request) = received? else { break };
                            begun.lock().unwrap().insert(request.to_vec());
                            yield_now().await;
                            connection.send(reply(&request)).await?;
                        }
                        Ok(connection)
                    }
                };
                within(ServeOptions::new().serve(listener, shutdown, handler)).await
            });
            runtime.shutdown_background();
            served
        }
    });

    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answered = runtime.block_on(async {
        within(is_ready).await.unwrap();
        let (mut clients, mut warm) = (Vec::new(), Vec::new());
        for client in 0..CLIENTS {
            let connection = within(connect(&name)).await.unwrap();
            let (is_warm, waits) = oneshot::channel();
            clients.push(tokio::spawn(ask(connection, client, is_warm)));
            warm.push(waits);
        }
        within(join_all(warm)).await;
        shutdown.cancel();
        within(join_all(clients)).await
    });

    let served = server.join().unwrap();
    assert_eq!((served.accepted, served.panicked, served.cut), (u64::from(CLIENTS), 0, 0));
    let answered: BTreeSet<_> = answered.into_iter().flat_map(Result::unwrap).collect();
    let begun = Arc::into_inner(begun).unwrap().into_inner().unwrap();
    assert!(answered.len() >= 4 * CLIENTS as usize);
    let lost: Vec<_> = begun.difference(&answered).collect();
    assert!(lost.is_empty(), "{} of {} replies are lost: {lost:?}", lost.len(), begun.len());
}
