//! What is so where the pipes are sockets: the queue of an end that leaves, and files.

use std::{fs, io, os::unix::net::UnixListener, path::Path};

use futures::poll;
use npipes::{
    Error, Listener, connect_stream,
    ipc::{Delivery, Ipc, IpcOptions, IpcRole},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    net::{RecvFlags, recv},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::yield_now,
};

use crate::{
    folder::Folder,
    support::{unique_name, within},
};

/// "Hello", as the Python module writes it with a CRC.
const HELLO: &[u8] = b"\0\0\0\x0d\0\0\0\x05Hello\xf7\xd1\x89\x82";

/// Waits until a client is in the queue of `listener`, which does not accept it.
async fn until_queued(listener: &UnixListener) {
    within(async {
        loop {
            let mut socket = [PollFd::new(listener, PollFlags::IN)];
            if rustix::event::poll(&mut socket, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap()
                > 0
            {
                return;
            }
            yield_now().await;
        }
    })
    .await;
}

/// An owner of the name that leaves with a client in its queue, `times` times.
async fn leave_with_a_client_in_the_queue(path: &str, times: usize) {
    for _ in 0..times {
        let owner = UnixListener::bind(path).unwrap();
        until_queued(&owner).await;
        fs::remove_file(path).unwrap();
        drop(owner);
    }
}

#[tokio::test]
async fn a_message_in_the_queue_of_an_owner_that_leaves_goes_to_the_next_one() {
    let folder = Folder::new();
    let path = folder.socket();
    let mut sender = IpcOptions::new().role(IpcRole::Client).open(&path).unwrap();
    let receiving = async {
        leave_with_a_client_in_the_queue(&path, 20).await;
        within(Ipc::named(&path).unwrap().receive_text()).await.unwrap()
    };
    let (sent, received) = tokio::join!(within(sender.send_text("Hello")), receiving);
    assert_eq!((sent.unwrap(), received.as_str()), (Delivery::Read, "Hello"));
}

#[tokio::test]
async fn a_message_of_which_a_part_was_not_read_goes_to_the_next_peer() {
    let folder = Folder::new();
    let path = folder.socket();
    let mut sender = IpcOptions::new().role(IpcRole::Client).open(&path).unwrap();
    let receiving = async {
        let owner = UnixListener::bind(&path).unwrap();
        until_queued(&owner).await;
        let (peer, _) = owner.accept().unwrap();
        let mut some = [0; 4];
        within(async {
            while recv(&peer, &mut some, RecvFlags::PEEK | RecvFlags::DONTWAIT).is_err() {
                yield_now().await;
            }
        })
        .await;
        assert_eq!(recv(&peer, &mut some, RecvFlags::empty()).unwrap().0, 4);
        fs::remove_file(&path).unwrap();
        drop((owner, peer));
        within(Ipc::named(&path).unwrap().receive_text()).await.unwrap()
    };
    let (sent, received) = tokio::join!(within(sender.send_text("Hello")), receiving);
    assert_eq!((sent.unwrap(), received.as_str()), (Delivery::Read, "Hello"));
}

#[tokio::test]
async fn a_peer_that_left_before_the_message_was_written_is_passed_over() {
    let folder = Folder::new();
    let path = folder.socket();
    let mut sender = IpcOptions::new().role(IpcRole::Server).open(&path).unwrap();
    let mut sending = std::pin::pin!(within(sender.send_text("Hello")));
    for _ in 0..3 {
        within(async {
            loop {
                assert!(poll!(sending.as_mut()).is_pending());
                if UnixStream::connect(&path).await.is_ok() {
                    break;
                }
                yield_now().await;
            }
        })
        .await;
    }
    let mut receiver = IpcOptions::new().role(IpcRole::Client).open(&path).unwrap();
    let (sent, received) = tokio::join!(sending, within(receiver.receive_text()));
    assert_eq!((sent.unwrap(), received.unwrap().as_str()), (Delivery::Read, "Hello"));
}

#[tokio::test]
async fn a_receiver_in_the_queue_of_an_owner_that_leaves_goes_on() {
    let folder = Folder::new();
    let path = folder.socket();
    let mut receiver = IpcOptions::new().role(IpcRole::Client).open(&path).unwrap();
    let sending = async {
        leave_with_a_client_in_the_queue(&path, 20).await;
        within(Ipc::named(&path).unwrap().send_text("Hello")).await.unwrap()
    };
    let (received, sent) = tokio::join!(within(receiver.receive_text()), sending);
    assert_eq!((received.unwrap().as_str(), sent), ("Hello", Delivery::Read));
}

#[tokio::test]
async fn there_is_one_session_at_a_time_and_its_end_owns_the_name() {
    let name = unique_name();
    let mut receiver = Ipc::named(&name).unwrap();
    let peer = async {
        let mut peer = within(async {
            loop {
                match connect_stream(&name).await {
                    Ok(stream) => return stream,
                    Err(e) => assert!(e.is_retryable(), "{e:?}"),
                }
                yield_now().await;
            }
        })
        .await;
        peer.write_all(&HELLO[..5]).await.unwrap();
        // The second client finds the first one still in the queue, and then nobody. A process that another
        // test is starting has a duplicate of the listener until its program begins: the second client is
        // in its queue that long, and then reset.
        within(async {
            loop {
                match connect_stream(&name).await {
                    Err(Error::Connect(e)) if e.attempts.not_found > 0 => break,
                    Err(e) => assert!(e.is_retryable(), "{e:?}"),
                    Ok(mut second) => {
                        let read = second.read(&mut [0]).await;
                        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
                    }
                }
            }
        })
        .await;
        assert!(matches!(Listener::bind(&name), Err(Error::NameTaken { .. })));
        peer.write_all(&HELLO[5..]).await.unwrap();
    };
    let (received, ()) = tokio::join!(within(receiver.receive_text()), peer);
    assert_eq!(received.unwrap(), "Hello");
    Listener::bind(&name).unwrap();
}

#[tokio::test]
async fn no_file_stays_behind() {
    let folder = Folder::new();
    let path = folder.socket();
    let (mut here, mut there) = (Ipc::named(&path).unwrap(), Ipc::named(&path).unwrap());
    let both = async { tokio::join!(here.send_text("Hello"), there.receive_text()) };
    let (sent, received) = within(both).await;
    assert_eq!((sent.unwrap(), received.unwrap().as_str()), (Delivery::Read, "Hello"));
    assert!(folder.files().is_empty());

    let waiting = tokio::time::timeout(std::time::Duration::from_millis(5), there.receive_text());
    assert!(waiting.await.is_err());
    assert!(!folder.files().is_empty());
    drop(there);
    assert!(folder.files().is_empty());
}

#[tokio::test]
async fn what_has_the_path_and_is_no_socket_stays_as_it_is() {
    let folder = Folder::new();
    let path = folder.socket();
    fs::write(&path, "mine").unwrap();
    for role in [IpcRole::Either, IpcRole::Server] {
        let mut ipc = IpcOptions::new().role(role).open(&path).unwrap();
        match within(ipc.receive_message()).await {
            Err(Error::Io { source, .. }) => {
                assert_eq!(source.kind(), io::ErrorKind::AlreadyExists);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fs::read(Path::new(&path)).unwrap(), b"mine");
}
