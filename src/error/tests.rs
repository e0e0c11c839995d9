//! The exact texts of failures, and what the predicates say of them.

mod kinds;

use std::{error::Error as _, io, sync::Arc, time::Duration};

use super::*;
use crate::{
    frame::{Dialect, FrameError},
    name::{NameError, PipeName},
    sid::Sid,
    text::TextEncoding,
};

/// Checks the text of an error. The pipe of the name `orders` has the path that the system gives it.
#[track_caller]
fn reads(error: &dyn std::error::Error, text: &str) {
    let path = PipeName::new("orders").unwrap();
    assert_eq!(error.to_string(), text.replace(r"\\.\pipe\orders ", &format!("{path} ")));
}

#[test]
fn what_the_peer_did_wrong() {
    let mismatch = FrameError::LengthMismatch {
        message_len: 218_103_808,
        data_len: 83_886_080,
        expected: Dialect::DOCUMENTED,
        fits: Some(Dialect::NPIPES_1_0_1),
    };
    reads(
        &mismatch,
        "message length 218103808 and data length 83886080 do not fit the documented dialect: \
         little-endian, length of the whole packet; the peer speaks the npipes 1.0.1 dialect: \
         big-endian, length after itself",
    );
    reads(
        &FrameError::TooLarge { len: 17, max: 16 },
        "the peer announces a payload of 17 bytes, 16 are allowed",
    );
    reads(
        &FrameError::Checksum { expected: 0xf7d1_8982, actual: 0x0000_00ff },
        "corrupt frame: its CRC-32 is 0xf7d18982, its payload has 0x000000ff",
    );
    reads(
        &FrameError::ChecksumMissing { actual: 0xf7d1_8982 },
        "the peer sends no CRC-32, which is required here; the payload has 0xf7d18982",
    );
    reads(
        &FrameError::Truncated { have: 9, need: 17 },
        "the stream ended inside a frame: 9 of 17 bytes arrived",
    );
}

