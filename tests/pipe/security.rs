//! Access rules, the judgement of servers, and who a client is.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use futures::FutureExt;
use npipes::{
    ConnectOptions, Connection, Error, Listener, ListenerOptions, Peer, PipeStream, connect,
    error::Operation,
    pipe::Direction,
    security::{
        Access, ImpersonationLevel, IntegrityLevel, SecurityDescriptor, ServerIdentity,
        ServerTrust, Sid,
    },
};
use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};

use crate::{
    rules,
    support::{unique_name, within},
};

async fn pair(options: ListenerOptions) -> (Connection<PipeStream>, Connection<PipeStream>) {
    let name = unique_name();
    let mut listener = options.bind(&name).unwrap();
    let client = within(connect(&name)).await.unwrap();
    (within(listener.accept()).await.unwrap(), client)
}

/// Returns as whom this process runs, as its own server sees it.
async fn this_process() -> Peer {
    let (mut server, mut client) = pair(ListenerOptions::new()).await;
    within(client.send("it's me")).await.unwrap();
    within(server.receive()).await.unwrap();
    server.peer().unwrap()
}

fn security_of(connection: &Connection<PipeStream>) -> SecurityDescriptor {
    SecurityDescriptor::of(connection.get_ref()).unwrap()
}

#[tokio::test]
async fn both_ends_read_back_that_the_user_and_system_have_access() {
    let user = this_process().await.user;
    let (server, client) = pair(ListenerOptions::new()).await;
    for security in [security_of(&server), security_of(&client)] {
        assert_eq!(security.owner().unwrap(), Some(user));
        let text = security.to_string();
        assert!(text.contains("(A;;FA;;;SY)"), "{text}");
        assert_eq!(text.matches("(A;;FA;;;").count(), 2, "{text}");
        assert_eq!(text.matches('(').count(), 2, "{text}");
    }
}

#[tokio::test]
async fn every_instance_has_the_rules_not_the_first_alone() {
    let name = unique_name();
    let options = ListenerOptions::new().access(Access::authenticated_users()).backlog(2);
    let mut listener = options.bind(&name).unwrap();
    for _ in 0..6 {
        let _client = within(connect(&name)).await.unwrap();
        let server = within(listener.accept()).await.unwrap();
        let text = security_of(&server).to_string();
        assert!(text.contains("(A;;0x12019b;;;AU)"), "{text}");
    }
}

#[tokio::test]
async fn a_user_who_may_connect_may_not_create_instances() {
    let somebody: Sid = "S-1-5-21-1-2-3-1234".parse().unwrap();
    let access = Access::current_user_only().allow(somebody);
    let (server, _client) = pair(ListenerOptions::new().access(access)).await;
    let text = security_of(&server).to_string();
    assert!(text.contains("(A;;0x12019b;;;S-1-5-21-1-2-3-1234)"), "{text}");
    assert!(!text.contains(";;;SY)"), "{text}");
}

#[tokio::test]
async fn a_descriptor_in_the_full_language_reaches_the_pipe() {
    let descriptor: SecurityDescriptor = "D:(A;;FA;;;WD)(A;;0x12019b;;;BU)".parse().unwrap();
    let options =
        ListenerOptions::new().access(Access::current_user_only()).security_descriptor(descriptor);
    let (server, _client) = pair(options).await;
    let text = security_of(&server).to_string();
    assert!(text.contains("(A;;FA;;;WD)(A;;0x12019b;;;BU)"), "{text}");
}

#[tokio::test]
async fn who_has_no_rule_cannot_connect() {
    if rules::ACCESS.skips("who_has_no_rule_cannot_connect") {
        return;
    }
    // Nobody may write, which a client of this pipe asks for and its server does not.
    let descriptor: SecurityDescriptor = "D:P(D;;0x2;;;WD)(A;;FA;;;WD)".parse().unwrap();
    let name = unique_name();
    let options = ListenerOptions::new().security_descriptor(descriptor);
    let _listener = options.direction(Direction::Inbound).bind(&name).unwrap();
    let client = ConnectOptions::new().direction(Direction::Inbound);
    let error = within(client.connect(&name)).await.unwrap_err();
    assert!(matches!(&error, Error::Connect(e) if e.attempts.access_denied == 1), "{error:?}");
}

