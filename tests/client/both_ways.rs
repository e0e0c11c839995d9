//! Both directions at once: many tasks, select loops, and messages that no buffer holds.

use std::{cell::Cell, rc::Rc};

use npipes::{
    Client, Connection, Error,
    client::{ClientOptions, Connect, Inbox},
};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
    task::JoinSet,
};

use crate::{
    echo::{echo, select_loop, start_halves},
    support::{pattern, within},
};

/// An echo server at the other end of a pair in memory.
struct Echo(usize);

impl Connect for Echo {
    type Io = DuplexStream;

    async fn connect(&self) -> Result<Connection<DuplexStream>, Error> {
        let (near, far) = duplex(self.0);
        tokio::spawn(echo(Connection::new(far)));
        Ok(Connection::new(near))
    }
}

#[tokio::test(start_paused = true)]
async fn a_select_loop_with_small_limits_goes_on_if_it_awaits_room_beside_the_next_message() {
    const COUNT: usize = 200;
    let options = ClientOptions::new().inbox(1).outbox(1);
    let (client, mut inbox) = Client::builder(Echo(512)).options(options).spawn();
    let (mut sent, mut received) = (0, 0);
    let work = async {
        while received < COUNT {
            tokio::select! {
                message = inbox.receive() => {
                    assert!(message.unwrap().unwrap() == pattern(10_000, received as u64)[..]);
                    received += 1;
                }
                permit = client.reserve(), if sent < COUNT => {
                    drop(permit.unwrap().send(pattern(10_000, sent as u64)).unwrap());
                    sent += 1;
                }
            }
        }
    };
    within(work).await;
}

/// Calls the test with a client of each kind of server.
async fn with_each_server<F: Future<Output = ()>>(test: impl Fn(Client, Inbox) -> F) {
    for capacity in [512, 1 << 16] {
        let (client, inbox) = Client::spawn(Echo(capacity));
        within(test(client, inbox)).await;
    }
    #[cfg(feature = "simulated")]
    {
        let pipe = npipes::simulated::Pipe::new("both-ways").unwrap();
        let mut listener = pipe.listener().unwrap();
        tokio::spawn(async move {
            while let Ok(far) = listener.accept().await {
                tokio::spawn(echo(far));
            }
        });
        let (client, inbox) = Client::spawn(pipe.connector());
        within(test(client, inbox)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_select_loop_goes_on_while_both_sides_write_100_kilobytes() {
    with_each_server(|client, inbox| select_loop(client, inbox, 200)).await;
}

#[tokio::test(start_paused = true)]
async fn two_tasks_use_the_halves_of_a_duplex() {
    with_each_server(|client, inbox| start_halves(client, inbox, 500)).await;
}

#[tokio::test(start_paused = true)]
async fn eight_tasks_send_and_each_ones_messages_stay_in_order() {
    const TASKS: u64 = 8;
    const COUNT: u64 = 100;
    with_each_server(|client, mut inbox| async move {
        let mut senders = JoinSet::new();
        for task in 0..TASKS {
            let client = client.clone();
            senders.spawn(async move {
                for number in 0..COUNT {
                    let mut message = [task.to_le_bytes(), number.to_le_bytes()].concat();
                    message.resize(16 + number as usize * 37 % 5000, 0);
                    drop(client.send(message).await.unwrap());
                    tokio::task::yield_now().await;
                }
            });
        }
        let mut next = [0; TASKS as usize];
        for _ in 0..TASKS * COUNT {
            let message = inbox.receive().await.unwrap().unwrap();
            let word = |at: usize| u64::from_le_bytes(message[at..at + 8].try_into().unwrap());
            let task = usize::try_from(word(0)).unwrap();
            assert_eq!(word(8), next[task]);
            next[task] += 1;
        }
        while let Some(done) = senders.join_next().await {
            done.unwrap();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_at_a_time_goes_on_for_ever_over_any_transport() {
    with_each_server(|client, mut inbox| async move {
        // More in all than the outbox holds, over a transport that tells nothing.
        for number in 0..2000_u32 {
            let mut message = number.to_le_bytes().to_vec();
            message.resize(4000, 0);
            client.send(message).await.unwrap();
            let answer = inbox.receive().await.unwrap().unwrap();
            assert_eq!(answer[..4], number.to_le_bytes());
        }
        assert!(client.close().await.returned.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_receive_is_held_back_and_loses_nothing() {
    let options = ClientOptions::new().inbox(10_000).outbox(10_000);
    let (client, mut inbox) = Client::builder(Echo(4096)).options(options).spawn();
    let sent = Rc::new(Cell::new(0_u64));
    let counted = Rc::clone(&sent);
    let sending = async move {
        loop {
            drop(client.send(pattern(1000, counted.get())).await.unwrap());
            counted.set(counted.get() + 1);
        }
    };
    tokio::select! {
        () = sending => unreachable!(),
        () = tokio::time::sleep(std::time::Duration::from_secs(3600)) => {}
    }
    // The inbox, as much again for the sender that waits, and the outbox.
    assert!((28..45).contains(&sent.get()), "{}", sent.get());
    // The last handle is gone, so the client closes; what was answered is received all the same.
    for number in 0..10 {
        let message = within(inbox.receive()).await.unwrap().unwrap();
        assert!(message == pattern(1000, number)[..]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_tasks_send_at_once_shares_writes() {
    struct Counted(mpsc::UnboundedSender<Vec<u8>>);

    impl Connect for Counted {
        type Io = tokio_test::io::Mock;

        async fn connect(&self) -> Result<Connection<Self::Io>, Error> {
            let expected: Vec<u8> = (0..100_u8)
                .flat_map(|number| {
                    let crc = crc32fast::hash(&[number; 4]);
                    [
                        &16_u32.to_le_bytes()[..],
                        &4_u32.to_le_bytes(),
                        &[number; 4],
                        &crc.to_le_bytes(),
                    ]
                    .concat()
                })
                .collect();
            self.0.send(expected.clone()).unwrap();
            // One write of everything, or the mock panics.
            Ok(Connection::new(tokio_test::io::Builder::new().write(&expected).build()))
        }
    }

    let (told, mut expected) = mpsc::unbounded_channel();
    let (client, _inbox, driver) = Client::builder(Counted(told)).build();
    for number in 0..100 {
        client.try_send(vec![number; 4]).unwrap();
    }
    let flushed = within(async {
        tokio::select! {
            () = driver => panic!("the client has ended"),
            () = client.flush() => {}
        }
    });
    flushed.await;
    assert_eq!(expected.recv().await.unwrap().len(), 1600);
}
