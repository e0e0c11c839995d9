//! One message per session: whoever comes first, whoever is the server.

mod leaving;
#[cfg(windows)]
mod module;
mod options;
mod processes;
#[cfg(unix)]
mod sockets;

use std::time::Duration;

use futures::FutureExt;
use npipes::{
    Error, Listener, connect,
    frame::FrameFormat,
    ipc::{Delivery, Ipc, IpcOptions, IpcRole},
    text::{TextDecodeError, TextEncoding},
};
use tokio::task::yield_now;

use crate::support::{pattern, unique_name, within};

/// Those who can meet whoever comes first.
const ROLES: [[IpcRole; 2]; 5] = [
    [IpcRole::Either, IpcRole::Either],
    [IpcRole::Either, IpcRole::Client],
    [IpcRole::Client, IpcRole::Either],
    [IpcRole::Server, IpcRole::Client],
    [IpcRole::Client, IpcRole::Server],
];

#[tokio::test]
async fn a_message_finds_its_receiver_whoever_comes_first_and_in_whatever_role() {
    for [sender, receiver] in ROLES {
        let name = unique_name();
        let mut here = IpcOptions::new().role(sender).open(&name).unwrap();
        let mut there = IpcOptions::new().role(receiver).open(&name).unwrap();
        for round in 0..10 {
            let text = format!("{sender:?} to {receiver:?}, {round}");
            let (send, receive) = (here.send_text(&text), there.receive_text());
            let (sent, received) = match round % 2 {
                0 => within(async { tokio::join!(send, receive) }).await,
                _ => {
                    let (received, sent) = within(async { tokio::join!(receive, send) }).await;
                    (sent, received)
                }
            };
            assert_eq!(received.unwrap(), text);
            assert_eq!(sent.unwrap(), Delivery::Read, "{text}");
            assert_eq!(there.message().unwrap(), text.as_bytes());
        }
    }
}

#[tokio::test]
async fn two_that_could_never_meet_give_up() {
    for role in [IpcRole::Server, IpcRole::Client] {
        let name = unique_name();
        let options = IpcOptions::new().role(role).timeout(Duration::from_millis(50));
        let (mut here, mut there) = (options.open(&name).unwrap(), options.open(&name).unwrap());
        let both = async { tokio::join!(here.send_message("Hello"), there.receive_message()) };
        let (sent, received) = within(both).await;
        assert!(matches!(sent, Err(Error::NoPeer { .. })), "{role:?}: {sent:?}");
        assert!(matches!(received, Err(Error::NoPeer { .. })), "{role:?}: {received:?}");
    }
}

#[tokio::test]
async fn of_many_at_once_each_message_has_one_sender_and_one_receiver() {
    const PAIRS: usize = 8;
    let name = unique_name();
    let mut tasks = Vec::new();
    for n in 0..PAIRS {
        let mut sender = Ipc::named(&name).unwrap();
        tasks.push(tokio::spawn(async move {
            assert_eq!(within(sender.send_text(&n.to_string())).await.unwrap(), Delivery::Read);
            None
        }));
        let mut receiver = Ipc::named(&name).unwrap();
        tasks.push(tokio::spawn(async move {
            Some(within(receiver.receive_text()).await.unwrap().parse::<usize>().unwrap())
        }));
    }
    let mut received = Vec::new();
    for task in tasks {
        received.extend(within(task).await.unwrap());
    }
    received.sort_unstable();
    assert_eq!(received, (0..PAIRS).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_larger_than_the_pipes_buffers_arrives_whole() {
    let name = unique_name();
    let options = IpcOptions::new().format(FrameFormat::new());
    let (mut here, mut there) = (options.open(&name).unwrap(), options.open(&name).unwrap());
    let message = pattern(3 * 1024 * 1024 + 7, 1);
    let sent = here.send_message(message.clone());
    let (sent, received) = within(async { tokio::join!(sent, there.receive_message()) }).await;
    assert_eq!(sent.unwrap(), Delivery::Read);
    assert!(received.unwrap() == message);
}

#[tokio::test]
async fn what_the_module_could_not_read_is_refused_before_anything_is_opened() {
    let name = unique_name();
    let mut ipc = Ipc::named(&name).unwrap();
    let error = within(ipc.send_message(vec![0; 65_525])).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { len: 65_525, max: 65_524, .. }), "{error:?}");
    let error = within(ipc.send_text("5 €")).await.unwrap_err();
    assert!(matches!(error, Error::TextEncode(_)), "{error:?}");
    Listener::bind(&name).unwrap();
}

