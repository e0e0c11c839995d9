//! Small writes that wait for room: their order, and their end when the stream, the thread, the runtime
//! or the peer is gone. `giving_up` has the same for large writes.

use std::{
    future::poll_fn,
    io::{self, Read},
    pin::Pin,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::poll;
use npipes::{Listener, ListenerOptions, PipeStream, connect, pipe::PipeType};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    runtime,
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};

use crate::{
    giving_up::{SOON, freed, is_taken, read_to_end},
    plain::{Plain, assert_cut, plain_client},
    rules,
    support::{pattern, unique_name, within},
};

/// Bytes in a write: small enough for any pipe's buffer.
const PIECE: usize = 4096;
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(50);

/// Returns the streams of a server and its client.
async fn pair(name: &str) -> (PipeStream, PipeStream) {
    let mut listener = Listener::bind(name).unwrap();
    let client = within(connect(name)).await.unwrap().into_inner();
    let server = within(listener.accept()).await.unwrap().into_inner();
    within(listener.close()).await;
    (server, client)
}

/// Returns a server's stream to a client that knows no runtime and has read nothing.
async fn with_plain_client(name: &str, linger: Duration) -> (PipeStream, Plain) {
    let mut listener = Listener::bind(name).unwrap();
    let client = plain_client(name);
    let server = within(listener.accept_stream()).await.unwrap().with_linger(linger);
    within(listener.close()).await;
    (server, client)
}

