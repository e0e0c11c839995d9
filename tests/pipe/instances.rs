//! What a listener's instances are to the operating system.

use futures::FutureExt;
use npipes::{
    ConnectOptions, Error, Listener, ListenerOptions, connect,
    pipe::{Direction, PipeType},
};
use tokio::net::windows::named_pipe::{PipeMode, ServerOptions};

use crate::{
    plain::path,
    rules,
    support::{unique_name, within},
};

const ERROR_ACCESS_DENIED: i32 = 5;

#[tokio::test]
async fn a_name_is_taken_however_its_owner_made_it() {
    let takers = [
        ServerOptions::new(),
        ServerOptions::new().access_outbound(false).clone(),
        ServerOptions::new().access_inbound(false).clone(),
        ServerOptions::new().pipe_mode(PipeMode::Message).clone(),
        ServerOptions::new().max_instances(1).clone(),
    ];
    for taker in takers {
        let name = unique_name();
        let _taker = taker.create(path(&name)).unwrap();
        let error = Listener::bind(&name).unwrap_err();
        assert!(matches!(error, Error::NameTaken { .. }), "{taker:?}: {error:?}");
    }
}

#[tokio::test]
async fn another_server_cannot_join_a_name() {
    if rules::FIRST_INSTANCE.skips("another_server_cannot_join_a_name") {
        return;
    }
    let name = unique_name();
    let _owner = Listener::bind(&name).unwrap();
    let mut options = ServerOptions::new();
    let error = options.first_pipe_instance(true).create(path(&name)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(ERROR_ACCESS_DENIED));
}

#[tokio::test]
async fn options_reach_the_operating_system() {
    let name = unique_name();
    let mut listener = ListenerOptions::new()
        .pipe_type(PipeType::Message)
        .max_instances(7)
        .in_buffer_size(1000)
        .out_buffer_size(3000)
        .bind(&name)
        .unwrap();
    let _client = within(connect(&name)).await.unwrap();
    let server = within(listener.accept_stream()).await.unwrap().into_server().unwrap();
    let info = server.info().unwrap();
    assert_eq!(info.mode, PipeMode::Message);
    // One more than clients: it holds the name.
    assert_eq!(info.max_instances, 8);
    assert_eq!((info.in_buffer_size, info.out_buffer_size), (1000, 3000));
}

#[tokio::test]
async fn an_inbound_pipe_carries_messages_to_the_server_only() {
    let name = unique_name();
    let mut listener = ListenerOptions::new().direction(Direction::Inbound).bind(&name).unwrap();
    let options = ConnectOptions::new().direction(Direction::Inbound);
    for round in 0..3_u8 {
        let mut client = within(options.connect(&name)).await.unwrap();
        let mut connection = within(listener.accept()).await.unwrap();
        within(client.send(vec![round])).await.unwrap();
        assert_eq!(within(connection.receive()).await.unwrap().unwrap(), [round][..]);
        within(client.receive()).await.unwrap_err();
        drop(client);
        assert_eq!(within(connection.receive()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_outbound_pipe_carries_messages_to_the_client_only() {
    let name = unique_name();
    let mut listener = ListenerOptions::new().direction(Direction::Outbound).bind(&name).unwrap();
    let options = ConnectOptions::new().direction(Direction::Outbound);
    for round in 0..3_u8 {
        assert!(listener.accept().now_or_never().is_none());
        let mut client = within(options.connect(&name)).await.unwrap();
        let mut connection = within(listener.accept()).await.unwrap();
        within(connection.send(vec![round])).await.unwrap();
        assert_eq!(within(client.receive()).await.unwrap().unwrap(), [round][..]);
        within(connection.receive()).await.unwrap_err();
        drop(connection);
        assert_eq!(within(client.receive()).await.unwrap(), None);
    }
}
