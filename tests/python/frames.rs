//! `npipes_frames.py`, which users are told to copy, and a connection of ours.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use npipes::{Connection, DrainOutcome};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::{UnixListener, UnixStream},
    process::{Child, ChildStdout, Command},
};

use crate::{
    skip,
    support::{pattern, unique_name, within},
};

/// A socket whose file goes with it.
struct Socket(PathBuf);

impl Socket {
    fn new() -> Self {
        Self(env::temp_dir().join(unique_name()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn python(role: &str, socket: &Path) -> Option<(Child, Lines<BufReader<ChildStdout>>)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/peers/npipes_peer.py");
    let mut child = Command::new("python3")
        .args([script, role, "byte"])
        .arg(socket)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    Some((child, lines))
}

#[tokio::test]
async fn a_python_server_echoes_what_is_sent() {
    let socket = Socket::new();
    let Some((mut server, mut lines)) = python("server", &socket.0) else {
        return skip("a_python_server_echoes_what_is_sent", "there is no python3");
    };
    assert_eq!(within(lines.next_line()).await.unwrap().as_deref(), Some("listening"));
    let stream = within(UnixStream::connect(&socket.0)).await.unwrap();
    let mut connection = Connection::new(stream);
    for (size, seed) in [0, 1, 4084, 65_524, 65_536, 1024 * 1024].into_iter().zip(1..) {
        within(connection.send(pattern(size, seed))).await.unwrap();
        let echo = within(connection.receive()).await.unwrap().unwrap();
        assert!(echo == pattern(size, seed), "{size}");
    }
    assert_eq!(within(connection.close()).await.unwrap(), DrainOutcome::Flushed);
    let end = within(lines.next_line()).await.unwrap();
    assert_eq!(end.as_deref(), Some("served 1 connections, 6 messages"));
    assert!(within(server.wait()).await.unwrap().success());
}

#[tokio::test]
async fn a_python_client_finds_all_it_sent_unchanged() {
    let socket = Socket::new();
    let listener = UnixListener::bind(&socket.0).unwrap();
    let Some((mut client, mut lines)) = python("client", &socket.0) else {
        return skip("a_python_client_finds_all_it_sent_unchanged", "there is no python3");
    };
    let (stream, _) = within(listener.accept()).await.unwrap();
    let mut connection = Connection::new(stream);
    let mut messages = 0;
    while let Some(message) = within(connection.receive()).await.unwrap() {
        within(connection.send(message)).await.unwrap();
        messages += 1;
    }
    assert_eq!(messages, 16);
    assert_eq!(within(lines.next_line()).await.unwrap().as_deref(), Some("ok 16 messages"));
    assert!(within(client.wait()).await.unwrap().success());
}
