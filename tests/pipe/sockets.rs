//! What the kernel tells of a socket's peer, and peers that are no part of this crate.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::{fd::AsRawFd, unix::net::UnixListener},
    pin::Pin,
    process::Command,
    thread,
    time::Duration,
};

use futures::FutureExt;
use npipes::{
    Client, Connection, DrainOutcome, Error, Listener, PipeStream, client::Fate, connect,
    connect_stream, connection::Transport, error::Operation, pipe::Connector,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    child::{Process, tell},
    plain::{Plain, leave, path, plain_client},
    support::{unique_name, within},
};

const FRAME: [u8; 17] = *b"\x11\0\0\0\x05\0\0\0Hello\x82\x89\xd1\xf7";
const SHORT: Duration = Duration::from_millis(100);

async fn server_and_plain() -> (PipeStream, Plain) {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let client = plain_client(&name);
    (within(listener.accept_stream()).await.unwrap(), client)
}

#[tokio::test]
async fn a_socket_is_where_dot_net_looks_for_it() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let folder = std::env::var("TMPDIR").unwrap_or_else(|_| "/tmp".to_owned());
    let at = format!("{}/CoreFxPipe_{name}", folder.trim_end_matches('/'));
    let mut client = Plain::connect(at).unwrap();
    client.write_all(&FRAME).unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    assert_eq!(within(server.receive()).await.unwrap().unwrap(), b"Hello"[..]);
    within(server.send("Hello")).await.unwrap();
    let mut answer = [0; 17];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer, FRAME);
}

#[tokio::test]
async fn a_server_that_is_no_part_of_this_crate_is_connected_to() {
    let name = unique_name();
    let foreign = UnixListener::bind(path(&name)).unwrap();
    let serving = thread::spawn(move || {
        let (mut client, _) = foreign.accept().unwrap();
        let mut frame = [0; 17];
        client.read_exact(&mut frame).unwrap();
        client.write_all(&frame).unwrap();
    });
    let mut client = within(connect(&name)).await.unwrap();
    within(client.send("Hello")).await.unwrap();
    assert_eq!(within(client.receive()).await.unwrap().unwrap(), b"Hello"[..]);
    assert_eq!(client.server().unwrap().process_id, Some(std::process::id()));
    serving.join().unwrap();
    std::fs::remove_file(path(&name)).unwrap();
}

