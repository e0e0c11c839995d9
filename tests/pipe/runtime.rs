//! Calls where there is no runtime, or half of one, and a clock that is paused.

use std::{
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures::executor::block_on;
use npipes::{Client, DrainOutcome, Error, Listener, ListenerOptions, connect, pipe::Connector};
use tokio::runtime::{Builder, Runtime};

use crate::{
    plain::{assert_cut, plain_client},
    support::{pattern, unique_name, within},
};

/// Checks that a call panics, and says what is missing.
#[track_caller]
fn panics<R>(says: &str, call: impl FnOnce() -> R) {
    let panic = catch_unwind(AssertUnwindSafe(call)).err().expect("it does not panic");
    let text = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
    };
    assert!(text.contains(says), "{text}");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

const NO_RUNTIME: &str = "no reactor running";

#[test]
fn without_a_runtime_what_opens_a_pipe_panics() {
    let name = unique_name();
    panics(NO_RUNTIME, || Listener::bind(&name));
    panics(NO_RUNTIME, || block_on(connect(&name)));
    #[cfg(windows)]
    {
        use npipes::ipc::Ipc;
        panics(NO_RUNTIME, || block_on(Ipc::named(&name).unwrap().send_message("x")));
        panics(NO_RUNTIME, || block_on(Ipc::named(&name).unwrap().receive_message()));
    }
    let runtime = runtime();
    let mut listener = runtime.block_on(async { Listener::bind(&name) }).unwrap();
    panics(NO_RUNTIME, || block_on(connect(&name)));
    // It would have to create the next instance.
    let _client = plain_client(&name);
    runtime.block_on(async { within(tokio::task::yield_now()).await });
    panics(NO_RUNTIME, || block_on(listener.accept()));
}

#[test]
fn a_runtime_without_io_is_as_none() {
    let name = unique_name();
    let without_io = Builder::new_current_thread().enable_time().build().unwrap();
    panics("IO is disabled", || without_io.block_on(async { Listener::bind(&name) }));
    let runtime = runtime();
    let _listener = runtime.block_on(async { Listener::bind(&name) }).unwrap();
    panics("IO is disabled", || without_io.block_on(connect(&name)));
}

#[test]
fn a_runtime_without_time_panics_where_time_is_waited_for_and_nowhere_else() {
    let without_time = Builder::new_current_thread().enable_io().build().unwrap();
    let exchange = async |sends: bool| {
        let name = unique_name();
        let mut listener = Listener::bind(&name).unwrap();
        let client = plain_client(&name);
        let mut server = listener.accept().await.unwrap();
        if sends {
            server.send("Hello").await.unwrap();
        }
        (server.close().await.unwrap(), client)
    };
    let (closed, _client) = without_time.block_on(exchange(false));
    assert_eq!(closed, DrainOutcome::Drained);
    panics("timers are disabled", || without_time.block_on(exchange(true)));
    panics("timers are disabled", || without_time.block_on(connect(unique_name())));
}

#[test]
fn what_is_left_of_a_runtime_can_be_dropped_and_taken_apart_outside_of_it() {
    let name = unique_name();
    let runtime = runtime();
    let (client, server, reconnecting, listener) = runtime.block_on(async {
        let mut listener = Listener::bind(&name).unwrap();
        let (client, server) =
            within(async { tokio::join!(connect(&name), listener.accept()) }).await;
        let reconnecting = Client::spawn(Connector::new(&name).unwrap());
        within(listener.accept()).await.unwrap();
        (client.unwrap(), server.unwrap(), reconnecting, listener)
    });
    let halves = server.split();
    drop(runtime);
    drop(client.into_inner());
    drop(halves);
    drop(reconnecting);
    drop(listener);
    let again = self::runtime();
    again.block_on(async { Listener::bind(&name) }).unwrap();
}

/// A client that is made without a runtime connects in the one that its driver runs in.
#[test]
fn a_client_can_be_made_before_there_is_a_runtime() {
    let name = unique_name();
    let (client, _inbox, driver) = Client::builder(Connector::new(&name).unwrap()).build();
    drop(client.try_send("Hello").unwrap());
    runtime().block_on(async {
        let mut listener = Listener::bind(&name).unwrap();
        tokio::spawn(driver);
        let mut server = within(listener.accept()).await.unwrap();
        assert_eq!(within(server.receive()).await.unwrap().unwrap(), b"Hello"[..]);
    });
}

/// The clock runs ahead of a peer that another thread is: what is reported is that time is up, never
/// that all was read. And what that means is done: nothing is left to read.
#[tokio::test(start_paused = true)]
async fn under_a_paused_clock_a_close_says_that_time_is_up_and_not_that_all_was_read() {
    let name = unique_name();
    let mut listener = ListenerOptions::new().backlog(1).bind(&name).unwrap();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let mut client = plain_client(&name);
    let reader = std::thread::spawn(move || {
        gone.recv().unwrap();
        client.read_to_end(&mut Vec::new())
    });
    let mut server = listener.accept().await.unwrap();
    server.send(pattern(60_000, 1)).await.unwrap();
    let closed = server.close().await.unwrap();
    assert!(matches!(closed, DrainOutcome::TimedOut { .. }), "{closed:?}");
    go.send(()).unwrap();
    let read = tokio::task::spawn_blocking(move || reader.join().unwrap()).await.unwrap();
    assert_cut(read);
}

#[tokio::test(start_paused = true)]
async fn under_a_paused_clock_an_absent_server_is_not_waited_for_in_real_time() {
    let options = npipes::ConnectOptions::new().not_found(npipes::ConnectOptions::WAIT_FOR_SERVER);
    let error = options.connect(unique_name()).await.unwrap_err();
    assert!(matches!(error, Error::Connect(_)) && error.is_timeout(), "{error:?}");
}