#[tokio::test]
async fn when_nobody_comes_the_error_says_so_and_the_name_is_free_again() {
    let name = unique_name();
    let deadline = Duration::from_millis(20);
    let mut ipc = IpcOptions::new().timeout(deadline).open(&name).unwrap();
    for _ in 0..2 {
        for error in [
            within(ipc.receive_message()).await.unwrap_err(),
            within(ipc.send_message("Hello")).await.unwrap_err(),
        ] {
            assert!(error.is_timeout(), "{error:?}");
            let text = format!("no peer came to {} within {deadline:?}", ipc.name());
            assert_eq!(error.to_string(), text);
        }
    }
    assert!(ipc.message().is_none());
    Listener::bind(&name).unwrap();
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_waited_for_until_the_deadline() {
    let error = at_a_deadline(async |deadline| {
        let name = unique_name();
        let mut ipc = IpcOptions::new().timeout(deadline).open(&name).unwrap();
        let silent = async {
            let peer = connect_when_it_is_there(&name).await;
            std::future::pending::<()>().await;
            drop(peer);
        };
        tokio::select! {
            received = within(ipc.receive_message()) => received.unwrap_err(),
            () = silent => unreachable!(),
        }
    });
    let error = error.await;
    assert!(error.is_timeout() && !matches!(error, Error::NoPeer { .. }), "{error:?}");
}

/// Returns the error of an exchange with a deadline by which its peer is there. On a busy machine it takes
/// longer, so that the error is that there was none: the next exchange has more time.
async fn at_a_deadline(exchange: impl AsyncFn(Duration) -> Error) -> Error {
    for millis in [300, 1_000, 4_000] {
        match exchange(Duration::from_millis(millis)).await {
            Error::NoPeer { .. } => {}
            error => return error,
        }
    }
    exchange(Duration::from_secs(16)).await
}

#[tokio::test]
async fn peers_that_come_and_go_without_a_message_are_passed_over() {
    let name = unique_name();
    let (mut here, mut there) = (Ipc::named(&name).unwrap(), Ipc::named(&name).unwrap());
    let others = async {
        for _ in 0..3 {
            drop(connect_when_it_is_there(&name).await);
        }
        within(there.send_text("at last")).await.unwrap()
    };
    let (received, sent) = tokio::join!(within(here.receive_text()), others);
    assert_eq!((received.unwrap().as_str(), sent), ("at last", Delivery::Read));
}

async fn connect_when_it_is_there(name: &str) -> npipes::Connection<npipes::PipeStream> {
    within(async {
        loop {
            match connect(name).await {
                Ok(connection) => return connection,
                Err(e) => assert!(e.is_retryable(), "{e:?}"),
            }
            yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_receive_that_is_dropped_at_every_poll_loses_nothing() {
    let name = unique_name();
    let mut receiver = Ipc::named(&name).unwrap();
    let mut sender = Ipc::named(&name).unwrap();
    let sending = tokio::spawn(async move {
        for n in 0..20 {
            assert_eq!(sender.send_text(&n.to_string()).await.unwrap(), Delivery::Read);
        }
    });
    for n in 0..20 {
        let received = within(async {
            loop {
                if let Some(received) = receiver.receive_text().now_or_never() {
                    return received;
                }
                yield_now().await;
            }
        });
        assert_eq!(received.await.unwrap(), n.to_string());
    }
    within(sending).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_no_text_is_handed_back_and_kept() {
    let name = unique_name();
    let (mut here, mut there) = (Ipc::named(&name).unwrap(), Ipc::named(&name).unwrap());
    let both = async { tokio::join!(here.send_message("naïve"), there.receive_text()) };
    let (sent, received) = within(both).await;
    assert_eq!(sent.unwrap(), Delivery::Read);
    match received.unwrap_err() {
        Error::TextDecode { payload, source: TextDecodeError { at: 2, .. }, .. } => {
            assert_eq!(payload, "naïve");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(there.message().unwrap(), "naïve");
}

#[tokio::test]
async fn dialect_checksum_and_encoding_are_as_set() {
    let name = unique_name();
    let sender = IpcOptions::new().format(FrameFormat::new()).text_encoding(TextEncoding::Utf16Le);
    let receiver = IpcOptions::new()
        .format(FrameFormat::new().detect_dialect(true))
        .text_encoding(TextEncoding::Utf16Le);
    let (mut here, mut there) = (sender.open(&name).unwrap(), receiver.open(&name).unwrap());
    let both = async { tokio::join!(here.send_text("→"), there.receive_text()) };
    let (sent, received) = within(both).await;
    assert_eq!(sent.unwrap(), Delivery::Read);
    assert_eq!(received.unwrap(), "→");

    // A receiver of the module's dialect names what it has met.
    let mut strict = Ipc::named(&name).unwrap();
    let both = async { tokio::join!(here.send_text("→"), strict.receive_text()) };
    let (_, received) = within(both).await;
    let error = received.unwrap_err();
    assert!(error.to_string().contains("the peer speaks the documented dialect"), "{error}");
}
