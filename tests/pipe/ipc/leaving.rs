//! Peers that leave, and ends that give up, at the worst moment.

use futures::FutureExt;
use npipes::{
    Error, Listener,
    frame::FrameFormat,
    ipc::{Delivery, Ipc, IpcOptions, IpcRole},
};
use tokio::task::yield_now;

use super::{at_a_deadline, connect_when_it_is_there};
use crate::support::{unique_name, within};

#[tokio::test]
async fn a_receiver_goes_on_when_the_server_that_it_has_met_gives_up() {
    let name = unique_name();
    let mut receiver = IpcOptions::new().role(IpcRole::Client).open(&name).unwrap();
    let mut listener = Listener::bind(&name).unwrap();
    let sending = async {
        for _ in 0..3 {
            within(listener.accept_stream()).await.unwrap().abort();
        }
        within(listener.close()).await;
        within(Ipc::named(&name).unwrap().send_text("at last")).await.unwrap()
    };
    let (received, sent) = tokio::join!(within(receiver.receive_text()), sending);
    assert_eq!((received.unwrap().as_str(), sent), ("at last", Delivery::Read));
}

#[tokio::test]
async fn sends_that_are_dropped_at_every_poll_send_nothing_twice_and_harm_no_receiver() {
    const SENDS: usize = 50;
    let name = unique_name();
    let mut receiver = Ipc::named(&name).unwrap();
    let receiving = tokio::spawn(async move {
        let mut last = None;
        while last != Some(SENDS) {
            let number: usize = within(receiver.receive_text()).await.unwrap().parse().unwrap();
            assert!(last < Some(number), "{number} after {last:?}");
            last = Some(number);
        }
    });
    let mut sender = Ipc::named(&name).unwrap();
    for number in 0..SENDS {
        let text = number.to_string();
        let mut sending = Box::pin(sender.send_text(&text));
        // The first is dropped after one poll, the second after two, and so on.
        for _ in 0..=number {
            if let Some(sent) = sending.as_mut().now_or_never() {
                sent.unwrap();
                break;
            }
            yield_now().await;
        }
    }
    assert_eq!(within(sender.send_text(&SENDS.to_string())).await.unwrap(), Delivery::Read);
    within(receiving).await.unwrap();
}

#[tokio::test]
async fn a_reader_that_leaves_at_once_is_not_taken_for_an_error() {
    let name = unique_name();
    for _ in 0..20 {
        let mut ipc = Ipc::named(&name).unwrap();
        let reader = async {
            let mut peer = connect_when_it_is_there(&name).await;
            within(peer.receive()).await
        };
        let (sent, read) = within(async { tokio::join!(ipc.send_text("Hello"), reader) }).await;
        // The reader speaks another dialect: it has read the header of the message and refuses it.
        assert!(matches!(read, Err(Error::Frame(_))), "{read:?}");
        assert!(matches!(sent.unwrap(), Delivery::Read | Delivery::PeerLeft));
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_an_error_at_the_deadline() {
    let error = at_a_deadline(async |deadline| {
        let name = unique_name();
        let options = IpcOptions::new().format(FrameFormat::new()).timeout(deadline);
        let mut ipc = options.open(&name).unwrap();
        let reader = async {
            let peer = connect_when_it_is_there(&name).await;
            std::future::pending::<()>().await;
            drop(peer);
        };
        // More than the buffers of the system hold, and what a runtime reads ahead.
        tokio::select! {
            sent = within(ipc.send_message(vec![0; 1024 * 1024])) => sent.unwrap_err(),
            () = reader => unreachable!(),
        }
    });
    let error = error.await;
    assert!(matches!(error, Error::Io { .. }) && error.is_timeout(), "{error:?}");
    assert!(error.to_string().contains("the peer has not read everything"), "{error}");
}
