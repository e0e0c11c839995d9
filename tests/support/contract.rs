//! What a pipe does, be it a real one or a simulated one: the same tests for both.

use std::{cell::Cell, future::Future, io, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, SinkExt, StreamExt};
use npipes::{
    Client, Connection, ConnectionOptions, DrainOutcome, Error,
    client::Connect,
    connection::Transport,
    error::{ConnectError, Operation},
    frame::FrameError,
    retry::{Backoff, Retry},
    server::Accept,
};
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, advance, timeout},
};

use crate::support::{pattern, within};

/// A name on which pipes of one kind meet.
pub(crate) trait Place: Sized {
    type Io: Transport + Send + std::fmt::Debug + 'static;
    type Listener: Accept<Io = Self::Io> + Send;

    /// Each connection holds the name too, and its client is told of a server's abort.
    const HAS_INSTANCES: bool = true;
    /// A client that waits for a busy server is told when that is free.
    const TELLS_OF_ROOM: bool = true;
    /// A wait for a busy server takes the system's time too, which goes on while the tests' is paused.
    const WAITS_IN_REAL_TIME: bool = false;

    fn new() -> Self;
    fn path(&self) -> String;
    fn listen(&self, backlog: u8, options: ConnectionOptions) -> Result<Self::Listener, Error>;
    fn connect(
        &self,
        policy: Policy,
    ) -> impl Future<Output = Result<Connection<Self::Io>, Error>> + Send;
    fn connector(&self) -> impl Connect<Io = Self::Io>;
}

/// How a client connects.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) deadline: Duration,
    pub(crate) busy: Retry,
    pub(crate) not_found: Retry,
    pub(crate) connection: ConnectionOptions,
}

const NOTHING_WAITED_FOR: Policy = Policy {
    deadline: LONG,
    busy: Retry::never(),
    not_found: Retry::never(),
    connection: ConnectionOptions::new().close_timeout(LONG),
};

/// 10, 20, 40, 80, 160, 250, 250 ms and so on.
const STEADY: Retry = Retry::with_backoff(
    Backoff::new(Duration::from_millis(10), Duration::from_millis(250)).without_jitter(),
);

/// A delay that no test outlives: what happens before it was not caused by it.
const NO_TIMER: Retry = Retry::with_backoff(Backoff::new(HOUR, HOUR).without_jitter());
const HOUR: Duration = Duration::from_secs(3600);

const LONG: Duration = Duration::from_secs(50);
const SHORT: Duration = Duration::from_millis(200);

/// More than any buffer and any reading ahead takes.
const MUCH: usize = 1 << 20;

/// Makes a test of each law, for one kind of pipe.
macro_rules! contract {
    ($place:ty) => {
        $crate::laws::contract! { #[tokio::test(start_paused = true)] $place:
            an_absent_server_is_reported_at_once
            an_absent_server_is_waited_for_until_the_deadline
            a_busy_server_is_waited_for_until_the_deadline
            a_busy_server_need_not_be_waited_for
            a_server_that_was_busy_is_found_after_a_moment_of_absence
            a_server_that_was_busy_and_is_gone_is_reported_soon
        }
        $crate::laws::contract! { #[tokio::test] $place:
            a_client_gets_its_turn_as_soon_as_the_server_is_free
            a_server_that_appears_is_found
            a_name_has_one_listener
            a_name_is_busy_while_connections_outlive_its_listener
            clients_that_were_not_accepted_find_their_connections_reset
            what_was_written_before_leaving_is_still_read
            a_client_that_came_and_left_is_accepted
            a_frame_that_breaks_off_is_truncated
            writing_to_a_peer_that_left_fails
            a_slow_reader_holds_the_writer_back
            a_close_is_drained_when_the_peer_has_read_everything
            a_close_times_out_when_the_peer_does_not_read
            a_close_tells_that_the_peer_is_gone
            a_drain_that_timed_out_leaves_the_connection_usable
            two_ends_that_close_at_once_do_not_wait_for_each_other
            a_close_lets_a_peer_go_on_that_still_writes
            a_close_to_a_peer_that_writes_without_end_and_never_reads_times_out
            a_peer_that_has_left_is_no_error_to_a_sink
            what_a_sink_cannot_write_any_more_is_an_error
            halves_can_be_used_at_once_and_put_together_again
            an_aborted_connection_ends_for_both
            a_stream_is_known_to_be_read_as_it_goes_and_not_before
        }
    };
    (#[$test:meta] $place:ty: $($law:ident)*) => {$(
        #[$test]
        async fn $law() {
            $crate::laws::$law::<$place>().await;
        }
    )*};
}
pub(crate) use contract;

