//! Whom the client of one user takes the server of another for, and what the pipe lets it do.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use npipes::{
    ConnectOptions, Connection, Error, Listener, ListenerOptions, PipeStream,
    security::{Access, ServerIdentity, ServerTrust, Sid},
};
use tokio::time::timeout;

use crate::windows::{Server, answer, outcome};

/// How long the server waits for the client to come and to be done.
const PATIENCE: Duration = Duration::from_secs(300);

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(PATIENCE, future).await.expect("nobody came") })
}

/// The two pipes: one by the rules of `Access`, and one that lets everybody create instances.
fn names(name: &str) -> [(String, &'static str); 2] {
    [
        (name.to_owned(), "that lets others connect"),
        (format!("{name}-generous"), "that lets others serve"),
    ]
}

/// Serves both pipes until a client says that it is done.
pub(crate) fn serve(name: &str) {
    run(async {
        let [(strict, _), (generous, _)] = names(name);
        let access = Access::current_user_and_system().allow(Sid::AUTHENTICATED_USERS);
        let mut strict = ListenerOptions::new().access(access).bind(strict).unwrap();
        let rules = "D:P(A;;FA;;;SY)(A;;FA;;;WD)".parse().unwrap();
        let options = ListenerOptions::new().security_descriptor(rules);
        let mut generous = options.bind(generous).unwrap();
        println!("serving");
        loop {
            let done = tokio::select! {
                done = greet(&mut strict) => done,
                done = greet(&mut generous) => done,
            };
            if done {
                return;
            }
        }
    });
}

/// Tells a client whom it is taken for; returns whether it says that it is done. Clients come one after
/// the other.
async fn greet(listener: &mut Listener) -> bool {
    let mut connection = listener.accept().await.unwrap();
    let Ok(Some(word)) = connection.receive().await else {
        return false;
    };
    let client = match connection.peer() {
        Ok(peer) => format!("{} at {}", peer.user, peer.integrity),
        Err(e) => format!("nobody: {e}"),
    };
    let _ = connection.send(client).await;
    word == b"done"[..]
}

/// Asks the server of another user.
pub(crate) fn ask(name: &str) {
    run(async {
        for (name, what) in names(name) {
            let seen = see(&name).await;
            answer(&format!("whom does a pipe {what} show"), format!("{seen:?}"));
            let user = seen.owner.map(ServerTrust::user);
            let rules = [
                ("usual", Some(ServerTrust::same_user_or_privileged())),
                ("same_user", Some(ServerTrust::same_user())),
                ("system_or_administrators", Some(ServerTrust::system_or_administrators())),
                ("user(owner)", user),
            ];
            for (rule, identity) in rules {
                let Some(identity) = identity else { continue };
                let verdict = match connect(&name, identity).await {
                    Ok(_) => "yes".to_owned(),
                    Err(e) => format!("no: {e}"),
                };
                answer(&format!("is a server of a pipe {what} trusted as {rule}"), verdict);
            }
            let path = format!(r"\\.\pipe\{name}");
            let created = Server::create(&path, 255, false).map(|_| ());
            answer(
                &format!("may this user create an instance of a pipe {what}"),
                outcome(&created),
            );
        }
        let [(strict, _), _] = names(name);
        let told = tell(&strict, "done").await;
        answer("whom does the server take this client for", told);
    });
}

async fn connect(name: &str, identity: ServerTrust) -> Result<Connection<PipeStream>, Error> {
    let options = ConnectOptions::new().server_trust(identity).timeout(Duration::from_secs(30));
    options.not_found(ConnectOptions::WAIT_FOR_SERVER).connect(name).await
}

async fn see(name: &str) -> ServerIdentity {
    let seen = Arc::new(Mutex::new(None));
    let witness = Arc::clone(&seen);
    let judge = ServerTrust::judged_by(move |server| {
        *witness.lock().unwrap() = Some(server.clone());
        true
    });
    connect(name, judge).await.unwrap();
    let server = seen.lock().unwrap().take();
    server.unwrap()
}

async fn tell(name: &str, word: &str) -> String {
    let mut connection = connect(name, ServerTrust::any_without_check()).await.unwrap();
    connection.send(word.to_owned()).await.unwrap();
    let answer = connection.receive().await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
