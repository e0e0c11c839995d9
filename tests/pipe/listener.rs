//! The listener: who owns a name, and who gets in.

use npipes::{Error, Listener, ListenerOptions, NameError, connect};

use crate::{
    support::{unique_name, within},
    wine,
};

#[tokio::test]
async fn a_taken_name_is_reported_as_taken() {
    let name = unique_name();
    let _owner = Listener::bind(&name).unwrap();
    let error = Listener::bind(&name).unwrap_err();
    assert!(
        matches!(&error, Error::NameTaken { pipe } if pipe.as_str().ends_with(&name)),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        format!(
            r"\\.\pipe\{name} is taken: another server, perhaps in this process, listens on it"
        )
    );
}

#[tokio::test]
async fn a_taken_name_stays_its_owners() {
    let name = unique_name();
    let mut owner = Listener::bind(&name).unwrap();
    for _ in 0..3 {
        Listener::bind(&name).unwrap_err();
        let client = within(connect(&name)).await.unwrap();
        drop(within(owner.accept()).await.unwrap());
        drop(client);
    }
}

#[tokio::test]
async fn another_server_cannot_join_a_name() {
    if wine::skips(
        "another_server_cannot_join_a_name",
        "Wine ignores FILE_FLAG_FIRST_PIPE_INSTANCE",
    ) {
        return;
    }
    let name = unique_name();
    let _owner = Listener::bind(&name).unwrap();
    let path = format!(r"\\.\pipe\{name}");
    let mut options = tokio::net::windows::named_pipe::ServerOptions::new();
    let error = options.first_pipe_instance(true).create(path).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(5));
}

#[tokio::test]
async fn another_machines_name_cannot_be_listened_on() {
    let error = ListenerOptions::new().bind(r"\\host\pipe\orders").unwrap_err();
    assert!(matches!(error, Error::InvalidName { source: NameError::Remote, .. }), "{error:?}");
}
