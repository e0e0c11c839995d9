//! Values through tokio-serde and tarpc, which take a connection or the codec as they are.

use std::io;

use bytes::Bytes;
use futures::{SinkExt, StreamExt, TryStreamExt};
use npipes::{Connection, Error, FrameCodec, frame::FrameError};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio_serde::{
    Framed, SymmetricallyFramed,
    formats::{SymmetricalJson, SymmetricalMessagePack},
};

use crate::{
    kitchen::{Cook, Kitchen, KitchenClient},
    support::within,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    count: u32,
}

fn order(count: u32) -> Order {
    Order { item: "coffee".to_owned(), count }
}

type Json<T> = Framed<T, Order, Order, SymmetricalJson<Order>>;

/// Returns orders as JSON over a connection, and the bare other end.
fn json() -> (Json<impl futures::Stream<Item = io::Result<bytes::BytesMut>> + Unpin>, DuplexStream)
{
    let (near, far) = duplex(4096);
    let transport = Connection::new(near).err_into::<io::Error>();
    (SymmetricallyFramed::new(transport, SymmetricalJson::default()), far)
}

#[tokio::test]
async fn json_goes_both_ways_over_a_connection() {
    let (near, far) = duplex(4096);
    let [mut near, mut far] = [near, far].map(|io| {
        let transport = Connection::new(io).sink_err_into::<io::Error>().err_into::<io::Error>();
        SymmetricallyFramed::new(transport, SymmetricalJson::<Order>::default())
    });
    within(near.send(order(1))).await.unwrap();
    assert_eq!(within(far.try_next()).await.unwrap(), Some(order(1)));
    within(far.send(order(2))).await.unwrap();
    assert_eq!(within(near.try_next()).await.unwrap(), Some(order(2)));
    within(near.close()).await.unwrap();
    drop(near);
    assert_eq!(within(far.try_next()).await.unwrap(), None);
}

#[tokio::test]
async fn messagepack_goes_over_a_connection_and_over_framed() {
    let (near, far) = duplex(4096);
    let mut near =
        SymmetricallyFramed::new(Connection::new(near), SymmetricalMessagePack::default());
    let far = tokio_util::codec::Framed::new(far, FrameCodec::default());
    let mut far = SymmetricallyFramed::new(far, SymmetricalMessagePack::default());
    within(near.send(order(1))).await.unwrap();
    assert_eq!(within(far.try_next()).await.unwrap(), Some(order(1)));
    within(far.send(order(2))).await.unwrap();
    assert_eq!(within(near.try_next()).await.unwrap(), Some(order(2)));
}

#[tokio::test]
async fn a_message_that_is_no_value_costs_itself_alone() {
    let (mut orders, far) = json();
    let mut far = Connection::new(far);
    within(far.send("two coffees")).await.unwrap();
    within(far.send(Bytes::from(r#"{"item":"coffee","count":2}"#))).await.unwrap();
    let error = within(orders.next()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(within(orders.next()).await.unwrap().unwrap(), order(2));
}

#[tokio::test]
async fn a_corrupt_frame_is_told_from_a_message_that_is_no_value() {
    let (mut orders, mut far) = json();
    within(far.write_all(b"\x11\0\0\0\x05\0\0\0Iello\x82\x89\xd1\xf7")).await.unwrap();
    within(Connection::new(far).send(Bytes::from(r#"{"item":"tea","count":1}"#))).await.unwrap();
    let error = within(orders.next()).await.unwrap().unwrap_err();
    assert!(matches!(Error::from(error), Error::Frame(FrameError::Checksum { .. })));
    assert_eq!(within(orders.next()).await.unwrap().unwrap().item, "tea");
}

#[tokio::test]
async fn tarpc_calls_over_a_connection() {
    use tarpc::server::{BaseChannel, Channel};
    use tokio_serde::formats::MessagePack;

    let (near, far) = duplex(4096);
    let transport = Framed::new(Connection::new(far), MessagePack::default());
    let requests = BaseChannel::with_defaults(transport).execute(Cook.serve());
    let server = tokio::spawn(requests.for_each_concurrent(None, |request| request));
    let transport = Framed::new(Connection::new(near), MessagePack::default());
    let kitchen = KitchenClient::new(tarpc::client::Config::default(), transport).spawn();
    let answer = within(kitchen.cook(tarpc::context::current(), "soup".to_owned())).await;
    assert_eq!(answer.unwrap(), "soup: ready");
    drop(kitchen);
    within(server).await.unwrap();
}
