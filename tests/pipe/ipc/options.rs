//! What can be set, and what is refused because it would be no use.

use npipes::{
    Error, ListenerOptions, PipeName,
    error::{InvalidName, NameError},
    ipc::{Delivery, Ipc, IpcOptions},
    security::Access,
};

use crate::support::{unique_name, within};

#[tokio::test]
async fn the_default_is_the_modules_name() {
    assert_eq!(*Ipc::new().unwrap().name(), PipeName::new("IPC_PIPE_DEFAULT").unwrap());
}

#[tokio::test]
async fn a_name_leaves_room_for_the_names_of_the_turns() {
    let name = unique_name();
    let room = PipeName::MAX_LEN - PipeName::new(&name).unwrap().as_str().len() - 15;
    let longest = name + &"x".repeat(room);
    let (mut here, mut there) = (Ipc::named(&longest).unwrap(), Ipc::named(&longest).unwrap());
    let both = async { tokio::join!(here.send_text("Hello"), there.receive_text()) };
    let (sent, received) = within(both).await;
    assert_eq!((sent.unwrap(), received.unwrap().as_str()), (Delivery::Read, "Hello"));

    let longer = PipeName::new(&(longest + "x")).unwrap();
    match Ipc::named(&longer).unwrap_err() {
        Error::InvalidName(InvalidName { name, source, .. }) => {
            let (len, max) = (PipeName::MAX_LEN + 1, PipeName::MAX_LEN);
            assert_eq!(name, longer.as_str());
            assert!(
                matches!(source, NameError::NoRoomForTurns { len: l, max: m, .. } if (l, m) == (len, max)),
                "{source:?}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_setting_that_would_keep_clients_out_and_is_not_used_is_refused() {
    let name = unique_name();
    let filter = ListenerOptions::new().filter(|_| false);
    let silent = ListenerOptions::new().handshake_timeout(std::time::Duration::from_secs(1));
    for (options, refused) in [(filter, "filter"), (silent, "handshake_timeout")] {
        let error = IpcOptions::new().listener(options).open(&name).unwrap_err();
        assert!(
            matches!(&error, Error::UnusedOption { option, .. } if *option == refused),
            "{error:?}"
        );
        assert!(error.to_string().contains(&format!("ListenerOptions::{refused}")), "{error}");
    }
}

#[tokio::test]
async fn the_access_rules_are_used_and_the_limits_are_not() {
    let name = unique_name();
    let listener =
        ListenerOptions::new().access(Access::authenticated_users()).backlog(9).max_instances(9);
    let options = IpcOptions::new().listener(listener);
    let (mut here, mut there) = (options.open(&name).unwrap(), options.open(&name).unwrap());
    for _ in 0..3 {
        let both = async { tokio::join!(here.send_text("Hello"), there.receive_text()) };
        let (sent, received) = within(both).await;
        assert_eq!((sent.unwrap(), received.unwrap().as_str()), (Delivery::Read, "Hello"));
    }
}
