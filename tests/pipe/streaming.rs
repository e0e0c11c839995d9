//! What a client knows its peer to have read without asking, whatever the pipe holds.

use std::cell::Cell;

use npipes::{
    Client,
    client::{ClientOptions, Inbox},
    pipe::Connector,
};
use tokio::{
    io::AsyncReadExt,
    net::windows::named_pipe::{NamedPipeServer, ServerOptions},
};

use crate::support::{unique_name, within};

/// The size of a message in bytes, and of its frame.
const LEN: usize = 10_000;
const FRAME: u64 = LEN as u64 + 12;

/// mio reads so many bytes ahead of who asks for them.
const AHEAD: u64 = 64 * 1024;

const MIB: u64 = 1 << 20;

/// Returns a client and the server's bare end of a pipe that holds so many unread bytes of the
/// client's.
async fn ends(quota: u32, outbox: usize) -> (Client, Inbox, NamedPipeServer) {
    let name = unique_name();
    let server = ServerOptions::new()
        .in_buffer_size(quota)
        .out_buffer_size(0)
        .create(format!(r"\\.\pipe\{name}"))
        .unwrap();
    let options = ClientOptions::new().outbox(outbox);
    let connector = Connector::new(&name[..]).unwrap();
    let (client, inbox) = Client::builder(connector).options(options).spawn();
    within(server.connect()).await.unwrap();
    (client, inbox, server)
}

#[tokio::test]
async fn no_message_is_taken_for_read_before_the_peer_has_its_last_byte() {
    for quota in [0, 1, 4096, 65_536, 1 << 20] {
        let (client, _inbox, mut server) = ends(quota, 16 << 20).await;
        let taken = Cell::new(0);
        let settled = Cell::new(0);
        let sending = async {
            loop {
                client.send(vec![7; LEN]).await.unwrap();
                settled.set(client.stats().delivered * FRAME);
                assert!(settled.get() <= taken.get() + AHEAD, "quota {quota}, {taken:?}");
            }
        };
        let reading = async {
            let mut piece = [0; 5000];
            while taken.get() < 4 * MIB {
                taken.set(taken.get() + server.read(&mut piece).await.unwrap() as u64);
            }
        };
        within(async {
            tokio::select! {
                () = sending => {}
                () = reading => {}
            }
        })
        .await;
        // All but what the pipe holds, the last write, the message that was being sent, and what the
        // runtime had read by then.
        let known = 4 * MIB - u64::from(quota) - AHEAD - 3 * FRAME;
        assert!(settled.get() >= known, "quota {quota}: {settled:?} of {known}");
    }
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_known_to_have_read_nothing() {
    for quota in [0, 4096, 1 << 20] {
        let (client, _inbox, server) = ends(quota, 4 << 20).await;
        // Until the pipe, the writer and the outbox are full: the send that then waits is given up.
        let full = std::time::Duration::from_millis(300);
        let sending = async {
            loop {
                client.send(vec![7; LEN]).await.unwrap();
            }
        };
        let waited: Result<(), _> = within(tokio::time::timeout(full, sending)).await;
        assert!(waited.is_err());
        let known = client.stats().delivered;
        assert!(known * FRAME <= AHEAD, "quota {quota}");
        // Whatever it would have read is lost, and comes back, or is kept.
        drop(server);
        let counters = within(client.close()).await.stats;
        assert_eq!(
            (counters.delivered, counters.delivered + counters.returned),
            (known, counters.accepted)
        );
    }
}
