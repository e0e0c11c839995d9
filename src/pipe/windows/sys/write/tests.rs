//! Writes that are taken at once, that wait, and that fail.

use std::{
    fs::File, future::poll_fn, io::Read, os::windows::io::AsHandle, process, thread, time::Duration,
};

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::ERROR_OPERATION_ABORTED;

use super::*;
use crate::{
    name::PipeName,
    pipe::windows::sys::{Code, cancel_io, disconnect},
};

/// Returns a server and a client that knows no runtime.
async fn pair(name: &str) -> (NamedPipeServer, File) {
    let name = PipeName::new(&format!("npipes-write-{}-{name}", process::id())).unwrap();
    let server = ServerOptions::new().create(name.as_str()).unwrap();
    let client = File::options().read(true).write(true).open(name.as_str()).unwrap();
    server.connect().await.unwrap();
    (server, client)
}

fn write_piece(server: &NamedPipeServer) -> io::Result<Begun> {
    write(server.as_handle(), &[IoSlice::new(&[1; 1000]), IoSlice::new(&[2; 3096])])
}

/// Writes until a write waits, and returns it with the number of those before it.
fn fill(server: &NamedPipeServer) -> (usize, WaitingWrite) {
    let mut count = 0;
    loop {
        match write_piece(server).unwrap() {
            Begun::Done(written) => assert_eq!(written, 4096),
            Begun::Waiting(waiting) => return (count, waiting),
        }
        count += 1;
    }
}

async fn over(waiting: &WaitingWrite) -> io::Result<()> {
    let over = poll_fn(|cx| waiting.poll(cx));
    tokio::time::timeout(Duration::from_secs(60), over).await.unwrap()
}

/// Tells when it is dropped.
struct Kept(std::sync::mpsc::Sender<()>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
    }
}

#[tokio::test]
async fn what_the_system_takes_at_once_is_there_when_the_call_returns() {
    let (server, mut client) = pair("at-once").await;
    assert!(matches!(write_piece(&server).unwrap(), Begun::Done(4096)));
    let mut read = [0; 4096];
    client.read_exact(&mut read).unwrap();
    assert!(read[..1000] == [1; 1000] && read[1000..] == [2; 3096]);
}

#[tokio::test]
async fn a_write_that_waits_goes_on_when_there_is_room_also_if_it_is_dropped() {
    for is_dropped in [false, true] {
        let (server, mut client) = pair("room").await;
        let (count, waiting) = fill(&server);
        let waiting = (!is_dropped).then_some(waiting);
        let mut read = vec![0; 4096 * (count + 1)];
        client.read_exact(&mut read).unwrap();
        assert!(read.chunks(4096).all(|piece| piece[..1000] == [1; 1000]));
        if let Some(waiting) = waiting {
            over(&waiting).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_write_that_is_cancelled_says_so_once() {
    let (server, _client) = pair("cancelled").await;
    let (_, waiting) = fill(&server);
    cancel_io(server.as_handle());
    let error = over(&waiting).await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(ERROR_OPERATION_ABORTED as i32), "{error}");
    over(&waiting).await.unwrap();
}

#[tokio::test]
async fn a_write_that_waits_fails_when_the_other_end_is_gone() {
    let (server, client) = pair("gone").await;
    let (_, waiting) = fill(&server);
    drop(client);
    assert_eq!(over(&waiting).await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    let error = write_piece(&server).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{error}");

    let (server, _client) = pair("disconnected").await;
    let (_, waiting) = fill(&server);
    disconnect(server.as_handle()).unwrap();
    assert!(over(&waiting).await.is_err());
    let error = write_piece(&server).err().unwrap();
    assert_eq!(Code::of(&error), Code::Disconnected, "{error}");
}

#[tokio::test]
async fn what_is_kept_is_dropped_when_the_write_is_over_and_not_before() {
    let (server, _client) = pair("kept").await;
    let (_, waiting) = fill(&server);
    let (dropped, is_dropped) = std::sync::mpsc::channel();
    waiting.keep(Kept(dropped.clone()));
    assert!(is_dropped.try_recv().is_err());
    cancel_io(server.as_handle());
    is_dropped.recv_timeout(Duration::from_secs(60)).unwrap();
    over(&waiting).await.unwrap_err();
    waiting.keep(Kept(dropped));
    is_dropped.try_recv().unwrap();
}

#[tokio::test]
async fn a_handle_that_cannot_be_written_to_takes_no_write() {
    let (server, client) = pair("no-write").await;
    drop(client);
    // A file that is open to be read, and an object that is no file.
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let error = write(file.as_handle(), &[IoSlice::new(b"x")]).err().unwrap();
    assert_eq!(Code::of(&error), Code::AccessDenied, "{error}");
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let thread = thread::spawn(move || ended.recv());
    assert!(write(thread.as_handle(), &[IoSlice::new(b"x")]).is_err());
    drop(end);
    assert!(thread.join().unwrap().is_err());
    drop(server);
}
