//! What the predicates say of failures, and which kinds of `io::Error` they become.

use std::{io, sync::Arc, time::Duration};

use super::*;

#[test]
fn predicates_tell_what_to_do() {
    let io = |kind: io::ErrorKind| Error::from(io::Error::from(kind));
    assert!(io(io::ErrorKind::BrokenPipe).is_closed());
    assert!(io(io::ErrorKind::ConnectionReset).is_closed());
    assert!(Error::Closed.is_closed());
    assert!(Error::from(FrameError::Truncated { have: 1, need: 8 }).is_closed());
    assert!(!Error::TooLarge { len: 2, max: 1 }.is_closed());
    assert!(io(io::ErrorKind::TimedOut).is_timeout());
    assert!(!io(io::ErrorKind::BrokenPipe).is_timeout());
    assert!(
        Error::NameTaken { pipe: PipeName::new("orders").unwrap() }.is_retryable()
            && !Error::Closed.is_retryable()
    );
    assert!(FrameError::Checksum { expected: 1, actual: 2 }.is_skippable());
    assert!(!FrameError::TooLarge { len: 2, max: 1 }.is_skippable());
    assert!(Error::from(FrameError::Checksum { expected: 1, actual: 2 }).is_skippable());
    assert!(!Error::from(FrameError::TooLarge { len: 2, max: 1 }).is_skippable());
    assert!(!Error::Closed.is_skippable());
}

#[test]
fn an_error_goes_through_io_error_and_comes_back() {
    let error = io::Error::from(Error::from(FrameError::Checksum { expected: 1, actual: 2 }));
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(
        error.to_string(),
        "corrupt frame: its CRC-32 is 0x00000001, its payload has 0x00000002"
    );
    assert!(matches!(
        Error::from(error),
        Error::Frame(FrameError::Checksum { expected: 1, actual: 2 })
    ));

    let foreign = io::Error::new(io::ErrorKind::InvalidData, "not JSON");
    assert!(matches!(
        Error::from(foreign),
        Error::Io { operation: Operation::Transfer, pipe: None, .. }
    ));
}

#[test]
fn the_kind_of_an_io_error_says_whose_fault_it_is() {
    #[track_caller]
    fn is(error: impl Into<Error>, kind: io::ErrorKind) {
        assert_eq!(io::Error::from(error.into()).kind(), kind);
    }
    is(FrameError::Truncated { have: 9, need: 17 }, io::ErrorKind::UnexpectedEof);
    is(FrameError::TooLarge { len: 17, max: 16 }, io::ErrorKind::InvalidData);
    is(Error::TooLarge { len: 17, max: 16 }, io::ErrorKind::InvalidInput);
    is(PipeName::new("").unwrap_err(), io::ErrorKind::InvalidInput);
    is(Error::Closed, io::ErrorKind::NotConnected);
    is(Error::IdleTimedOut { timeout: Duration::from_secs(1) }, io::ErrorKind::TimedOut);
    is(io::Error::from(io::ErrorKind::BrokenPipe), io::ErrorKind::BrokenPipe);
    is(Error::OutboxFull, io::ErrorKind::WouldBlock);
    is(
        Error::Refused { reason: "banned".into(), retry_after: None },
        io::ErrorKind::ConnectionRefused,
    );
    is(Error::NameTaken { pipe: PipeName::new("orders").unwrap() }, io::ErrorKind::AddrInUse);
    is(Error::NotTaken { connections: 3 }, io::ErrorKind::Other);
    is(Error::Returned { maybe_delivered: 1, not_sent: 1 }, io::ErrorKind::Other);
    is(Error::UntrustedServer(Box::new(unknown_server())), io::ErrorKind::PermissionDenied);
}

fn not_connected(timeout: Option<Duration>, attempts: Attempts) -> Error {
    Error::Connect(Box::new(ConnectError {
        pipe: PipeName::new("orders").unwrap(),
        elapsed: Duration::from_secs(5),
        attempts,
        timeout,
        source: io::ErrorKind::NotFound.into(),
    }))
}

#[test]
fn an_error_that_holds_another_is_judged_by_it() {
    let undelivered = |source: Error| Error::Undelivered {
        message: "Hello".into(),
        fate: Fate::NotSent,
        source: Arc::new(source),
    };
    let gave_up = |timeout, source: Option<Error>| Error::GaveUp {
        attempts: 1,
        elapsed: Duration::from_secs(1),
        timeout,
        source: source.map(Arc::new),
    };
    let late = Some(Duration::from_secs(5));
    let absent = Attempts::default();
    for (error, kind, closed, timeout, retryable) in [
        (undelivered(Error::Closed), io::ErrorKind::NotConnected, true, false, false),
        (undelivered(Error::OutboxFull), io::ErrorKind::WouldBlock, false, false, true),
        (undelivered(not_connected(late, absent)), io::ErrorKind::TimedOut, false, true, true),
        (not_connected(None, absent), io::ErrorKind::NotFound, false, false, true),
        (not_connected(late, absent), io::ErrorKind::TimedOut, false, true, true),
        (gave_up(None, Some(Error::Closed)), io::ErrorKind::NotConnected, false, false, true),
        (gave_up(late, Some(Error::Closed)), io::ErrorKind::TimedOut, false, true, true),
        (gave_up(None, None), io::ErrorKind::Other, false, false, true),
    ] {
        assert_eq!((error.is_closed(), error.is_timeout()), (closed, timeout), "{error}");
        assert_eq!(error.is_retryable(), retryable, "{error}");
        assert_eq!(io::Error::from(error).kind(), kind);
    }
}

#[test]
fn a_failure_of_the_system_is_worth_another_try_if_there_is_no_connection_yet() {
    for (operation, retryable) in [
        (Operation::Connect, true),
        (Operation::Listen, true),
        (Operation::Accept, true),
        (Operation::Read, false),
        (Operation::Write, false),
        (Operation::Identify, false),
    ] {
        let error = Error::io(operation, None, io::ErrorKind::BrokenPipe.into());
        assert_eq!(error.is_retryable(), retryable, "{error}");
    }
}

#[test]
fn connecting_is_worth_another_try_unless_something_else_than_absence_ended_it() {
    let other = Attempts { other: 1, not_found: 3, ..Attempts::default() };
    let absent = Attempts { not_found: 3, ..Attempts::default() };
    assert!(!not_connected(None, other).is_retryable());
    assert!(not_connected(Some(Duration::from_secs(5)), other).is_retryable());
    assert!(not_connected(None, absent).is_retryable());
}
