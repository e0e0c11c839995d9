//! A server in another process, as its client sees it.
#![allow(unsafe_code)]

use std::{
    env,
    io::Read,
    os::windows::io::{AsHandle, FromRawHandle, OwnedHandle},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt;
use npipes::{
    ConnectOptions, Error, Listener, ListenerOptions, connect,
    security::{SecurityDescriptor, ServerIdentity, ServerTrust, Sid},
};
use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION};

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
    let seen = Arc::new(Mutex::new(None::<ServerIdentity>));
    let witness = Arc::clone(&seen);
    let identity = ServerTrust::judged_by(move |server| {
        *witness.lock().unwrap() = Some(server.clone());
        true
    });
    within(ConnectOptions::new().server_trust(identity).connect(&name)).await.unwrap();
    let seen = seen.lock().unwrap().take().unwrap();
    assert_eq!(seen.process_id, server.id());
    assert_ne!(seen.process_id, Some(std::process::id()));
    let process = seen.account.unwrap();
    assert_eq!((process.process_id, Some(process.user)), (server.id(), seen.owner));
}

#[tokio::test]
async fn it_is_trusted_as_this_user_and_not_as_another() {
    let name = unique_name();
    let server = serve_elsewhere(&name).await;
    for identity in [ServerTrust::same_user_or_privileged(), ServerTrust::same_user()] {
        within(ConnectOptions::new().server_trust(identity).connect(&name)).await.unwrap();
    }
    let somebody: Sid = "S-1-5-21-1-2-3-1234".parse().unwrap();
    let options = ConnectOptions::new().server_trust(ServerTrust::user(somebody));
    let error = within(options.connect(&name)).await.unwrap_err();
    let Error::UntrustedServer(refused) = error else { panic!("{error:?}") };
    assert_eq!(refused.process_id, server.id());
}

/// Names the pipe and its rules to [`the_creator`], and the control pipe to [`the_keeper`].
const CREATOR: &str = "NPIPES_TEST_CREATOR";
const KEEPER: &str = "NPIPES_TEST_KEEPER";

/// Creates a pipe, hands the listening instance to another process, and ends.
#[expect(clippy::zombie_processes, reason = "the keeper is to outlive it")]
#[tokio::test]
async fn the_creator() {
    let Ok(order) = env::var(CREATOR) else {
        return;
    };
    let (name, rules) = order.split_once(' ').unwrap();
    let rules: SecurityDescriptor = rules.parse().unwrap();
    let mut listener =
        ListenerOptions::new().security_descriptor(rules).backlog(1).bind(name).unwrap();
    // The instance that is connected is no use: it takes one that listens.
    let (server, _client) = tokio::join!(listener.accept_stream(), connect(name));
    let server = server.unwrap().into_server().unwrap();
    drop(listener);
    server.disconnect().unwrap();
    let listening = futures::poll!(Box::pin(server.connect()));
    assert!(listening.is_pending());
    let instance = server.as_handle().try_clone_to_owned().unwrap();
    let mut keeper = Command::new(env::current_exe().unwrap());
    keeper.args(["--exact", "elsewhere::the_keeper"]).env_remove(CREATOR);
    keeper.env(KEEPER, format!("{name}-control")).stdout(Stdio::null()).stderr(Stdio::null());
    crate::start::started(|| keeper.stdin(Stdio::from(instance.try_clone().unwrap())).spawn());
}

/// Keeps what it has as its standard input until the control pipe ends.
#[tokio::test]
async fn the_keeper() {
    let Ok(control) = env::var(KEEPER) else {
        return;
    };
    let mut control = within(connect(control)).await.unwrap();
    assert!(control.next().await.is_none());
}

fn is_known(process: u32) -> bool {
    // SAFETY: it takes no pointers.
    let handle = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, process) };
    // SAFETY: a handle that is not null is open and nobody else's.
    let open = (!handle.is_null()).then(|| unsafe { OwnedHandle::from_raw_handle(handle) });
    open.is_some()
}

/// A pipe with an instance whose creator has ended: as out of sight as a service's process.
async fn server_without_a_process(
    name: &str,
    rules: &str,
) -> npipes::Connection<npipes::PipeStream> {
    let mut control = Listener::bind(format!("{name}-control")).unwrap();
    let mut creator = Command::new(env::current_exe().unwrap());
    creator.args(["--exact", "elsewhere::the_creator"]).env(CREATOR, format!("{name} {rules}"));
    let ended = tokio::task::spawn_blocking(move || {
        let mut creator = crate::start::started(|| creator.spawn());
        assert!(creator.wait().unwrap().success());
        creator.id()
    });
    let (keeper, ended) = within(async { tokio::join!(control.accept(), ended) }).await;
    let (keeper, id) = (keeper.unwrap(), ended.unwrap());
    // A process is known for a moment after its end, and for as long as anybody has a handle to it.
    within(async {
        while is_known(id) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    keeper
}

#[tokio::test]
async fn an_owner_speaks_for_a_process_out_of_sight_only_where_nobody_else_may_serve() {
    let plain: SecurityDescriptor = "D:P(A;;FA;;;SY)".parse().unwrap();
    let user = plain.owner().unwrap().unwrap();
    let name = unique_name();
    let rules = format!("D:P(A;;FA;;;SY)(A;;FA;;;{user})(A;;0x12019b;;;WD)");
    let _keeper = server_without_a_process(&name, &rules).await;
    within(connect(&name)).await.unwrap();

    let name = unique_name();
    let _keeper = server_without_a_process(&name, "D:P(A;;FA;;;SY)(A;;FA;;;WD)").await;
    let error = within(connect(&name)).await.unwrap_err();
    let Error::UntrustedServer(refused) = &error else { panic!("{error:?}") };
    assert_eq!(refused.user, None);
    assert!(refused.others_may_serve);
    let text = error.to_string();
    assert!(text.ends_with("others may create instances of the pipe"), "{text}");
}

#[tokio::test]
async fn a_process_out_of_sight_is_no_program_that_is_trusted() {
    let plain: SecurityDescriptor = "D:P(A;;FA;;;SY)".parse().unwrap();
    let user = plain.owner().unwrap().unwrap();
    let rules = format!("D:P(A;;FA;;;SY)(A;;FA;;;{user})(A;;0x12019b;;;WD)");
    let trust = ServerTrust::same_user().and_same_image();
    let name = unique_name();
    let _keeper = server_without_a_process(&name, &rules).await;
    let options = ConnectOptions::new().server_trust(trust);
    let error = within(options.connect(&name)).await.unwrap_err();
    let Error::UntrustedServer(refused) = &error else { panic!("{error:?}") };
    let reason = refused.reason.as_ref().unwrap();
    assert!(reason.starts_with("its program is unknown: "), "{reason}");
}