/// Writes until a write waits for room, and returns everything that was written: the last piece waits.
async fn fill(stream: &mut PipeStream) -> Vec<u8> {
    let mut written = Vec::new();
    loop {
        let piece = pattern(PIECE, written.len() as u64);
        let count = poll_fn(|cx| match Pin::new(&mut *stream).poll_write(cx, &piece) {
            Poll::Ready(count) => Poll::Ready(Some(count.unwrap())),
            // The task's budget may be used up: another try tells.
            Poll::Pending if tokio::task::coop::has_budget_remaining() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match within(count).await {
            Some(count) => written.extend_from_slice(&piece[..count]),
            None => return written,
        }
    }
}

#[tokio::test]
async fn a_writer_that_waited_is_woken_when_its_peer_reads() {
    let (mut server, mut client) = pair(&unique_name()).await;
    for _ in 0..3 {
        let mut written = fill(&mut client).await;
        written.extend_from_slice(b"the rest");
        let mut read = vec![0; written.len()];
        let writing = within(client.write_all(b"the rest"));
        let (wrote, got) = tokio::join!(writing, within(server.read_exact(&mut read)));
        wrote.unwrap();
        got.unwrap();
        assert!(read == written);
        std::mem::swap(&mut server, &mut client);
    }
}

/// Of these frames some are written directly and some through the runtime, and both kinds wait.
const SIZES: [usize; 10] = [1, 64, 1000, 4084, 16_371, 16_372, 16_373, 20_000, 65_536, 70_000];

fn message(index: u64) -> Bytes {
    pattern(SIZES[index as usize * 7 % SIZES.len()], index).into()
}

#[tokio::test]
async fn what_waited_for_room_arrives_in_its_place_among_small_and_large_messages() {
    for pipe_type in [PipeType::Byte, PipeType::Message] {
        let name = unique_name();
        let mut listener = ListenerOptions::new().pipe_type(pipe_type).bind(&name).unwrap();
        let mut client = within(connect(&name)).await.unwrap();
        let mut server = within(listener.accept()).await.unwrap();
        let (filled, mut is_full) = mpsc::channel(1);
        let sending = tokio::spawn(async move {
            for index in 0..1_000 {
                let mut send = Box::pin(client.send(message(index)));
                if poll!(&mut send).is_pending() {
                    let _ = filled.try_send(());
                    send.await.unwrap();
                }
            }
            client
        });
        for index in 0..1_000 {
            // Now and then the reader waits until the writer does.
            if index % 50 == 0 {
                within(is_full.recv()).await;
            }
            let received = within(server.receive()).await.unwrap().unwrap();
            assert!(received == message(index), "{pipe_type:?}, message {index}");
        }
        drop(within(sending).await.unwrap());
    }
}

#[tokio::test]
async fn a_write_that_waits_fails_with_its_reader_and_the_next_write_says_so() {
    let (mut server, client) = pair(&unique_name()).await;
    fill(&mut server).await;
    drop(client);
    let error = within(server.write_all(&[0; PIECE])).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{error:?}");
}

#[tokio::test]
async fn a_write_to_a_peer_that_has_left_fails_itself() {
    let (mut server, client) = pair(&unique_name()).await;
    drop(client);
    // The peer's handle closes with the next turn of the driver.
    assert_eq!(within(server.read(&mut [0; 1])).await.unwrap_or(0), 0);
    let error = within(server.write(b"one byte is enough")).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{error:?}");
}

#[tokio::test]
async fn a_dropped_stream_is_given_the_linger_time_for_its_last_small_write() {
    let name = unique_name();
    let (mut server, client) = with_plain_client(&name, SHORT).await;
    let written = fill(&mut server).await;
    let start = Instant::now();
    drop(server);
    freed(&name, SHORT + SOON).await;
    assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
    // What the pipe had room for stays readable, and ends as an end of the stream.
    let (read, end) = read_to_end(client).await;
    end.unwrap();
    assert!(read.len() < written.len() && written.starts_with(&read), "{}", read.len());
}

#[tokio::test]
async fn a_dropped_stream_whose_reader_comes_in_time_has_written_everything() {
    let name = unique_name();
    let (mut server, client) = with_plain_client(&name, LONG).await;
    let written = fill(&mut server).await;
    drop(server);
    assert!(is_taken(&name));
    let (read, end) = read_to_end(client).await;
    end.unwrap();
    assert!(read == written, "{} of {} bytes", read.len(), written.len());
    freed(&name, SOON).await;
}

#[test]
fn a_write_that_waits_outlives_the_thread_that_began_it() {
    const TEST: &str = "a_write_that_waits_outlives_the_thread_that_began_it";
    if rules::WRITE_QUOTA.skips(TEST) {
        return;
    }
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap();
    let (mut server, client) = runtime.block_on(with_plain_client(&unique_name(), LONG));
    let handle = runtime.handle().clone();
    let writing = std::thread::spawn(move || {
        let written = handle.block_on(fill(&mut server));
        // The stream is dropped while its last write waits.
        drop(server);
        written
    });
    let written = writing.join().unwrap();
    let (read, end) = runtime.block_on(read_to_end(client));
    end.unwrap();
    assert!(read == written, "{} of {} bytes", read.len(), written.len());
}

#[test]
fn a_write_that_lingers_ends_with_its_runtime_and_what_was_taken_before_can_be_read() {
    const TEST: &str =
        "a_write_that_lingers_ends_with_its_runtime_and_what_was_taken_before_can_be_read";
    if rules::WRITE_QUOTA.skips(TEST) {
        return;
    }
    let name = unique_name();
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (client, written) = runtime.block_on(async {
        let (mut server, client) = with_plain_client(&name, LONG).await;
        let written = fill(&mut server).await;
        (client, written)
    });
    drop(runtime);
    let after = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    after.block_on(async {
        freed(&name, SOON).await;
        let (read, end) = read_to_end(client).await;
        end.unwrap();
        assert!(read.len() < written.len() && written.starts_with(&read), "{}", read.len());
    });
}

#[tokio::test]
async fn an_aborted_server_cuts_its_client_and_leaves_no_small_write_behind() {
    let name = unique_name();
    let (mut server, client) = with_plain_client(&name, LONG).await;
    fill(&mut server).await;
    server.abort();
    freed(&name, SOON).await;
    assert_cut(read_to_end(client).await.1);
}

#[tokio::test]
async fn an_aborted_client_leaves_no_small_write_behind() {
    let name = unique_name();
    let (mut server, mut client) = pair(&name).await;
    let written = fill(&mut client).await;
    client.abort();
    let mut read = Vec::new();
    within(server.read_to_end(&mut read)).await.unwrap();
    assert!(read.len() < written.len() && written.starts_with(&read), "{}", read.len());
}

#[tokio::test]
async fn an_abort_from_elsewhere_ends_a_write_that_is_still_to_come() {
    for aborts_the_server in [true, false] {
        let (server, client) = pair(&unique_name()).await;
        let (mut near, far) = if aborts_the_server { (server, client) } else { (client, server) };
        fill(&mut near).await;
        let handle = near.abort_handle();
        let mut next = Box::pin(near.write_all(b"more"));
        assert!(poll!(&mut next).is_pending());
        handle.abort();
        let error = within(next).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted, "{error:?}");
        drop(far);
    }
}

#[tokio::test]
async fn a_half_that_is_dropped_in_a_small_write_does_not_end_the_other() {
    let name = unique_name();
    let (mut server, client) = with_plain_client(&name, Duration::ZERO).await;
    let written = fill(&mut server).await;
    let (reader, writer) = server.into_split();
    drop(writer);
    let reading = spawn_blocking(move || {
        let mut client = client;
        let mut read = vec![0; written.len()];
        client.read_exact(&mut read).unwrap();
        assert!(read == written);
        client
    });
    let client = within(reading).await.unwrap();
    drop(reader);
    let (rest, end) = read_to_end(client).await;
    end.unwrap();
    assert!(rest.is_empty());
    freed(&name, SOON).await;
}

/// The runtime's budget counts small writes too, or a busy writer would keep its neighbours waiting.
#[tokio::test]
async fn a_busy_writer_lets_other_tasks_run() {
    let (mut server, mut client) = pair(&unique_name()).await;
    let (ran, mut has_run) = oneshot::channel();
    tokio::spawn(async move { ran.send(()) });
    let mut writes = 0;
    while has_run.try_recv().is_err() {
        within(server.write_all(b"x")).await.unwrap();
        writes += 1;
        assert!(writes < 1_000, "the other task has not run");
    }
    within(client.read_u8()).await.unwrap();
}
