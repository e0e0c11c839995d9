//! Which program is at the other end: its process, held, and the rules that look at it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::SystemTime,
};

use futures::StreamExt;
use npipes::{
    ConnectOptions, Connection, Error, Listener, ListenerOptions, PipeStream, connect,
    error::UntrustedServer,
    security::{IntegrityLevel, PeerProcess, ServerTrust},
};

use crate::{
    child::{Process, tell},
    support::{unique_name, within},
};

/// Names the pipe to [`the_server`] and to [`the_client`].
const SERVE: &str = "NPIPES_TEST_PROGRAM_SERVES";
const CALL: &str = "NPIPES_TEST_PROGRAM_CALLS";

/// The program of another process: serves until its standard input ends. By itself it does nothing.
#[tokio::test]
async fn the_server() {
    let Ok(name) = env::var(SERVE) else {
        return;
    };
    let mut listener = Listener::bind(name).unwrap();
    tell("serving");
    let accepting = async {
        loop {
            drop(listener.accept().await.unwrap());
        }
    };
    tokio::select! {
        () = accepting => {}
        () = until_standard_input_ends() => {}
    }
}

/// The program of another process: is a client until its standard input ends.
#[tokio::test]
async fn the_client() {
    let Ok(name) = env::var(CALL) else {
        return;
    };
    let _connection = within(connect(name)).await.unwrap();
    tell("connected");
    until_standard_input_ends().await;
}

async fn until_standard_input_ends() {
    let ended = || std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new());
    tokio::task::spawn_blocking(ended).await.unwrap().unwrap();
}

/// A copy of this binary in a folder of its own: another file with the same name and content.
struct Copy(PathBuf);