#[test]
fn what_the_caller_did_wrong() {
    reads(
        &Error::TooLarge { len: 17, max: 16 },
        "a payload of 17 bytes is too large to send, 16 are allowed",
    );
    reads(&Error::Closed, "the connection is closed");
    let error = PipeName::new(r"\\.\orders").unwrap_err();
    reads(
        &error,
        r#"invalid pipe name "\\\\.\\orders": it is a path, and not one to a pipe; write \\.\pipe\orders"#,
    );
    assert!(error.source().is_none());
    reads(
        &NameError::Nul { at: 3 },
        "a name cannot contain NUL, and this one has it at byte 3; write it without",
    );
    reads(
        &NameError::TooLong { len: 300, max: 256 },
        match cfg!(windows) {
            true => "the path has 300 UTF-16 units, 256 are possible; write a shorter name",
            false => "the path has 300 bytes, 256 are possible; write a shorter name",
        },
    );
    reads(
        &NameError::NoRoomForTurns { len: 300, max: 256 },
        match cfg!(windows) {
            true => {
                "the ends of an Ipc take turns by a longer name, whose path has 300 UTF-16 units, 256 \
                 are possible; write a shorter name"
            }
            false => {
                "the ends of an Ipc take turns by a longer name, whose path has 300 bytes, 256 are \
                 possible; write a shorter name"
            }
        },
    );
    let error = Error::UnusedOption { pipe: PipeName::new("orders").unwrap(), option: "filter" };
    reads(
        &error,
        r"an Ipc on \\.\pipe\orders would let in clients that ListenerOptions::filter refuses: say who may connect with ListenerOptions::access, or serve its peers with a Listener",
    );
    let error = "SYSTEM".parse::<Sid>().unwrap_err();
    reads(&error, r#""SYSTEM" is not a security identifier like S-1-5-18"#);
    reads(
        &NameError::Remote,
        r"a pipe can be listened on only on the machine that it belongs to; write \\.\pipe\name",
    );
}

#[test]
fn a_wrong_name_comes_with_the_right_one() {
    for (name, says) in [
        (r"..\C:\x", r"a part that is . or .. leads elsewhere; write \\.\pipe\C:\x"),
        ("a/b", r"Windows takes / for a backslash; write \\.\pipe\a\b"),
        ("a.", r"Windows cuts off a dot or a space at the end; write \\.\pipe\a"),
        (r"pipe\a", r"it is half of a path to a pipe; write \\.\pipe\a"),
        (r"a\", r"there is nothing between two backslashes, or after the last; write \\.\pipe\a"),
    ] {
        reads(&PipeName::new(name).unwrap_err().source, says);
    }
    reads(&NameError::Empty, r"the name of the pipe is empty; write one, as in \\.\pipe\name");
}

#[test]
fn a_wrong_security_descriptor_is_quoted_from_where_it_is_wrong() {
    let wrong = |position| {
        let source = io::ErrorKind::InvalidInput.into();
        Error::InvalidSecurityDescriptor { text: "D:(oops)".into(), position, source }
    };
    reads(
        &wrong(Some(2)),
        r#"invalid security descriptor "D:(oops)", refused from byte 2 on, at "(oops)": invalid input parameter"#,
    );
    reads(&wrong(None), r#"invalid security descriptor "D:(oops)": invalid input parameter"#);
}

#[test]
fn what_the_operating_system_reported() {
    let pipe = Some(PipeName::new("orders").unwrap());
    let source = || io::Error::from(io::ErrorKind::BrokenPipe);
    let error = Error::Io { operation: Operation::Read, pipe, source: source() };
    reads(&error, r"reading from \\.\pipe\orders failed: broken pipe");
    assert!(error.source().is_none());
    let pipe = PipeName::new("orders").unwrap();
    reads(
        &Error::NoPeer { pipe, timeout: Duration::from_secs(30) },
        r"no peer came to \\.\pipe\orders within 30s",
    );
    let error = Error::Io { operation: Operation::Write, pipe: None, source: source() };
    reads(&error, "writing to the stream failed: broken pipe");
    let error = Error::Io { operation: Operation::Identify, pipe: None, source: source() };
    reads(&error, "identifying the peer of the stream failed: broken pipe");
    let pipe = Some(PipeName::new("orders").unwrap());
    let source = io::ErrorKind::PermissionDenied.into();
    reads(
        &Error::Io { operation: Operation::Listen, pipe: pipe.clone(), source },
        match cfg!(windows) {
            true => {
                r"listening on \\.\pipe\orders failed: permission denied; its access rules do not let this user create a further instance (FILE_CREATE_PIPE_INSTANCE), or this is an app container, which may create only pipes that are named LOCAL\name"
            }
            false => r"listening on \\.\pipe\orders failed: permission denied",
        },
    );
    let source = io::ErrorKind::PermissionDenied.into();
    reads(
        &Error::Io { operation: Operation::Identify, pipe, source },
        r"identifying the peer of \\.\pipe\orders failed: permission denied",
    );
}

#[test]
fn an_error_of_a_type_of_its_own_reads_as_it_does_there() {
    let text = TextEncoding::Ascii.encode("naïve").unwrap_err();
    reads(&text, "ASCII has no 'ï', which is at byte 2 of the text");
    let name = PipeName::new("").unwrap_err();
    let sid = "SYSTEM".parse::<Sid>().unwrap_err();
    for (own, error) in [
        (text.to_string(), Error::from(text)),
        (name.to_string(), Error::from(name)),
        (sid.to_string(), Error::from(sid)),
    ] {
        assert!(!own.is_empty());
        assert_eq!(error.to_string(), own);
    }
}

#[test]
fn what_was_too_late_or_cannot_be() {
    let second = Duration::from_secs(1);
    reads(
        &Error::FrameTimedOut { timeout: second, have: 9, need: 17 },
        "a frame is not complete after 1s: 9 of 17 bytes arrived",
    );
    reads(&Error::IdleTimedOut { timeout: second }, "nothing has arrived for 1s");
    reads(
        &Error::HalfClose { pipe: Some(PipeName::new("orders").unwrap()) },
        r"half-closing \\.\pipe\orders takes a message-type pipe",
    );
    reads(
        &Error::BlockingInRuntime,
        "a blocking call inside an async runtime would hold up its tasks: call the async one, or make \
         the call on a thread of its own",
    );
    let taken = Error::NameTaken { pipe: PipeName::new("orders").unwrap() }.to_string();
    assert!(taken.contains(" is taken: another server, perhaps in this process, listens on it"));
    assert_eq!(taken.contains("app container"), cfg!(windows));
}

#[test]
fn what_a_client_has_to_say() {
    let elapsed = Duration::from_millis(30);
    let gave_up = |attempts, timeout| Error::GaveUp {
        attempts,
        elapsed,
        timeout,
        source: Some(Arc::new(Error::Closed)),
    };
    reads(
        &gave_up(1, None),
        "gave up connecting after 30ms, 1 attempt failed: the connection is closed",
    );
    reads(
        &gave_up(0, Some(elapsed)),
        "gave up connecting after 30ms, 0 attempts failed: the connection is closed",
    );
    assert!(gave_up(1, None).source().is_none());
    assert!(gave_up(1, Some(elapsed)).is_timeout() && !gave_up(1, None).is_timeout());
    assert!(gave_up(1, None).is_retryable() && !gave_up(1, None).is_closed());
    let returned = Error::Returned { maybe_delivered: 2, not_sent: 1 };
    reads(&returned, "messages came back: 2 maybe delivered, 1 not sent");
    assert!(returned.is_retryable());
    let late = Error::AttemptTimedOut { timeout: Duration::from_secs(10) };
    reads(&late, "an attempt to connect was not done after 10s");
    assert!(late.is_timeout() && late.is_retryable());
    reads(&Error::OutboxFull, "the outbox is full");
    assert!(Error::OutboxFull.is_retryable());
    let taken = |connections| Error::NotTaken { connections };
    reads(&taken(1), "1 connection lost while it was being written: the peer may not take it");
    assert!(!taken(3).is_retryable() && !taken(3).is_closed());
    let refused = |retry_after| Error::Refused { reason: "banned".to_owned(), retry_after };
    reads(&refused(None), "the server refused: banned");
    assert!(!refused(None).is_retryable() && refused(Some(elapsed)).is_retryable());
}

#[test]
fn a_message_that_came_back_says_what_is_known_of_it() {
    let returned = |fate| Error::Undelivered {
        message: "Hello".into(),
        fate,
        source: Arc::new(Error::Closed),
    };
    reads(
        &returned(Fate::NotSent),
        "a message of 5 bytes came back, not sent: the connection is closed",
    );
    reads(
        &returned(Fate::MaybeDelivered),
        "a message of 5 bytes came back, maybe delivered: the connection is closed",
    );
}

/// Returns a server of which nothing is known.
fn unknown_server() -> UntrustedServer {
    UntrustedServer {
        pipe: PipeName::new("orders").unwrap(),
        owner: None,
        user: None,
        uid: None,
        process_id: None,
        others_may_serve: false,
        reason: None,
    }
}

#[test]
fn a_server_that_is_not_trusted_is_described_by_what_is_known_of_it() {
    let server = unknown_server;
    let sid = |text: &str| text.parse::<Sid>().ok();
    for (server, says) in [
        (server(), "the pipe has no owner, its process is unknown"),
        (
            UntrustedServer { owner: sid("S-1-5-7"), process_id: Some(4), ..server() },
            "the pipe's owner is S-1-5-7, the user of its process 4 is unknown",
        ),
        (
            UntrustedServer {
                owner: sid("S-1-5-7"),
                user: sid("S-1-5-8"),
                process_id: Some(4),
                others_may_serve: true,
                ..server()
            },
            "the pipe's owner is S-1-5-7, its process 4 runs as S-1-5-8, \
             and others may create instances of the pipe",
        ),
        (
            UntrustedServer { uid: Some(1000), process_id: Some(4), ..server() },
            "its user is 1000, its process 4",
        ),
        (
            UntrustedServer { uid: Some(1000), reason: Some("no service".into()), ..server() },
            "no service; its user is 1000, its process is unknown",
        ),
    ] {
        let error = Error::UntrustedServer(Box::new(server));
        reads(&error, &format!(r"the server of \\.\pipe\orders is not trusted: {says}"));
    }
}

#[test]
fn a_frame_error_is_not_printed_twice_in_a_chain() {
    let error = Error::from(FrameError::TooLarge { len: 17, max: 16 });
    reads(&error, "the peer announces a payload of 17 bytes, 16 are allowed");
    assert!(error.source().is_none());
}

/// A failure with a cause of its own.
#[derive(Debug)]
struct Handshake(io::Error);

impl std::fmt::Display for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no handshake")
    }
}

impl std::error::Error for Handshake {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn a_text_says_the_cause_and_the_source_is_what_is_below_it() {
    let io = || io::Error::other(Handshake(io::ErrorKind::BrokenPipe.into()));
    let error = Error::io(Operation::Connect, None, io());
    let gave_up = Error::GaveUp {
        attempts: 1,
        elapsed: Duration::from_secs(1),
        timeout: None,
        source: Some(Arc::new(Error::io(Operation::Connect, None, io()))),
    };
    let connect = Error::Connect(Box::new(ConnectError {
        pipe: PipeName::new("orders").unwrap(),
        elapsed: Duration::from_secs(5),
        attempts: Attempts { busy: 3, not_found: 1, ..Attempts::default() },
        timeout: Some(Duration::from_secs(5)),
        source: io(),
    }));
    for (error, text) in [
        (error, "connecting to the stream failed: no handshake"),
        (
            gave_up,
            "gave up connecting after 1s, 1 attempt failed: \
             connecting to the stream failed: no handshake",
        ),
        (
            connect,
            r"connecting to \\.\pipe\orders timed out after 5s, busy 3 times, not found once: no handshake",
        ),
    ] {
        reads(&error, text);
        reads(error.source().unwrap(), "broken pipe");
    }
}

#[test]
fn attempts_are_counted_out_by_cause_and_in_all() {
    #[track_caller]
    fn reads_as(text: &str, total: u32, attempts: Attempts) {
        assert_eq!(attempts.to_string(), text);
        assert_eq!(attempts.total(), total);
    }
    let all = Attempts { busy: 1, not_found: 2, access_denied: 3, other: 4, unanswered: 1 };
    reads_as(
        "busy once, not found 2 times, access denied 3 times, another error 4 times, no answer once",
        11,
        all,
    );
    reads_as("not found once", 1, Attempts { not_found: 1, ..Attempts::default() });
    reads_as("", 0, Attempts::default());
}