#[tokio::test]
async fn a_server_that_ends_while_a_client_is_in_its_queue_was_not_found() {
    for _ in 0..100 {
        let name = unique_name();
        let listener = Listener::bind(&name).unwrap();
        let mut connecting = std::pin::pin!(connect(&name));
        assert!(futures::poll!(connecting.as_mut()).is_pending());
        drop(listener);
        match within(connecting).await {
            Err(Error::Connect(e)) => {
                return assert_eq!((e.attempts.not_found, e.attempts.other), (1, 0));
            }
            // A process that another test is starting has a duplicate of every open file until its program
            // begins. The queue ends when that one's listener does.
            Ok(mut connection) => {
                within(connection.receive()).await.unwrap_err();
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("no server ends");
}

#[tokio::test]
async fn python_connects_by_path() {
    const PROGRAM: &str = "import socket, sys\n\
        s = socket.socket(socket.AF_UNIX)\n\
        s.connect(sys.argv[1])\n\
        s.sendall(bytes.fromhex('110000000500000048656c6c6f8289d1f7'))\n\
        print(s.recv(17).hex())\n";
    if Command::new("python3").arg("--version").output().is_err() {
        let _ = writeln!(io::stderr(), "skipped: python_connects_by_path: there is no python3");
        return;
    }
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let mut python = tokio::process::Command::new("python3");
    python.args(["-c", PROGRAM, &path(&name)]).kill_on_drop(true);
    let serving = async {
        let mut server = within(listener.accept()).await.unwrap();
        let message = within(server.receive()).await.unwrap().unwrap();
        within(server.send(message)).await.unwrap();
        server
    };
    let (output, _server) = tokio::join!(within(python.output()), serving);
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    assert_eq!(text.trim(), "110000000500000048656c6c6f8289d1f7");
}

/// Not a test: a process that runs out of files.
#[tokio::test]
async fn poor_server() {
    let Ok(name) = std::env::var("NPIPES_POOR") else { return };
    let mut listener = Listener::bind(&name).unwrap();
    let _client = plain_client(&name);
    let limit = getrlimit(Resource::Nofile);
    // The next file would have this number.
    let next = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
    let poor = Rlimit { current: Some(next.try_into().unwrap()), ..limit };
    setrlimit(Resource::Nofile, poor).unwrap();
    let error = within(listener.accept()).await.unwrap_err();
    let Error::Io { operation: Operation::Accept, source, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(source.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
    // It is told once; the client waits meanwhile.
    assert!(timeout(SHORT, listener.accept()).await.is_err());
    setrlimit(Resource::Nofile, limit).unwrap();
    within(listener.accept()).await.unwrap();
    tell("accepted");
}

#[tokio::test]
async fn a_listener_without_files_says_so_once_and_goes_on_when_there_are_some() {
    let mut server = Process::start("sockets::poor_server", "NPIPES_POOR", &unique_name());
    assert_eq!(server.answer().await, "accepted");
    server.end().await;
}

#[tokio::test]
async fn a_part_that_was_read_is_not_all_of_it() {
    let (mut server, mut client) = server_and_plain().await;
    within(server.write_all(b"Hello")).await.unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
    let mut drained = Box::pin(server.drained());
    assert!(timeout(SHORT, &mut drained).await.is_err());
    client.read_exact(&mut [0; 1]).unwrap();
    assert_eq!(within(drained).await.unwrap(), DrainOutcome::Drained);
}

/// What the peer of a stream may not have read, at most.
fn unread(stream: &mut PipeStream) -> Option<u64> {
    Pin::new(stream).unread_at_most()
}

#[tokio::test]
async fn what_a_peer_has_not_read_when_it_leaves_does_not_count_as_read() {
    const READ: usize = 10 * 1024;
    let (mut server, mut client) = server_and_plain().await;
    let mut written = 0;
    while let Some(count) = server.write(&[0; 4096]).now_or_never() {
        written += count.unwrap() as u64;
    }
    client.read_exact(&mut [0; READ]).unwrap();
    assert!(unread(&mut server).unwrap() >= written - READ as u64);
    leave(client);
    assert_eq!(unread(&mut server), None);
}

#[tokio::test]
async fn what_is_written_within_the_grace_does_not_count_as_read() {
    let (server, client) = server_and_plain().await;
    let mut server = server.with_write_grace(8);
    within(server.write_all(b"read")).await.unwrap();
    assert_eq!(unread(&mut server), Some(4));
    leave(client);
    within(server.write_all(b"lost")).await.unwrap();
    assert_eq!(unread(&mut server), None);
}

#[tokio::test]
async fn a_message_that_a_server_had_not_read_when_it_ended_is_not_delivered() {
    const LEN: usize = 1024;
    const FRAME: usize = LEN + 12;
    const READ: usize = 10;
    const WAITING: usize = 60;
    let name = unique_name();
    let foreign = UnixListener::bind(path(&name)).unwrap();
    let serving = thread::spawn(move || {
        let (mut client, _) = foreign.accept().unwrap();
        client.read_exact(&mut [0; READ * FRAME]).unwrap();
        // Far more than the client takes for granted has to wait in the socket.
        while rustix::io::ioctl_fionread(&client).unwrap() < (WAITING * FRAME) as u64 {
            thread::sleep(Duration::from_millis(1));
        }
    });
    let (client, _inbox) = Client::spawn(Connector::new(&name).unwrap());
    let mut receipts = Vec::new();
    for _ in 0..READ + WAITING {
        receipts.push(within(client.send(vec![0; LEN])).await.unwrap());
    }
    for (index, receipt) in receipts.into_iter().enumerate() {
        let fate = within(receipt).await.map_err(|returned| returned.fate);
        assert!(index < READ || fate == Err(Fate::MaybeDelivered), "{index}: {fate:?}");
    }
    serving.join().unwrap();
    std::fs::remove_file(path(&name)).unwrap();
}

/// Not a test: a process that a signal would end.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no crate at hand restores a signal's default action")]
#[tokio::test]
async fn writer_with_signals() {
    if std::env::var_os("NPIPES_SIGPIPE").is_none() {
        return;
    }
    // SAFETY: the default action is no handler, and this process runs this test alone.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    for waits_before in [false, true] {
        let (mut server, client) = server_and_plain().await;
        if waits_before {
            within(server.write_all(b"x")).await.unwrap();
            assert!(server.drained().now_or_never().is_none());
        }
        drop(client);
        let error = within(server.write_all(b"x")).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
    }
    tell("alive");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_write_to_a_peer_that_has_left_ends_no_process_that_takes_signals() {
    let mut process = Process::start("sockets::writer_with_signals", "NPIPES_SIGPIPE", "1");
    assert_eq!(process.answer().await, "alive");
    process.end().await;
}

/// The kernel tells the writer while it still counts a byte of what was read.
#[tokio::test]
async fn the_last_read_is_never_missed() {
    const ROUNDS: usize = 20_000;
    let (mut server, mut client) = server_and_plain().await;
    let reading = thread::spawn(move || {
        for _ in 0..ROUNDS {
            client.read_exact(&mut [0; 1]).unwrap();
        }
        client
    });
    for _ in 0..ROUNDS {
        within(server.write_all(b"x")).await.unwrap();
        assert_eq!(within(server.drained()).await.unwrap(), DrainOutcome::Drained);
    }
    reading.join().unwrap();
}

#[tokio::test]
async fn after_a_wait_that_was_given_up_there_is_still_room_to_write() {
    let (mut server, mut client) = server_and_plain().await;
    for _ in 0..100 {
        within(server.write_all(b"x")).await.unwrap();
        assert!(timeout(Duration::from_millis(1), server.drained()).await.is_err());
    }
    client.read_exact(&mut [0; 100]).unwrap();
    assert_eq!(within(server.drained()).await.unwrap(), DrainOutcome::Drained);
}

#[tokio::test]
async fn a_peer_that_ends_its_own_direction_has_not_left() {
    let (mut server, mut client) = server_and_plain().await;
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(within(server.read(&mut [0; 8])).await.unwrap(), 0);
    within(server.write_all(b"answer")).await.unwrap();
    let mut drained = Box::pin(server.drained());
    assert!(timeout(SHORT, &mut drained).await.is_err());
    client.read_exact(&mut [0; 6]).unwrap();
    assert_eq!(within(&mut drained).await.unwrap(), DrainOutcome::Drained);
    drop(drained);
    // Then both are at their end, and the peer is still there.
    assert_eq!(within(server.close_write()).await.unwrap(), DrainOutcome::Drained);
    assert_eq!(within(server.drained()).await.unwrap(), DrainOutcome::Drained);
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
}

#[tokio::test]
async fn what_a_peer_has_not_read_when_it_closes_is_reported_once_and_known_for_good() {
    let (mut server, client) = server_and_plain().await;
    within(server.write_all(b"lost")).await.unwrap();
    drop(client);
    let error = within(server.read(&mut [0; 8])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(within(server.read(&mut [0; 8])).await.unwrap(), 0);
    assert_eq!(within(server.drained()).await.unwrap(), DrainOutcome::PeerGone);
    let error = within(server.write(b"more")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn an_end_that_is_dropped_with_something_unread_is_the_end_of_the_stream() {
    let (server, mut client) = server_and_plain().await;
    client.write_all(&[7; 100_000]).unwrap();
    drop(server);
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(client.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn who_connects_is_known_before_anything_is_sent() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let _client = within(connect_stream(&name)).await.unwrap();
    let server: Connection<PipeStream> = within(listener.accept()).await.unwrap();
    let peer = server.peer().unwrap();
    assert_eq!(peer.process_id, Some(std::process::id()));
    assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
    assert_eq!(peer.gid, rustix::process::getegid().as_raw());
}