#[tokio::test]
async fn who_may_only_connect_cannot_be_the_server() {
    if rules::FURTHER_INSTANCES.skips("who_may_only_connect_cannot_be_the_server") {
        return;
    }
    let descriptor: SecurityDescriptor = "D:P(A;;0x12019b;;;WD)".parse().unwrap();
    // Not even the listener itself, which says so before a client has come.
    let options = ListenerOptions::new().security_descriptor(descriptor).backlog(1);
    let name = unique_name();
    let error = options.bind(&name).unwrap_err();
    assert!(matches!(error, Error::Io { operation: Operation::Listen, .. }), "{error:?}");
    assert!(error.to_string().contains("FILE_CREATE_PIPE_INSTANCE"), "{error}");
    // Nothing of it is left.
    Listener::bind(&name).unwrap();
}

/// Returns a server's end as it is made without this crate: with the default descriptor.
fn foreign_server(name: &str) -> NamedPipeServer {
    ServerOptions::new().create(format!(r"\\.\pipe\{name}")).unwrap()
}

#[tokio::test]
async fn a_server_of_the_same_user_is_trusted_by_every_rule_that_names_the_user() {
    let user = this_process().await.user;
    let rules = [
        ServerTrust::default(),
        ServerTrust::same_user(),
        ServerTrust::user(user),
        ServerTrust::any_without_check(),
    ];
    for rule in rules {
        let name = unique_name();
        let _listener = Listener::bind(&name).unwrap();
        within(ConnectOptions::new().server_trust(rule.clone()).connect(&name)).await.unwrap();
        // One that was made without this crate has another owner where the process is elevated.
        let name = unique_name();
        let _server = foreign_server(&name);
        within(ConnectOptions::new().server_trust(rule).connect(&name)).await.unwrap();
    }
}

#[tokio::test]
async fn an_untrusted_server_is_named_and_learns_nothing() {
    let this = this_process().await;
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let somebody: Sid = "S-1-5-21-1-2-3-1234".parse().unwrap();
    let options = ConnectOptions::new().server_trust(ServerTrust::user(somebody));
    let error = within(options.connect(&name)).await.unwrap_err();
    let Error::UntrustedServer(server) = &error else { panic!("{error:?}") };
    assert_eq!(
        (server.owner, server.user, server.process_id),
        (Some(this.user), Some(this.user), Some(std::process::id()))
    );
    assert!(server.pipe.as_str().ends_with(&name));
    assert_eq!(
        error.to_string(),
        format!(
            r"the server of \\.\pipe\{name} is not trusted: the pipe's owner is {user}, its process {id} runs as {user}",
            user = this.user,
            id = std::process::id()
        )
    );
    assert!(!error.is_retryable());
    let mut connection = within(listener.accept()).await.unwrap();
    assert_eq!(within(connection.receive()).await.unwrap(), None);
}

#[tokio::test]
async fn a_judge_sees_the_owner_and_the_process() {
    let this = this_process().await;
    let name = unique_name();
    let _listener = Listener::bind(&name).unwrap();
    let is_this = move |server: &ServerIdentity| {
        server.owner == Some(this.user)
            && server.process_id == Some(std::process::id())
            && server.account.as_ref().is_some_and(|process| process.user == this.user)
    };
    let judged = |identity| ConnectOptions::new().server_trust(identity);
    let options = judged(ServerTrust::judged_by(is_this));
    within(options.connect(&name)).await.unwrap();
    let options = judged(ServerTrust::judged_by(move |server| !is_this(server)));
    let error = within(options.connect(&name)).await.unwrap_err();
    assert!(matches!(error, Error::UntrustedServer(_)), "{error:?}");
}

