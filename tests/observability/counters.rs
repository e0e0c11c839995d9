//! ConnectionStats, read from connections and from a client.

use bytes::Bytes;
use futures::SinkExt;
use npipes::{
    Client, Connection, ConnectionOptions, Error,
    client::ClientStats,
    connection::ConnectionStats,
    frame::FrameFormat,
    simulated::{Cut, Faults, Pipe},
};
use tokio::io::{AsyncWriteExt, duplex};

use crate::{record::Recorder, support::within};

/// Returns (retries, sent, received, corrupt), each of the middle two with its bytes.
fn numbers(counters: ConnectionStats) -> (u64, (u64, u64), (u64, u64), u64) {
    (
        counters.retries,
        (counters.messages_sent, counters.bytes_sent),
        (counters.messages_received, counters.bytes_received),
        counters.corrupt_frames,
    )
}

#[tokio::test]
async fn each_end_counts_both_directions() {
    let _recording = Recorder::install();
    let (mut near, mut far) = Connection::pair();
    assert_eq!(near.stats(), ConnectionStats::default());
    for len in [0, 5, 20_000] {
        within(near.send(vec![7; len])).await.unwrap();
        within(far.receive()).await.unwrap().unwrap();
    }
    within(far.send_text("yes")).await.unwrap();
    within(near.receive_text()).await.unwrap().unwrap();
    assert_eq!(numbers(near.stats()), (0, (3, 20_005), (1, 3), 0));
    assert_eq!(numbers(far.stats()), (0, (1, 3), (3, 20_005), 0));
}

#[tokio::test]
async fn a_queued_message_counts_and_a_refused_one_does_not() {
    let _recording = Recorder::install();
    let options =
        ConnectionOptions::new().format(FrameFormat::new().max_payload(10)).frame_per_write(true);
    let (mut near, _far) = Connection::pair_with_options(64, &options);
    within(near.feed("Hello")).await.unwrap();
    within(SinkExt::feed(&mut near, Bytes::from_static(b"world!"))).await.unwrap();
    assert!(matches!(within(near.feed(vec![0; 11])).await, Err(Error::TooLarge { .. })));
    assert_eq!(numbers(near.stats()), (0, (2, 11), (0, 0), 0));
}

#[tokio::test]
async fn corrupt_frames_are_counted_apart() {
    let _recording = Recorder::install();
    let (near, mut wire) = duplex(1024);
    let mut near = Connection::new(near);
    for trailer in [b"\x82\x89\xd1\xf7", b"\0\0\0\x01", b"\x82\x89\xd1\xf7"] {
        wire.write_all(b"\x11\0\0\0\x05\0\0\0Hello").await.unwrap();
        wire.write_all(trailer).await.unwrap();
    }
    within(near.receive()).await.unwrap().unwrap();
    within(near.receive()).await.unwrap_err();
    within(near.receive()).await.unwrap().unwrap();
    assert_eq!(numbers(near.stats()), (0, (0, 0), (2, 10), 1));
}

#[tokio::test(start_paused = true)]
async fn each_half_has_its_own_direction_and_reunited_they_have_both() {
    let _recording = Recorder::install();
    let pipe = Pipe::new("orders").unwrap();
    let mut listener = pipe.listener().unwrap();
    pipe.refuse_times(npipes::simulated::Refusal::Busy, 2);
    let mut client = within(pipe.connector().connect()).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    within(client.send("Hello")).await.unwrap();
    within(server.send("Hi")).await.unwrap();
    let (mut sender, mut receiver) = client.split();
    within(sender.send("again")).await.unwrap();
    within(receiver.receive()).await.unwrap().unwrap();
    assert_eq!(numbers(sender.stats()), (2, (2, 10), (0, 0), 0));
    assert_eq!(numbers(receiver.stats()), (0, (0, 0), (1, 2), 0));
    assert_eq!(numbers(sender.reunite(receiver).stats()), (2, (2, 10), (1, 2), 0));
    assert_eq!(server.stats().retries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_adds_up_its_connections() {
    let _recording = Recorder::install();
    let pipe = Pipe::new("orders").unwrap();
    let (client, mut inbox) = Client::spawn(pipe.connector());
    assert_eq!(client.stats(), ClientStats::default());
    let receipt = within(client.send("Hello")).await.unwrap();
    // Nobody listens: attempts fail, and are made again.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    pipe.fault_next(Faults::new().cut_to_server(10, Cut::End));
    let mut listener = pipe.listener().unwrap();
    let _first = within(listener.accept()).await.unwrap();
    within(receipt).await.unwrap_err();
    let before = client.stats();
    assert_eq!((before.connections, before.accepted), (1, 1));
    assert!(before.failed_attempts > 0);

    let mut second = within(listener.accept()).await.unwrap();
    within(second.send("Hi")).await.unwrap();
    assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), b"Hi"[..]);
    let again = within(client.send("again")).await.unwrap();
    within(second.receive()).await.unwrap().unwrap();
    within(again).await.unwrap();
    let after = within(client.close()).await.stats;
    assert_eq!((after.connections, after.accepted), (2, 2));
    assert_eq!((after.delivered, after.returned), (1, 1));
    assert_eq!(numbers(after.traffic), (0, (2, 10), (1, 2), 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_read_from_a_lost_connection_is_added_too() {
    let _recording = Recorder::install();
    let pipe = Pipe::new("orders").unwrap();
    let mut listener = pipe.listener().unwrap();
    let (client, mut inbox) = Client::spawn(pipe.connector());
    let lost = within(client.send("Hello")).await.unwrap();
    let mut first = within(listener.accept()).await.unwrap();
    within(client.flush()).await;
    within(first.send("Hi")).await.unwrap();
    drop(first);
    within(lost).await.unwrap_err();
    within(client.send("again")).await.unwrap();
    let mut second = within(listener.accept()).await.unwrap();
    within(second.receive()).await.unwrap().unwrap();
    assert_eq!(within(inbox.receive()).await.unwrap().unwrap(), b"Hi"[..]);
    let counters = within(client.close()).await.stats;
    assert_eq!((counters.connections, counters.returned), (2, 1));
    assert_eq!(numbers(counters.traffic), (0, (2, 10), (1, 2), 0));
}