type Ends<P> = (Connection<<P as Place>::Io>, Connection<<P as Place>::Io>);

/// Returns the server's and the client's end of a connection that closes within `deadline`.
async fn ends<P: Place>(deadline: Duration) -> Ends<P> {
    let place = P::new();
    let options = ConnectionOptions::new().close_timeout(deadline);
    let mut listener = place.listen(1, options.clone()).unwrap();
    let policy = Policy { connection: options, ..NOTHING_WAITED_FOR };
    let client = within(place.connect(policy)).await.unwrap();
    (within(listener.accept()).await.unwrap(), client)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Box<ConnectError> {
    match outcome {
        Err(Error::Connect(error)) => error,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn an_absent_server_is_reported_at_once<P: Place>() {
    let place = P::new();
    let error = refused(within(place.connect(NOTHING_WAITED_FOR)).await);
    assert_eq!((error.attempts.not_found, error.attempts.total()), (1, 1));
    assert_eq!((error.timeout, error.elapsed), (None, Duration::ZERO));
    assert_eq!(error.source.kind(), io::ErrorKind::NotFound);
    let text = format!("connecting to {} failed, not found once: {}", place.path(), error.source);
    let error = Error::Connect(error);
    assert!(error.is_retryable() && !error.is_timeout() && !error.is_closed());
    assert_eq!(error.to_string(), text);
}

pub(crate) async fn an_absent_server_is_waited_for_until_the_deadline<P: Place>() {
    let place = P::new();
    let policy =
        Policy { not_found: STEADY, deadline: Duration::from_secs(2), ..NOTHING_WAITED_FOR };
    let error = refused(within(place.connect(policy.clone())).await);
    assert_eq!(error.attempts.not_found, 13);
    assert_eq!(error.elapsed, policy.deadline);
    let says = format!("connecting to {} timed out after 2s, not found 13 times: ", place.path());
    let error = Error::Connect(error);
    assert!(error.is_timeout() && error.is_retryable());
    assert!(error.to_string().starts_with(&says), "{error}");
}

pub(crate) async fn a_busy_server_is_waited_for_until_the_deadline<P: Place>() {
    let place = P::new();
    let _listener = place.listen(1, ConnectionOptions::new()).unwrap();
    let _first = within(place.connect(NOTHING_WAITED_FOR)).await.unwrap();
    let policy = Policy { busy: STEADY, deadline: Duration::from_secs(2), ..NOTHING_WAITED_FOR };
    let error = refused(within(place.connect(policy.clone())).await);
    let busy = error.attempts.busy;
    assert_eq!(error.attempts.total(), busy);
    match P::WAITS_IN_REAL_TIME {
        // Each wait that a busy machine makes end before the paused clock goes on is one attempt more.
        true => assert!((13..26).contains(&busy), "{busy}"),
        false => assert_eq!(busy, 13),
    }
    assert_eq!(error.elapsed, policy.deadline);
    let path = place.path();
    let says = format!("connecting to {path} timed out after 2s, busy {busy} times: ");
    assert!(error.to_string().starts_with(&says), "{error}");
}

pub(crate) async fn a_busy_server_need_not_be_waited_for<P: Place>() {
    let place = P::new();
    let _listener = place.listen(1, ConnectionOptions::new()).unwrap();
    let _first = within(place.connect(NOTHING_WAITED_FOR)).await.unwrap();
    let error = refused(within(place.connect(NOTHING_WAITED_FOR)).await);
    assert_eq!((error.attempts.busy, error.attempts.total(), error.timeout), (1, 1, None));
    assert!(Error::Connect(error).is_retryable());
}

/// A client's call that has found the server busy; then the server goes.
macro_rules! begin_while_busy {
    ($place:ident) => {{
        let listener = $place.listen(1, ConnectionOptions::new()).unwrap();
        let first = within($place.connect(NOTHING_WAITED_FOR)).await.unwrap();
        let mut second = Box::pin($place.connect(Policy { busy: STEADY, ..NOTHING_WAITED_FOR }));
        assert!(second.as_mut().now_or_never().is_none());
        within(listener.close()).await;
        drop(first);
        // The driver of a real runtime closes the handles when it runs.
        while refused(within($place.connect(NOTHING_WAITED_FOR)).await).attempts.not_found == 0 {
            within(tokio::task::yield_now()).await;
        }
        second
    }};
}

pub(crate) async fn a_server_that_was_busy_is_found_after_a_moment_of_absence<P: Place>() {
    let place = P::new();
    let mut second = begin_while_busy!(place);
    // It finds nothing, for 60 ms.
    for _ in 0..6 {
        advance(Duration::from_millis(10)).await;
        assert!(second.as_mut().now_or_never().is_none());
    }
    let mut listener = place.listen(1, ConnectionOptions::new()).unwrap();
    let (second, server) = within(async { tokio::join!(second, listener.accept()) }).await;
    server.unwrap();
    assert!(second.unwrap().stats().retries >= 3);
}

pub(crate) async fn a_server_that_was_busy_and_is_gone_is_reported_soon<P: Place>() {
    const GRACE: Duration = Duration::from_millis(100);
    let place = P::new();
    let begun = Instant::now();
    let second = begin_while_busy!(place);
    let error = refused(within(second).await);
    assert!(error.attempts.busy >= 1 && error.attempts.not_found >= 3, "{error:?}");
    assert!(begun.elapsed() >= GRACE && begun.elapsed() < 2 * GRACE, "{error:?}");
    assert_eq!(error.timeout, None);
    assert_eq!(error.source.kind(), io::ErrorKind::NotFound);
}

pub(crate) async fn a_client_gets_its_turn_as_soon_as_the_server_is_free<P: Place>() {
    let place = P::new();
    let mut listener = place.listen(1, ConnectionOptions::new()).unwrap();
    let _first = within(place.connect(NOTHING_WAITED_FOR)).await.unwrap();
    let busy = if P::TELLS_OF_ROOM { NO_TIMER } else { STEADY };
    let mut second = Box::pin(place.connect(Policy { busy, ..NOTHING_WAITED_FOR }));
    assert!(second.as_mut().now_or_never().is_none());
    within(listener.accept()).await.unwrap();
    let second = within(second).await.unwrap();
    assert_eq!(second.stats().retries, 1);
}

pub(crate) async fn a_server_that_appears_is_found<P: Place>() {
    let place = P::new();
    let mut client = Box::pin(place.connect(Policy { not_found: STEADY, ..NOTHING_WAITED_FOR }));
    assert!(client.as_mut().now_or_never().is_none());
    let mut listener = place.listen(4, ConnectionOptions::new()).unwrap();
    let (client, server) = within(async { tokio::join!(client, listener.accept()) }).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    within(client.send("Hello")).await.unwrap();
    assert_eq!(within(server.receive()).await.unwrap().unwrap(), b"Hello"[..]);
}

pub(crate) async fn a_name_has_one_listener<P: Place>() {
    let place = P::new();
    let listener = place.listen(1, ConnectionOptions::new()).unwrap();
    let error = place.listen(1, ConnectionOptions::new()).err().unwrap();
    assert!(matches!(error, Error::NameTaken { .. }) && error.is_retryable(), "{error:?}");
    within(listener.close()).await;
    place.listen(1, ConnectionOptions::new()).unwrap();
}

pub(crate) async fn a_name_is_busy_while_connections_outlive_its_listener<P: Place>() {
    let place = P::new();
    let mut listener = place.listen(1, ConnectionOptions::new()).unwrap();
    let client = within(place.connect(NOTHING_WAITED_FOR)).await.unwrap();
    let server = within(listener.accept()).await.unwrap();
    within(listener.close()).await;
    let error = refused(within(place.connect(NOTHING_WAITED_FOR)).await);
    assert_eq!(error.attempts.total(), 1);
    if !P::HAS_INSTANCES {
        assert_eq!(error.attempts.not_found, 1);
        place.listen(1, ConnectionOptions::new()).unwrap();
        return;
    }
    assert_eq!(error.attempts.busy, 1);
    let error = place.listen(1, ConnectionOptions::new()).err().unwrap();
    assert!(matches!(error, Error::NameTaken { .. }), "{error:?}");
    drop((client, server));
    // The driver of a real runtime closes the handles when it runs.
    let mut again = place.listen(1, ConnectionOptions::new());
    while again.is_err() {
        within(tokio::task::yield_now()).await;
        again = place.listen(1, ConnectionOptions::new());
    }
}

pub(crate) async fn clients_that_were_not_accepted_find_their_connections_reset<P: Place>() {
    let place = P::new();
    let listener = place.listen(1, ConnectionOptions::new()).unwrap();
    let mut client = within(place.connect(NOTHING_WAITED_FOR)).await.unwrap();
    within(client.send("Hello")).await.unwrap();
    within(listener.close()).await;
    let error = within(client.receive()).await.unwrap_err();
    assert!(error.is_closed(), "{error:?}");
    let Error::Io { operation: Operation::Read, source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind(), io::ErrorKind::ConnectionReset);
    let says = format!("reading from {} failed: ", place.path());
    assert!(error.to_string().starts_with(&says), "{error}");
    assert_eq!(within(client.close()).await.unwrap(), DrainOutcome::PeerGone);
}

pub(crate) async fn what_was_written_before_leaving_is_still_read<P: Place>() {
    for len in [5, 100_000] {
        let (mut server, mut client) = ends::<P>(LONG).await;
        within(server.feed(pattern(len, 1))).await.unwrap();
        within(server.feed("the last")).await.unwrap();
        within(server.flush()).await.unwrap();
        drop(server);
        assert_eq!(within(client.receive()).await.unwrap().unwrap(), pattern(len, 1)[..]);
        assert_eq!(within(client.receive()).await.unwrap().unwrap(), b"the last"[..]);
        assert_eq!(within(client.receive()).await.unwrap(), None);
    }
}

pub(crate) async fn a_client_that_came_and_left_is_accepted<P: Place>() {
    let place = P::new();
    let mut listener = place.listen(1, ConnectionOptions::new()).unwrap();
    let mut client = within(place.connect(NOTHING_WAITED_FOR)).await.unwrap();
    within(client.send("Hello")).await.unwrap();
    drop(client);
    let mut server = within(listener.accept()).await.unwrap();
    assert_eq!(within(server.receive()).await.unwrap().unwrap(), b"Hello"[..]);
    assert_eq!(within(server.receive()).await.unwrap(), None);
}

pub(crate) async fn a_frame_that_breaks_off_is_truncated<P: Place>() {
    let (server, mut client) = ends::<P>(LONG).await;
    let mut server = server.into_inner();
    within(server.write_all(&[17, 0, 0, 0, 5, 0, 0, 0, b'H', b'e'])).await.unwrap();
    drop(server);
    let error = within(client.receive()).await.unwrap_err();
    assert!(
        matches!(error, Error::Frame(FrameError::Truncated { have: 10, need: 17, .. })),
        "{error:?}"
    );
    assert!(error.is_closed());
    assert_eq!(within(client.receive()).await.unwrap(), None);
}

pub(crate) async fn writing_to_a_peer_that_left_fails<P: Place>() {
    let (server, mut client) = ends::<P>(LONG).await;
    drop(server);
    assert_eq!(within(client.receive()).await.unwrap(), None);
    let error = within(client.send("Hello")).await.unwrap_err();
    let Error::Io { operation: Operation::Write, source, pipe: Some(_), .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(source.kind(), io::ErrorKind::BrokenPipe);
    assert!(error.is_closed());
    assert!(matches!(within(client.send("more")).await, Err(Error::Closed)));
}

pub(crate) async fn a_slow_reader_holds_the_writer_back<P: Place>() {
    const COUNT: u64 = 64;
    let (mut server, mut client) = ends::<P>(LONG).await;
    let mut sent = 0;
    let held = timeout(SHORT, async {
        while sent < COUNT {
            client.send(pattern(MUCH / 16, sent)).await.unwrap();
            sent += 1;
        }
    });
    assert!(within(held).await.is_err(), "4 MiB that nobody read were taken");
    // The message whose sending was given up may go out or not.
    let next = client.stats().messages_sent;
    within(async {
        tokio::join!(
            async {
                for seed in 0..COUNT {
                    let message = server.receive().await.unwrap().unwrap();
                    assert!(message == pattern(MUCH / 16, seed)[..], "{seed}");
                }
            },
            async {
                for seed in next..COUNT {
                    client.send(pattern(MUCH / 16, seed)).await.unwrap();
                }
                client.flush().await.unwrap();
            }
        )
    })
    .await;
    assert_eq!(server.stats().messages_received, COUNT);
}

pub(crate) async fn a_close_is_drained_when_the_peer_has_read_everything<P: Place>() {
    let (mut server, mut client) = ends::<P>(LONG).await;
    within(server.feed(pattern(MUCH, 1))).await.unwrap();
    let mut closing = Box::pin(server.close());
    assert!(within(timeout(SHORT, &mut closing)).await.is_err(), "before anything is read");
    // The peer stays until the close is over.
    let (closed, message) = within(async { tokio::join!(closing, client.receive()) }).await;
    assert_eq!(closed.unwrap(), DrainOutcome::Drained);
    assert!(message.unwrap().unwrap() == pattern(MUCH, 1)[..]);
    assert_eq!(within(client.receive()).await.unwrap(), None);
}

pub(crate) async fn a_close_times_out_when_the_peer_does_not_read<P: Place>() {
    let (mut server, _client) = ends::<P>(SHORT).await;
    within(server.feed(pattern(MUCH, 1))).await.unwrap();
    let closed = within(server.close()).await.unwrap();
    assert!(matches!(closed, DrainOutcome::TimedOut { .. }), "{closed:?}");
}

pub(crate) async fn a_close_tells_that_the_peer_is_gone<P: Place>() {
    for when_closing in [false, true] {
        let (mut server, client) = ends::<P>(LONG).await;
        within(server.feed(pattern(50_000, 1))).await.unwrap();
        within(server.flush()).await.unwrap();
        let mut client = Some(client);
        if !when_closing {
            client = None;
        }
        let mut closing = Box::pin(server.close());
        if when_closing {
            assert!(within(timeout(SHORT, &mut closing)).await.is_err());
        }
        drop(client);
        assert_eq!(within(closing).await.unwrap(), DrainOutcome::PeerGone);
    }
}

pub(crate) async fn a_drain_that_timed_out_leaves_the_connection_usable<P: Place>() {
    let (mut server, mut client) = ends::<P>(SHORT).await;
    within(server.feed(pattern(MUCH, 1))).await.unwrap();
    let drained = within(server.drained()).await.unwrap();
    assert!(matches!(drained, DrainOutcome::TimedOut { .. }), "{drained:?}");
    let reading = async {
        assert!(client.receive().await.unwrap().unwrap() == pattern(MUCH, 1)[..]);
        assert_eq!(client.receive().await.unwrap().unwrap(), b"more"[..]);
    };
    let draining = async {
        server.feed("more").await.unwrap();
        while server.drained().await.unwrap() != DrainOutcome::Drained {}
    };
    within(async { tokio::join!(reading, draining) }).await;
    within(client.send("back")).await.unwrap();
    assert_eq!(within(server.receive()).await.unwrap().unwrap(), b"back"[..]);
}

pub(crate) async fn two_ends_that_close_at_once_do_not_wait_for_each_other<P: Place>() {
    for (len, frames) in [(0, 1), (10, 50), (3_000, 30), (MUCH, 1)] {
        let (server, client) = ends::<P>(LONG).await;
        let farewell = async |mut connection: Connection<P::Io>| {
            for seed in 0..frames {
                connection.feed(pattern(len, seed)).await.unwrap();
            }
            connection.close().await.unwrap()
        };
        let start = std::time::Instant::now();
        let (first, second) =
            within(async { tokio::join!(farewell(server), farewell(client)) }).await;
        assert!(start.elapsed() < LONG / 2, "{len} {frames}: one waited for its deadline");
        for closed in [first, second] {
            // The second to look finds the first gone.
            assert!(
                matches!(closed, DrainOutcome::Drained | DrainOutcome::PeerGone),
                "{len}: {closed:?}"
            );
        }
    }
}

pub(crate) async fn a_close_lets_a_peer_go_on_that_still_writes<P: Place>() {
    for answers in [0, 1, 3] {
        let (mut server, mut client) = ends::<P>(LONG).await;
        for seed in 0..answers {
            within(server.send(pattern(3_000, seed))).await.unwrap();
        }
        let pipelining = async {
            for seed in 0..300 {
                // Fails when the close is over, which it is as soon as the answers were read ahead.
                if client.send(pattern(MUCH / 256, seed)).await.is_err() {
                    break;
                }
            }
            let mut received = 0;
            while let Ok(Some(_)) = client.receive().await {
                received += 1;
            }
            received
        };
        // The peer does not read before it has written everything.
        let (closed, received) = within(async { tokio::join!(server.close(), pipelining) }).await;
        assert_eq!((closed.unwrap(), received), (DrainOutcome::Drained, answers));
    }
}

pub(crate) async fn a_close_to_a_peer_that_writes_without_end_and_never_reads_times_out<
    P: Place,
>() {
    let (mut server, mut client) = ends::<P>(SHORT).await;
    within(server.feed(pattern(MUCH, 1))).await.unwrap();
    let flooding = async {
        let mut seed = 0;
        while client.send(pattern(MUCH / 16, seed)).await.is_ok() {
            seed += 1;
            tokio::task::yield_now().await;
        }
    };
    let (closed, ()) = within(async { tokio::join!(server.close(), flooding) }).await;
    assert!(matches!(closed, Ok(DrainOutcome::TimedOut { .. })), "{closed:?}");
}

pub(crate) async fn a_peer_that_has_left_is_no_error_to_a_sink<P: Place>() {
    for forwards in [false, true] {
        let (mut server, mut client) = ends::<P>(LONG).await;
        within(server.send("bye")).await.unwrap();
        assert_eq!(within(client.receive()).await.unwrap().unwrap(), b"bye"[..]);
        drop(client);
        assert_eq!(within(server.receive()).await.unwrap(), None);
        if forwards {
            let nothing = futures::stream::empty::<Result<Bytes, Error>>();
            within(nothing.forward(&mut server)).await.unwrap();
        }
        within(SinkExt::close(&mut server)).await.unwrap();
        within(SinkExt::close(&mut server)).await.unwrap();
        assert!(matches!(within(server.send("more")).await, Err(Error::Closed)));
    }
}

pub(crate) async fn what_a_sink_cannot_write_any_more_is_an_error<P: Place>() {
    let (mut server, client) = ends::<P>(LONG).await;
    drop(client);
    assert_eq!(within(server.receive()).await.unwrap(), None);
    within(server.feed("nobody gets this")).await.unwrap();
    let error = within(SinkExt::close(&mut server)).await.unwrap_err();
    assert!(error.is_closed() && !matches!(error, Error::Closed), "{error:?}");
}

pub(crate) async fn halves_can_be_used_at_once_and_put_together_again<P: Place>() {
    let (server, client) = ends::<P>(LONG).await;
    let (mut sender, mut receiver) = server.split();
    let (mut far_sender, mut far_receiver) = client.split();
    assert!(sender.is_pair_of(&receiver) && !sender.is_pair_of(&far_receiver));
    // Each message is larger than the pipe, so no direction may wait for the other.
    let (sent, received, far_sent, far_received) = within(async {
        tokio::join!(
            sender.send(pattern(MUCH, 1)),
            receiver.receive(),
            far_sender.send(pattern(MUCH, 2)),
            far_receiver.receive()
        )
    })
    .await;
    assert!(sent.is_ok() && far_sent.is_ok());
    assert!(received.unwrap().unwrap() == pattern(MUCH, 2)[..]);
    assert!(far_received.unwrap().unwrap() == pattern(MUCH, 1)[..]);
    let mut client = far_sender.reunite(far_receiver);
    let mut server = sender.reunite(receiver);
    within(server.send("whole again")).await.unwrap();
    assert_eq!(within(client.receive()).await.unwrap().unwrap(), b"whole again"[..]);
    assert_eq!(within(server.drained()).await.unwrap(), DrainOutcome::Drained);
}

pub(crate) async fn an_aborted_connection_ends_for_both<P: Place>() {
    let (mut server, mut client) = ends::<P>(LONG).await;
    within(server.send("you may not get this")).await.unwrap();
    let handle = server.abort_handle().unwrap();
    server.abort();
    // Its runtime may have read ahead.
    let end = match within(client.receive()).await {
        Ok(Some(_)) => within(client.receive()).await,
        end => end,
    };
    match P::HAS_INSTANCES {
        true => assert!(matches!(&end, Err(e) if e.is_closed()), "{end:?}"),
        false => assert!(matches!(&end, Ok(None)), "{end:?}"),
    }
    let error = within(client.send("Hello")).await.unwrap_err();
    assert!(error.is_closed(), "{error:?}");
    handle.abort();
}

pub(crate) async fn a_stream_is_known_to_be_read_as_it_goes_and_not_before<P: Place>() {
    const LEN: usize = 16 * 1024;
    const COUNT: u64 = 256;
    /// What a peer's runtime and its connection may have read of messages not received yet.
    const AHEAD: u64 = (256 * 1024 / LEN) as u64;
    /// What the pipe and the last write may hold.
    const UNREAD: u64 = ((132 + 256) * 1024 / LEN) as u64 + 1;
    let place = P::new();
    let mut listener = place.listen(1, ConnectionOptions::new()).unwrap();
    let (client, _inbox) = Client::spawn(place.connector());
    let mut server = within(listener.accept()).await.unwrap();
    let received = Cell::new(0);
    let sending = async {
        for seed in 0..COUNT {
            client.send(pattern(LEN, seed)).await.unwrap();
            let settled = client.stats().delivered;
            assert!(settled <= received.get() + AHEAD, "{settled}: nobody can have read that");
        }
        client
    };
    let receiving = async {
        for seed in 0..COUNT {
            assert!(server.receive().await.unwrap().unwrap() == pattern(LEN, seed)[..], "{seed}");
            received.set(seed + 1);
        }
        server
    };
    let (client, _server) = within(async { tokio::join!(sending, receiving) }).await;
    let settled = client.stats().delivered;
    assert!(settled >= COUNT - UNREAD, "{settled}: the others have no place but the peer");
}