#[tokio::test]
async fn a_client_knows_its_server() {
    let this = this_process().await;
    let (server, client) = pair(ListenerOptions::new()).await;
    let identity = client.server().unwrap();
    assert_eq!(identity.process_id, Some(std::process::id()));
    assert_eq!(identity.account.as_ref().map(|process| process.user), Some(this.user));
    assert_eq!(identity.process().unwrap().id().unwrap(), std::process::id());
    assert_eq!(identity.session, Some(this.session));
    let error = server.server().unwrap_err();
    assert!(
        matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::Unsupported)
    );
    let (sender, receiver) = client.split();
    let both = (identity.clone(), identity);
    assert_eq!((sender.server().unwrap(), receiver.server().unwrap()), both);
    let (reader, writer) = sender.reunite(receiver).into_inner().into_split();
    assert_eq!((reader.server().unwrap(), writer.server().unwrap()), both);
}

#[tokio::test]
async fn a_server_knows_its_client() {
    let (mut server, mut client) = pair(ListenerOptions::new()).await;
    within(client.send("Hello")).await.unwrap();
    within(server.receive()).await.unwrap();
    let peer = server.peer().unwrap();
    assert_eq!(peer.process_id, Some(std::process::id()));
    assert!(peer.integrity >= IntegrityLevel::MEDIUM, "{peer:?}");
    let name = peer.account_name().unwrap();
    let user = std::env::var("USERNAME").unwrap();
    assert!(name.to_lowercase().ends_with(&user.to_lowercase()), "{name} is not {user}");
    let (sender, receiver) = server.split();
    assert_eq!((sender.peer().unwrap(), receiver.peer().unwrap()), (peer.clone(), peer));
}

#[tokio::test]
async fn an_anonymous_client_is_nobody() {
    if rules::IMPERSONATION_LEVEL.skips("an_anonymous_client_is_nobody") {
        return;
    }
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    let options = ConnectOptions::new().impersonation(ImpersonationLevel::Anonymous);
    let mut client = within(options.connect(&name)).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    within(client.send("Hello")).await.unwrap();
    within(server.receive()).await.unwrap();
    let error = server.peer().unwrap_err();
    let Error::Io { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.raw_os_error(), Some(1347), "{error}");
}

