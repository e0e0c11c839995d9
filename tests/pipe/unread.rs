//! What Windows tells of unread bytes, of a peer that disconnects, and of pipes of one direction.

use npipes::{
    ConnectOptions, Connection, ConnectionOptions, DrainOutcome, Error, ListenerOptions,
    PipeStream, connect,
    pipe::{Direction, PipeType},
};
use tokio::{
    io::AsyncReadExt,
    net::windows::named_pipe::{NamedPipeServer, ServerOptions},
};

use crate::{
    close::{OVERHEAD, SHORT, over, pair},
    plain::plain_client,
    rules,
    support::{pattern, unique_name, within},
};

/// Returns whether this system tells how much of a write quota is used: a stock Wine does not.
async fn counts_unread() -> bool {
    let (mut server, _client) = pair(SHORT).await;
    within(server.send("Hello")).await.unwrap();
    matches!(within(server.close()).await.unwrap(), DrainOutcome::TimedOut { unread: Some(_) })
}

/// Returns the two ends of a pipe for which the server has asked for these buffers, the client's with a
/// short deadline.
async fn ends(
    in_buffer_size: u32,
    out_buffer_size: u32,
) -> (NamedPipeServer, Connection<PipeStream>) {
    let name = unique_name();
    let options =
        ListenerOptions::new().in_buffer_size(in_buffer_size).out_buffer_size(out_buffer_size);
    let mut listener = options.bind(&name).unwrap();
    let options = ConnectionOptions::new().close_timeout(SHORT);
    let client = within(ConnectOptions::new().connection(options).connect(&name)).await.unwrap();
    (within(listener.accept_stream()).await.unwrap().into_server().unwrap(), client)
}

#[tokio::test]
async fn unread_bytes_are_counted_where_the_system_counts() {
    if rules::WRITE_QUOTA.skips("unread_bytes_are_counted_where_the_system_counts") {
        return;
    }
    let (mut server, _client) = pair(SHORT).await;
    within(server.send("Hello")).await.unwrap();
    assert_eq!(
        within(server.close()).await.unwrap(),
        DrainOutcome::TimedOut { unread: Some(5 + OVERHEAD as u64) }
    );
}

/// What a client may write is what the server receives: the quota of the other direction says
/// nothing of it, be it larger or smaller.
#[tokio::test]
async fn a_clients_unread_bytes_are_those_of_its_own_direction() {
    /// Of what has arrived, as much as mio reads ahead.
    const READ_AHEAD: u64 = 4096;
    let counted = counts_unread().await;
    for (receive, send, total) in [
        (8192, 4096, 8192),
        (4096, 8192, 4096 + 3000),
        (16384, 4096, 4096 + 3000),
        (8192, 8192, 4096 + 3000),
    ] {
        let (mut server, mut client) = ends(receive, send).await;
        within(client.send(pattern(total - OVERHEAD, 1))).await.unwrap();
        within(server.readable()).await.unwrap();
        let unread = counted.then(|| total as u64 - READ_AHEAD);
        let closed = within(client.close()).await.unwrap();
        assert_eq!(closed, DrainOutcome::TimedOut { unread }, "{receive} {send} {total}");
        let mut read = Vec::new();
        within(server.read_to_end(&mut read)).await.unwrap();
        assert_eq!(read.len(), total);
    }
}

#[tokio::test]
async fn a_servers_unread_bytes_are_those_of_its_own_direction() {
    let counted = counts_unread().await;
    for (receive, send) in [(8192, 4096), (4096, 8192)] {
        let name = unique_name();
        let options = ConnectionOptions::new().close_timeout(SHORT);
        let options = ListenerOptions::new().connection(options);
        let options = options.in_buffer_size(receive).out_buffer_size(send);
        let mut listener = options.bind(&name).unwrap();
        let _client = plain_client(&name);
        let mut server = within(listener.accept()).await.unwrap();
        within(server.send(pattern(1000, 1))).await.unwrap();
        let unread = counted.then_some(1000 + OVERHEAD as u64);
        let closed = within(server.close()).await.unwrap();
        assert_eq!(closed, DrainOutcome::TimedOut { unread }, "{receive} {send}");
    }
}

#[tokio::test]
async fn a_peer_that_disconnects_is_gone() {
    let name = unique_name();
    let server = ServerOptions::new().create(format!(r"\\.\pipe\{name}")).unwrap();
    let mut client = within(connect(&name)).await.unwrap();
    within(client.send("Hello")).await.unwrap();
    let mut closing = Box::pin(client.close());
    assert!(tokio::time::timeout(SHORT, &mut closing).await.is_err());
    server.disconnect().unwrap();
    assert_eq!(within(closing).await.unwrap(), DrainOutcome::PeerGone);
}

/// The server's handle may not ask for the type of its pipe, and its listener knows it.
#[tokio::test]
async fn a_server_that_can_only_write_ends_its_direction_where_the_type_of_the_pipe_allows_it() {
    for pipe_type in [PipeType::Byte, PipeType::Message] {
        let name = unique_name();
        let options = ListenerOptions::new().direction(Direction::Outbound).pipe_type(pipe_type);
        let mut listener = options.bind(&name).unwrap();
        let client = ConnectOptions::new().direction(Direction::Outbound);
        let mut client = within(client.connect(&name)).await.unwrap();
        let server = within(listener.accept()).await.unwrap();
        assert_eq!(server.get_ref().pipe_type().unwrap(), pipe_type);
        let (mut sending, _receiving) = server.split();
        within(sending.send("Hello")).await.unwrap();
        assert_eq!(within(client.receive()).await.unwrap().unwrap(), b"Hello"[..]);
        let closed = within(sending.close()).await;
        if pipe_type == PipeType::Message {
            assert_eq!(closed.unwrap(), DrainOutcome::Drained);
            assert!(within(client.receive()).await.unwrap().is_none());
        } else {
            assert!(matches!(closed, Err(Error::HalfClose { .. })), "{closed:?}");
        }
    }
}

#[tokio::test]
async fn one_way_pipes_drain() {
    for direction in [Direction::Inbound, Direction::Outbound] {
        let name = unique_name();
        let server = ServerOptions::new()
            .access_inbound(direction == Direction::Inbound)
            .access_outbound(direction == Direction::Outbound)
            .create(format!(r"\\.\pipe\{name}"))
            .unwrap();
        let client = within(ConnectOptions::new().direction(direction).connect(&name)).await;
        within(server.connect()).await.unwrap();
        let server = over(PipeStream::from(server));
        let (mut sender, mut receiver) = match direction {
            Direction::Inbound => (client.unwrap(), server),
            _ => (server, client.unwrap()),
        };
        within(sender.send("Hello")).await.unwrap();
        assert_eq!(within(receiver.receive()).await.unwrap().unwrap(), b"Hello"[..]);
        // The end that cannot write has nothing to wait for.
        assert_eq!(
            within(receiver.drained()).await.unwrap(),
            DrainOutcome::Drained,
            "{direction:?}"
        );
        assert_eq!(within(sender.close()).await.unwrap(), DrainOutcome::Drained, "{direction:?}");
    }
}
