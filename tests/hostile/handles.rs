//! Calls that fail keep nothing.

use std::time::Duration;

use futures::future::join_all;
use npipes::{
    ConnectOptions, Error, Listener, ListenerOptions,
    security::{SecurityDescriptor, ServerTrust, Sid},
};
use tokio::net::windows::named_pipe::{ClientOptions, ServerOptions};

use crate::{
    process::{self, measured},
    support::{unique_name, within},
};

const CALLS: usize = 10_000;

/// More than the runtime and the operating system take for their own use along the way, and far
/// less than one for each call.
const SLACK: usize = 20;

/// Runs `call` 10,000 times and checks that the number of handles is what it was.
async fn keeps_no_handle<F: AsyncFnMut()>(what: &str, call: F) {
    keeps_no_handle_in(what, 1, call).await;
}

/// The same for a `call` that makes so many calls at once.
async fn keeps_no_handle_in<F: AsyncFnMut()>(what: &str, at_once: usize, mut call: F) {
    for _ in 0..50 {
        call().await;
    }
    settle().await;
    let before = process::handles();
    for _ in 0..CALLS / at_once {
        call().await;
    }
    settle().await;
    let after = process::handles();
    println!("{what}: {before} handles before {CALLS} calls, {after} after");
    assert!(after <= before + SLACK, "{before} handles before, {after} after");
}

/// Lets the runtime's driver see the end of what was cancelled.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn connecting_to_nothing_keeps_no_handle() {
    measured(async || {
        let name = unique_name();
        let options = ConnectOptions::new();
        keeps_no_handle("connect, no such pipe", async || {
            let error = within(options.connect(&name)).await.unwrap_err();
            assert!(matches!(error, Error::Connect(_)), "{error:?}");
        })
        .await;
    });
}

#[test]
fn binding_a_taken_name_keeps_no_handle() {
    measured(async || {
        let name = unique_name();
        let _owner = Listener::bind(&name).unwrap();
        keeps_no_handle("bind, name taken", async || {
            let error = Listener::bind(&name).unwrap_err();
            assert!(matches!(error, Error::NameTaken { .. }), "{error:?}");
            tokio::task::yield_now().await;
        })
        .await;
    });
}

#[test]
fn refusing_a_server_keeps_no_handle() {
    measured(async || {
        let path = format!(r"\\.\pipe\{}", unique_name());
        let stranger: Sid = "S-1-5-21-1-2-3-4".parse().unwrap();
        let options = ConnectOptions::new().server_trust(ServerTrust::user(stranger));
        keeps_no_handle("connect, server refused", async || {
            let _server = ServerOptions::new().create(&path).unwrap();
            let error = within(options.connect(&path)).await.unwrap_err();
            assert!(matches!(error, Error::UntrustedServer(_)), "{error:?}");
            tokio::task::yield_now().await;
        })
        .await;
    });
}

#[test]
fn refusing_a_client_keeps_no_handle() {
    measured(async || {
        let name = unique_name();
        let path = format!(r"\\.\pipe\{name}");
        let mut listener = ListenerOptions::new().filter(|_| false).bind(&name).unwrap();
        keeps_no_handle("accept, client refused", async || {
            let mut client = ClientOptions::new().open(&path).unwrap();
            let refusal = async {
                // Some clients are known by what they write.
                let _ = tokio::io::AsyncWriteExt::write_all(&mut client, b"!").await;
                let _ = tokio::io::AsyncReadExt::read_u8(&mut client).await;
            };
            tokio::select! {
                () = within(refusal) => {}
                accepted = listener.accept() => panic!("{accepted:?}"),
            }
        })
        .await;
    });
}

#[test]
fn a_wrong_descriptor_keeps_no_handle_and_no_memory() {
    measured(async || {
        let text = format!("D:P{}(A;;oops;;;BU)", "(A;;FA;;;SY)".repeat(20));
        let refuse = || {
            let error = text.parse::<SecurityDescriptor>().unwrap_err();
            assert!(matches!(error, Error::InvalidSecurityDescriptor { position: Some(243), .. }));
        };
        keeps_no_handle("a wrong descriptor", async || refuse()).await;
        // Each call has had the system allocate 20 valid parts, of more than 64 bytes each: 12 MiB.
        let (before, _) = process::memory();
        (0..CALLS).for_each(|_| refuse());
        let (after, _) = process::memory();
        println!("a wrong descriptor: {before} bytes before {CALLS} calls, {after} after");
        assert!(after < before + 4 * 1024 * 1024, "{before} bytes before, {after} after");
    });
}

#[test]
fn asking_the_wrong_end_who_its_client_is_keeps_no_handle() {
    measured(async || {
        let name = unique_name();
        let mut listener = Listener::bind(&name).unwrap();
        let client = within(npipes::connect(&name)).await.unwrap();
        let server = within(listener.accept()).await.unwrap();
        keeps_no_handle("peer, both ends", async || {
            client.peer().unwrap_err();
            // Succeeds or, where nothing has arrived, may fail; neither keeps a handle.
            let _ = server.peer();
        })
        .await;
    });
}

#[test]
fn a_busy_pipe_that_nobody_frees_keeps_no_handle() {
    measured(async || {
        const AT_ONCE: usize = 50;
        let path = format!(r"\\.\pipe\{}", unique_name());
        let _server = ServerOptions::new().max_instances(1).create(&path).unwrap();
        let _client = ClientOptions::new().open(&path).unwrap();
        let options = ConnectOptions::new().timeout(Duration::from_millis(2));
        // Each waits on the device of all pipes, and gives up.
        let wait = async || {
            let all = std::iter::repeat_with(|| options.connect(&path)).take(AT_ONCE);
            for waited in within(join_all(all)).await {
                let error = waited.unwrap_err();
                assert!(matches!(error, Error::Connect(_)), "{error:?}");
            }
        };
        keeps_no_handle_in("connect, busy", AT_ONCE, wait).await;
    });
}

#[test]
fn an_end_that_cannot_be_closed_alone_keeps_no_handle() {
    measured(async || {
        let name = unique_name();
        let mut listener = Listener::bind(&name).unwrap();
        let mut client = within(npipes::connect(&name)).await.unwrap();
        let _server = within(listener.accept()).await.unwrap();
        keeps_no_handle("close_write, a pipe of bytes", async || {
            within(client.close_write()).await.unwrap_err();
        })
        .await;
    });
}
