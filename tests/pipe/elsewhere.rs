//! A server in another process, as its client sees it.

use std::{
    env,
    io::Read,
    sync::{Arc, Mutex},
};

use npipes::{ConnectOptions, Error, Listener, PipeServer, ServerIdentity, Sid};

use crate::{
    child::{Process, tell},
    support::{unique_name, within},
};

/// Names the pipe to [`the_server`].
const NAME: &str = "NPIPES_TEST_ELSEWHERE";

/// The program of the other process: serves until its standard input ends. By itself it does nothing.
#[tokio::test]
async fn the_server() {
    let Ok(name) = env::var(NAME) else {
        return;
    };
    let _listener = Listener::bind(name).unwrap();
    tell("serving");
    let ended = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(ended).await.unwrap().unwrap();
}

async fn serve_elsewhere(name: &str) -> Process {
    let mut server = Process::start("elsewhere::the_server", NAME, name);
    assert_eq!(server.answer().await, "serving");
    server
}

#[tokio::test]
async fn its_process_is_seen_and_its_user() {
    let name = unique_name();
    let server = serve_elsewhere(&name).await;
    let seen = Arc::new(Mutex::new(None::<PipeServer>));
    let witness = Arc::clone(&seen);
    let identity = ServerIdentity::judged_by(move |server| {
        *witness.lock().unwrap() = Some(*server);
        true
    });
    within(ConnectOptions::new().server_identity(identity).connect(&name)).await.unwrap();
    let seen = seen.lock().unwrap().take().unwrap();
    assert_eq!(seen.process_id, server.id());
    assert_ne!(seen.process_id, Some(std::process::id()));
    let process = seen.process.unwrap();
    assert_eq!((process.process_id, Some(process.user)), (server.id(), seen.owner));
}

#[tokio::test]
async fn it_is_trusted_as_this_user_and_not_as_another() {
    let name = unique_name();
    let server = serve_elsewhere(&name).await;
    for identity in [ServerIdentity::usual(), ServerIdentity::same_user()] {
        within(ConnectOptions::new().server_identity(identity).connect(&name)).await.unwrap();
    }
    let somebody: Sid = "S-1-5-21-1-2-3-1234".parse().unwrap();
    let options = ConnectOptions::new().server_identity(ServerIdentity::user(somebody));
    let error = within(options.connect(&name)).await.unwrap_err();
    let Error::UntrustedServer(refused) = error else { panic!("{error:?}") };
    assert_eq!(refused.process_id, server.id());
}