#[tokio::test]
async fn a_client_cannot_ask_who_its_client_is() {
    let (_server, client) = pair(ListenerOptions::new()).await;
    let error = client.peer().unwrap_err();
    assert!(error.to_string().starts_with(r"identifying the peer of \\.\pipe\"), "{error}");
}

#[tokio::test]
async fn a_filter_turns_a_client_away_before_its_bytes_are_seen() {
    let name = unique_name();
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let user = this_process().await.user;
    let options = ListenerOptions::new().filter(move |peer| {
        assert_eq!((peer.user, peer.process_id), (user, Some(std::process::id())));
        count.fetch_add(1, Ordering::Relaxed) > 0
    });
    let mut listener = options.bind(&name).unwrap();
    let clients = async {
        let mut refused = within(connect(&name)).await.unwrap();
        // Fails where the refusal comes first.
        let _ = within(refused.send("first")).await;
        let end = within(refused.receive()).await;
        assert!(!matches!(end, Ok(Some(_))), "{end:?}");
        let mut admitted = within(connect(&name)).await.unwrap();
        within(admitted.send("second")).await.unwrap();
        admitted
    };
    let server = async {
        let mut connection = within(listener.accept()).await.unwrap();
        within(connection.receive()).await.unwrap().unwrap()
    };
    let (_client, message) = tokio::join!(clients, server);
    assert_eq!(message, b"second"[..]);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_filter_that_panics_loses_that_client_alone() {
    let name = unique_name();
    let asked = AtomicU32::new(0);
    let options = ListenerOptions::new().filter(move |_| {
        assert_ne!(asked.fetch_add(1, Ordering::Relaxed), 0, "as planned");
        true
    });
    let mut listener = options.bind(&name).unwrap();
    let mut lost = within(connect(&name)).await.unwrap();
    within(lost.send("first")).await.unwrap();
    AssertUnwindSafe(within(listener.accept())).catch_unwind().await.unwrap_err();
    let mut client = within(connect(&name)).await.unwrap();
    within(client.send("second")).await.unwrap();
    let mut connection = within(listener.accept()).await.unwrap();
    assert_eq!(within(connection.receive()).await.unwrap().unwrap(), b"second"[..]);
}

#[tokio::test]
async fn a_silent_client_does_not_hold_up_one_that_speaks() {
    let name = unique_name();
    let options = ListenerOptions::new().handshake_timeout(std::time::Duration::from_secs(3600));
    let mut listener = options.bind(&name).unwrap();
    let _silent = within(connect(&name)).await.unwrap();
    let mut speaking = within(connect(&name)).await.unwrap();
    within(speaking.send("Hello")).await.unwrap();
    let mut connection = within(listener.accept()).await.unwrap();
    assert_eq!(within(connection.receive()).await.unwrap().unwrap(), b"Hello"[..]);
}

#[tokio::test]
async fn a_client_that_speaks_later_is_accepted_then() {
    let name = unique_name();
    let options = ListenerOptions::new().handshake_timeout(std::time::Duration::from_secs(3600));
    let mut listener = options.bind(&name).unwrap();
    let mut client = within(connect(&name)).await.unwrap();
    {
        let accept = listener.accept();
        tokio::pin!(accept);
        // A hundred turns of the driver in which the client is connected and silent.
        for _ in 0..100 {
            tokio::select! {
                biased;
                accepted = &mut accept => panic!("{accepted:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    within(client.send("Hello")).await.unwrap();
    let mut connection = within(listener.accept()).await.unwrap();
    assert_eq!(within(connection.receive()).await.unwrap().unwrap(), b"Hello"[..]);
}

#[tokio::test]
async fn a_client_that_says_nothing_in_time_is_dropped() {
    let name = unique_name();
    let options = ListenerOptions::new().handshake_timeout(std::time::Duration::from_millis(20));
    let mut listener = options.bind(&name).unwrap();
    let mut silent = within(connect(&name)).await.unwrap();
    tokio::select! {
        end = within(silent.receive()) => assert!(matches!(end, Ok(None)), "{end:?}"),
        accepted = listener.accept() => panic!("{accepted:?}"),
    }
}

#[tokio::test]
async fn a_client_that_spoke_and_left_is_accepted() {
    let name = unique_name();
    let options = ListenerOptions::new()
        .handshake_timeout(std::time::Duration::from_secs(3600))
        .filter(|_| true);
    let mut listener = options.bind(&name).unwrap();
    let mut client = within(connect(&name)).await.unwrap();
    within(client.send("Hello")).await.unwrap();
    drop(client);
    let mut connection = within(listener.accept()).await.unwrap();
    assert_eq!(within(connection.receive()).await.unwrap().unwrap(), b"Hello"[..]);
}

#[tokio::test]
async fn silent_clients_push_out_the_oldest_of_them() {
    let name = unique_name();
    let options = ListenerOptions::new().handshake_timeout(std::time::Duration::from_secs(3600));
    let mut listener = options.bind(&name).unwrap();
    let clients = async {
        let mut first = within(connect(&name)).await.unwrap();
        let mut others = Vec::new();
        for _ in 0..256 {
            others.push(within(connect(&name)).await.unwrap());
        }
        assert!(matches!(within(first.receive()).await, Ok(None)));
        within(others[255].send("Hello")).await.unwrap();
        others
    };
    let (_others, connection) = tokio::join!(clients, within(listener.accept()));
    assert_eq!(within(connection.unwrap().receive()).await.unwrap().unwrap(), b"Hello"[..]);
}
