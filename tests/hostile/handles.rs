//! Calls that fail keep nothing.

use std::time::{Duration, Instant};

use futures::future::join_all;
#[cfg(windows)]
use npipes::security::SecurityDescriptor;
use npipes::{ConnectOptions, Error, Listener, ListenerOptions};

use crate::{
    foreign::{client, server, stranger},
    plain::path,
    process::measured,
    support::{unique_name, within},
    system,
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
    let before = system::handles();
    for _ in 0..CALLS / at_once {
        call().await;
    }
    settle().await;
    let after = handles_once_below(before + SLACK).await;
    println!("{what}: {before} handles before {CALLS} calls, {after} after");
    assert!(after <= before + SLACK, "{before} handles before, {after} after");
}

/// Lets the runtime's driver see the end of what was cancelled.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Returns the number of handles when it is at most `limit`, or after a long time. What was cancelled is
/// ended by threads of the system, which a busy machine keeps waiting, and which tell nobody.
async fn handles_once_below(limit: usize) -> usize {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let handles = system::handles();
        if handles <= limit || Instant::now() > deadline {
            return handles;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
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
        let path = path(&unique_name());
        let options = ConnectOptions::new().server_trust(stranger());
        keeps_no_handle("connect, server refused", async || {
            let _server = server(&path);
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
        let path = path(&name);
        let mut listener = ListenerOptions::new().filter(|_| false).bind(&name).unwrap();
        keeps_no_handle("accept, client refused", async || {
            let mut client = client(&path).await;
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

#[cfg(not(windows))]
#[test]
fn a_wrong_descriptor_keeps_no_handle_and_no_memory() {
    skipped("a_wrong_descriptor_keeps_no_handle_and_no_memory", "only Windows has descriptors");
}

#[cfg(windows)]
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
        let (before, _) = system::memory();
        (0..CALLS).for_each(|_| refuse());
        let (after, _) = system::memory();
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
        let path = path(&unique_name());
        let _server = server(&path);
        let _client = client(&path).await;
        let options = ConnectOptions::new().timeout(Duration::from_millis(2));
        // Each waits, on Windows on the device of all pipes, and gives up.
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

#[cfg(not(windows))]
#[test]
fn an_end_that_cannot_be_closed_alone_keeps_no_handle() {
    let reason = "either direction of a socket can be ended alone";
    skipped("an_end_that_cannot_be_closed_alone_keeps_no_handle", reason);
}

#[cfg(not(windows))]
fn skipped(test: &str, reason: &str) {
    // Not eprintln!, whose output the test harness keeps to itself when a test passes.
    let _ = std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!("skipped: {test}: {reason}\n"),
    );
}

#[cfg(windows)]
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
