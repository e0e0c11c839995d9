//! The process of a client of a socket: it is held, and says which program it is.

use std::{
    env, fs,
    io::{self, ErrorKind, Write},
    path::PathBuf,
};

use npipes::{Connection, Listener, PipeStream, connect, security::PeerProcess};

use crate::{
    child::{Process, tell},
    support::{unique_name, within},
};

/// Names the pipe to [`the_client`].
const CALL: &str = "NPIPES_TEST_PROCESS_CALLS";

/// The program of another process: is a client until it is killed, or its standard input ends. By
/// itself it does nothing.
#[tokio::test]
async fn the_client() {
    let Ok(name) = env::var(CALL) else { return };
    let _connection = within(connect(name)).await.unwrap();
    tell("connected");
    let ended = || io::Read::read_to_end(&mut io::stdin(), &mut Vec::new());
    tokio::task::spawn_blocking(ended).await.unwrap().unwrap();
}

/// Returns whether the kernel gives descriptors of peers, and says it if not.
async fn has_descriptors(test: &str) -> bool {
    const ENOPROTOOPT: i32 = 92;
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let (_client, server) = within(async { tokio::join!(connect(&name), listener.accept()) }).await;
    match server.unwrap().peer().unwrap().process() {
        Err(e) if e.raw_os_error() == Some(ENOPROTOOPT) => {
            // Not eprintln!, whose output the test harness keeps to itself when a test passes.
            let _ = writeln!(io::stderr(), "skipped: {test}: this kernel has no SO_PEERPIDFD");
            false
        }
        process => process.unwrap().same_image_as_this().unwrap(),
    }
}

/// Returns a connection to a client, and the client's process.
async fn connected() -> (Connection<PipeStream>, Process) {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let mut child = Process::start("process::the_client", CALL, &name);
    let server = within(listener.accept()).await.unwrap();
    assert_eq!(child.answer().await, "connected");
    (server, child)
}

fn is_not_found<T>(looked_at: io::Result<T>) -> bool {
    looked_at.is_err_and(|e| e.kind() == ErrorKind::NotFound)
}

#[tokio::test]
async fn a_clients_process_is_held_and_says_what_it_is() {
    if !has_descriptors("a_clients_process_is_held_and_says_what_it_is").await {
        return;
    }
    let (server, child) = connected().await;
    let peer = server.peer().unwrap();
    let process: PeerProcess = peer.process().unwrap();
    let again = peer.process().unwrap();
    assert_eq!(process.id().unwrap(), child.id().unwrap());
    assert_eq!(Some(process.id().unwrap()), peer.process_id);
    assert_eq!(process.image_path().unwrap(), env::current_exe().unwrap());
    assert!(process.same_image_as_this().unwrap());
    assert!(!process.has_image("/bin/sh").unwrap());
    assert!(is_not_found(process.has_image("/no/such/file")));
    assert!(!process.has_ended().unwrap());

    child.kill().await;
    for process in [process, again] {
        assert!(process.has_ended().unwrap());
        assert!(is_not_found(process.id()));
        assert!(is_not_found(process.image_path()));
        assert!(is_not_found(process.same_image_as_this()));
    }
}

/// A copy of this binary is another file with the same content.
#[tokio::test]
async fn another_program_is_told_from_this_one() {
    if !has_descriptors("another_program_is_told_from_this_one").await {
        return;
    }
    let copy: PathBuf = env::temp_dir().join(unique_name());
    fs::copy(env::current_exe().unwrap(), &copy).unwrap();
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let child = Process::start_program(&copy, "process::the_client", CALL, &name);
    let server = within(listener.accept()).await.unwrap();
    let process = server.peer().unwrap().process().unwrap();
    assert!(!process.same_image_as_this().unwrap());
    assert!(process.has_image(&copy).unwrap());
    // Its file is gone, and another one is in its place: the process is still of the first one.
    fs::remove_file(&copy).unwrap();
    fs::copy(env::current_exe().unwrap(), &copy).unwrap();
    assert!(!process.has_image(&copy).unwrap());
    assert!(process.image_path().unwrap().to_str().unwrap().ends_with(" (deleted)"));
    fs::remove_file(&copy).unwrap();
    child.kill().await;
}

#[tokio::test]
async fn a_process_that_had_ended_before_it_was_asked_for_is_not_taken_for_another() {
    let test = "a_process_that_had_ended_before_it_was_asked_for_is_not_taken_for_another";
    if !has_descriptors(test).await {
        return;
    }
    let (server, child) = connected().await;
    child.kill().await;
    // Some kernels refuse, and some give the descriptor of a process that has ended.
    if let Ok(process) = server.peer().unwrap().process() {
        assert!(process.has_ended().unwrap());
        assert!(is_not_found(process.id()));
        assert!(is_not_found(process.same_image_as_this()));
    }
}