impl Copy {
    fn new() -> Self {
        let folder = env::temp_dir().join(unique_name());
        fs::create_dir(&folder).unwrap();
        let this = env::current_exe().unwrap();
        let copy = folder.join(this.file_name().unwrap());
        fs::copy(this, &copy).unwrap();
        Self(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // A program that runs keeps its file.
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

async fn serve_by(program: &Path, name: &str) -> Process {
    let mut server = Process::start_program(program, "program::the_server", SERVE, name);
    assert_eq!(server.answer().await, "serving");
    server
}

async fn connect_to(name: &str, trust: ServerTrust) -> Result<Connection<PipeStream>, Error> {
    within(ConnectOptions::new().server_trust(trust).connect(name)).await
}

async fn is_trusted(name: &str, trust: ServerTrust) {
    connect_to(name, trust).await.unwrap();
}

async fn is_refused(name: &str, trust: ServerTrust) -> UntrustedServer {
    match connect_to(name, trust).await {
        Err(Error::UntrustedServer(server)) => *server,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn another_program_with_the_right_pipe_name_is_refused_by_the_image_rule() {
    let (this, copy, name) = (env::current_exe().unwrap(), Copy::new(), unique_name());
    let impostor = serve_by(&copy.0, &name).await;
    // By its account it is beyond doubt.
    is_trusted(&name, ServerTrust::same_user()).await;
    for trust in [
        ServerTrust::same_user().and_same_image(),
        ServerTrust::same_user().and_image(&this),
        ServerTrust::any_without_check().and_same_image(),
        ServerTrust::judged_by(|server| server.process().unwrap().same_image_as_this().unwrap()),
    ] {
        let judged = format!("{trust:?}").contains("judged");
        let refused = is_refused(&name, trust).await;
        assert_eq!(refused.process_id, impostor.id());
        assert_eq!(refused.reason.is_none(), judged, "{refused:?}");
        if let Some(reason) = refused.reason {
            assert!(reason.starts_with("its program is "), "{reason}");
            assert!(reason.ends_with(&format!(" and not {}", this.display())), "{reason}");
        }
    }
    is_trusted(&name, ServerTrust::same_user().and_image(&copy.0)).await;
    impostor.end().await;
}

#[tokio::test]
async fn the_right_program_is_trusted_by_the_image_rule_in_this_process_and_in_another() {
    let (this, name) = (env::current_exe().unwrap(), unique_name());
    let server = serve_by(&this, &name).await;
    let own = unique_name();
    let _listener = Listener::bind(&own).unwrap();
    for name in [&name, &own] {
        is_trusted(name, ServerTrust::default().and_same_image()).await;
        is_trusted(name, ServerTrust::same_user().and_image(&this).and_same_session()).await;
    }
    server.end().await;
}

#[tokio::test]
async fn the_image_rule_does_not_replace_the_account() {
    let name = unique_name();
    let _listener = Listener::bind(&name).unwrap();
    let somebody = "S-1-5-21-1-2-3-1234".parse().unwrap();
    let refused = is_refused(&name, ServerTrust::user(somebody).and_same_image()).await;
    assert_eq!(refused.reason, None);
    let refused = is_refused(&name, ServerTrust::judged_by(|_| false).and_same_session()).await;
    assert_eq!(refused.reason, None);
}

#[tokio::test]
async fn an_image_that_is_not_there_is_an_error_and_no_verdict() {
    let name = unique_name();
    let _listener = Listener::bind(&name).unwrap();
    let missing = env::temp_dir().join(unique_name());
    let error = connect_to(&name, ServerTrust::same_user().and_image(missing)).await.unwrap_err();
    assert!(error.to_string().starts_with(r"identifying the peer of \\.\pipe\"), "{error}");
}

#[tokio::test]
async fn a_server_of_another_session_is_refused_where_the_session_counts() {
    let name = unique_name();
    let server = serve_by(&env::current_exe().unwrap(), &name).await;
    let seen = Arc::new(Mutex::new(None));
    let witness = Arc::clone(&seen);
    let trust = ServerTrust::judged_by(move |server| {
        *witness.lock().unwrap() = server.session;
        server.process().unwrap().session().unwrap() == server.session.unwrap()
    });
    is_trusted(&name, trust).await;
    let session = seen.lock().unwrap().take().unwrap();
    is_trusted(&name, ServerTrust::same_user().and_same_session()).await;
    is_trusted(&name, ServerTrust::same_user().and_session(session)).await;
    let refused = is_refused(&name, ServerTrust::same_user().and_session(session + 1)).await;
    let reason = format!("it is in session {session} and not {}", session + 1);
    assert_eq!(refused.reason.as_deref(), Some(&*reason));
    assert!(
        refused.to_string().contains(&format!("is not trusted: {reason}; the pipe's owner is"))
    );
    server.end().await;
}

/// A client in another process, as this process's server sees it.
async fn called_from_elsewhere(
    listener: &mut Listener,
    program: &Path,
) -> (Process, Connection<PipeStream>) {
    let name = listener.name().to_string();
    let name = name.strip_prefix(r"\\.\pipe\").unwrap();
    let mut client = Process::start_program(program, "program::the_client", CALL, name);
    let connection = within(listener.accept()).await.unwrap();
    assert_eq!(client.answer().await, "connected");
    (client, connection)
}

#[tokio::test]
async fn a_client_s_process_is_held_and_says_what_it_is() {
    let before = SystemTime::now();
    let copy = Copy::new();
    let mut listener = Listener::bind(unique_name()).unwrap();
    let (client, connection) = called_from_elsewhere(&mut listener, &copy.0).await;
    let peer = connection.peer().unwrap();
    let process = peer.process().unwrap();
    assert_eq!(Some(process.id().unwrap()), client.id());
    assert!(process.created() >= before - CLOCK && process.created() <= SystemTime::now());
    assert!(!process.same_image_as_this().unwrap());
    assert!(process.has_image(&copy.0).unwrap());
    let (image, wanted) = (process.image_path().unwrap(), &copy.0);
    assert!(image.is_absolute() && image.file_name() == wanted.file_name(), "{image:?}");
    assert_eq!(process.package_family().unwrap(), None);
    assert_eq!(process.session().unwrap(), peer.session);
    assert!(!process.has_ended().unwrap());
    client.end().await;
}

/// The steps of the clock that processes are dated by.
const CLOCK: std::time::Duration = std::time::Duration::from_millis(100);

#[tokio::test]
async fn a_client_whose_process_has_ended_has_none() {
    let mut listener = Listener::bind(unique_name()).unwrap();
    let program = env::current_exe().unwrap();
    let (client, mut connection) = called_from_elsewhere(&mut listener, &program).await;
    let peer = connection.peer().unwrap();
    let held = peer.process().unwrap();
    assert!(held.same_image_as_this().unwrap());
    client.end().await;
    assert!(within(connection.next()).await.is_none());
    // It is held, so its id is no other's, and is known to be that of a process that has ended.
    assert!(held.has_ended().unwrap());
    let error = peer.process().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert_eq!(error.to_string(), format!("process {} has ended", held.id().unwrap()));
    // A peer that is asked anew is still told its id, and not that there is such a process.
    if let Ok(peer) = connection.peer() {
        peer.process().unwrap_err();
    }
    drop(held);
    peer.process().unwrap_err();
}

#[tokio::test]
async fn a_filter_can_look_at_the_program() {
    let is_this = |process: PeerProcess| process.same_image_as_this().unwrap();
    let options = ListenerOptions::new().filter(move |peer| {
        peer.integrity >= IntegrityLevel::MEDIUM && peer.process().is_ok_and(is_this)
    });
    let mut listener = options.bind(unique_name()).unwrap();
    let copy = Copy::new();
    let name = listener.name().to_string();
    let name = name.strip_prefix(r"\\.\pipe\").unwrap();
    let mut impostor = Process::start_program(&copy.0, "program::the_client", CALL, name);
    let own = async {
        assert_eq!(impostor.answer().await, "connected");
        within(connect(name)).await.unwrap()
    };
    let (_own, connection) = tokio::join!(own, within(listener.accept()));
    let peer = connection.unwrap().peer().unwrap();
    assert_eq!(peer.process_id, Some(std::process::id()));
    impostor.end().await;
}
