//! Two users of one machine, where this process may be both: who gets in, and who is known to be who.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use npipes::{
    ConnectOptions, Error, Listener, ListenerOptions, connect,
    ipc::{Delivery, Ipc, IpcOptions},
    retry::Retry,
    security::{Access, ServerTrust},
};
use rustix::process::geteuid;

use crate::{
    child::{Process, tell},
    plain::path,
    support::{unique_name, within},
};

/// A user without an account, and not the one that stands for users without a number.
const OTHER: u32 = 65533;

/// Returns a folder in which anybody may make files, with this program: another user may not be able to
/// reach it where it is. `None`, and says so, if this process may not be another user.
fn common_folder(test: &str) -> Option<Folder> {
    if !geteuid().is_root() {
        let _ = writeln!(io::stderr(), "skipped: {test}: this process may not be another user");
        return None;
    }
    let path = format!("/tmp/{}", unique_name());
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o1777)).unwrap();
    let folder = Folder(path);
    fs::copy(env::current_exe().unwrap(), folder.program()).unwrap();
    fs::set_permissions(folder.program(), fs::Permissions::from_mode(0o755)).unwrap();
    Some(folder)
}

struct Folder(String);

impl Folder {
    fn socket(&self) -> String {
        format!("{}/s", self.0)
    }

    fn program(&self) -> PathBuf {
        Path::new(&self.0).join("program")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs what another user does with the socket.
fn other(folder: &Folder, does: &str) -> Process {
    let value = format!("{does} {}", folder.socket());
    let test = "users::another_user";
    Process::start_as(OTHER, &folder.program(), test, "NPIPES_OTHER", &value)
}

const ROUNDS: usize = 5;

/// Returns an end that meets any user.
fn for_all(path: &str) -> Ipc {
    IpcOptions::new()
        .listener(ListenerOptions::new().access(Access::authenticated_users()))
        .connect(ConnectOptions::new().server_trust(ServerTrust::any_without_check()))
        .open(path)
        .unwrap()
}

/// Not a test: what the other user runs.
#[tokio::test]
async fn another_user() {
    let Ok(task) = env::var("NPIPES_OTHER") else { return };
    let (does, path) = task.split_once(' ').unwrap();
    match does {
        "connects" => match within(connect(path)).await {
            Ok(mut connection) => {
                let server = connection.server().unwrap();
                match within(connection.receive()).await {
                    Ok(Some(first)) => {
                        let first = String::from_utf8_lossy(&first);
                        tell(format_args!("{first} of {}", server.uid));
                    }
                    _ => tell("refused"),
                }
            }
            Err(Error::Connect(e)) => tell(format_args!("denied {}", e.attempts.access_denied)),
            Err(Error::UntrustedServer(e)) => tell(format_args!("untrusted {:?}", e.uid)),
            Err(e) => panic!("{e:?}"),
        },
        "serves" => {
            let options = ListenerOptions::new().access(Access::authenticated_users());
            let _listener = options.bind(path).unwrap();
            tell("serving");
            let _ = tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new())).await;
        }
        "exchanges" => {
            let mut ipc = for_all(path);
            for _ in 0..ROUNDS {
                let text = within(ipc.receive_text()).await.unwrap();
                within(ipc.send_text(&text)).await.unwrap();
            }
            tell("done");
        }
        "binds" => match Listener::bind(path) {
            Ok(_) => tell("bound"),
            Err(Error::NameTaken { .. }) => tell("taken"),
            Err(Error::Io { source, .. }) => tell(source.kind()),
            Err(e) => panic!("{e:?}"),
        },
        _ => unreachable!("{does}"),
    }
}

#[tokio::test]
async fn by_default_another_user_is_denied_access() {
    let Some(folder) = common_folder("by_default_another_user_is_denied_access") else { return };
    let _listener = Listener::bind(folder.socket()).unwrap();
    let mut client = other(&folder, "connects");
    assert_eq!(client.answer().await, "denied 1");
    client.end().await;
}

#[tokio::test]
async fn another_user_gets_in_where_all_may_and_is_known_to_be_that_one() {
    let test = "another_user_gets_in_where_all_may_and_is_known_to_be_that_one";
    let Some(folder) = common_folder(test) else { return };
    for access in [Access::authenticated_users(), Access::group(OTHER)] {
        let mut listener = ListenerOptions::new().access(access).bind(folder.socket()).unwrap();
        let mut client = other(&folder, "connects");
        let mut server = within(listener.accept()).await.unwrap();
        let peer = server.peer().unwrap();
        assert_eq!((peer.uid, peer.gid, peer.process_id), (OTHER, OTHER, client.id()));
        assert!(!peer.is_same_user());
        within(server.send("served")).await.unwrap();
        assert_eq!(client.answer().await, "served of 0");
        client.end().await;
    }
}

#[tokio::test]
async fn a_filter_keeps_another_user_out() {
    let Some(folder) = common_folder("a_filter_keeps_another_user_out") else { return };
    let options = ListenerOptions::new().access(Access::users());
    let mut listener = options.filter(|peer| peer.is_same_user()).bind(folder.socket()).unwrap();
    let mut refused = other(&folder, "connects");
    let accepting = tokio::spawn(async move { listener.accept().await });
    assert_eq!(refused.answer().await, "refused");
    refused.end().await;
    let _client = within(connect(folder.socket())).await.unwrap();
    let server = within(accepting).await.unwrap().unwrap();
    assert!(server.peer().unwrap().is_same_user());
}

#[tokio::test]
async fn another_users_server_is_trusted_by_name_only() {
    let Some(folder) = common_folder("another_users_server_is_trusted_by_name_only") else {
        return;
    };
    let mut server = other(&folder, "serves");
    assert_eq!(server.answer().await, "serving");
    for trust in
        [ServerTrust::default(), ServerTrust::same_user(), ServerTrust::system_or_administrators()]
    {
        let options = ConnectOptions::new().server_trust(trust);
        let error = within(options.connect(folder.socket())).await.unwrap_err();
        let Error::UntrustedServer(untrusted) = &error else { panic!("{error:?}") };
        assert_eq!((untrusted.uid, untrusted.process_id), (Some(OTHER), server.id()));
        assert_eq!(
            error.to_string(),
            format!(
                "the server of {} is not trusted: its user is {OTHER}, its process {}",
                folder.socket(),
                server.id().unwrap()
            )
        );
    }
    for trust in [
        ServerTrust::uid(OTHER),
        ServerTrust::any_without_check(),
        ServerTrust::judged_by(|server| server.uid == OTHER),
    ] {
        let options = ConnectOptions::new().server_trust(trust).busy(Retry::never());
        let connection = within(options.connect(folder.socket())).await.unwrap();
        assert_eq!(connection.server().unwrap().uid, OTHER);
    }
    server.end().await;
}

/// Not a test: a client for which this user and every other user have the same number.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn client_without_users() {
    let Ok(path) = env::var("NPIPES_WITHOUT_USERS") else { return };
    for trust in [ServerTrust::default(), ServerTrust::same_user()] {
        let options = ConnectOptions::new().server_trust(trust);
        match within(options.connect(&path)).await {
            Err(Error::UntrustedServer(server)) => {
                tell(format_args!("not trusted: {:?}", server.uid));
            }
            other => panic!("{other:?}"),
        }
    }
    let options = ConnectOptions::new().server_trust(ServerTrust::any_without_check());
    within(options.connect(&path)).await.unwrap();
    tell("connected");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_number_that_stands_for_every_user_is_not_trusted_as_this_user() {
    let test = "a_number_that_stands_for_every_user_is_not_trusted_as_this_user";
    let may = std::process::Command::new("unshare").args(["--user", "true"]).status();
    if !may.is_ok_and(|status| status.success()) {
        let reason = "no user namespace can be made here";
        let _ = writeln!(io::stderr(), "skipped: {test}: {reason}");
        return;
    }
    let name = unique_name();
    let _listener = Listener::bind(&name).unwrap();
    let mut client = Process::start_without_users(
        "users::client_without_users",
        "NPIPES_WITHOUT_USERS",
        &path(&name),
    );
    for _ in 0..2 {
        assert_eq!(client.answer().await, "not trusted: Some(65534)");
    }
    assert_eq!(client.answer().await, "connected");
    client.end().await;
}

#[tokio::test]
async fn a_name_is_taken_whoever_has_it_and_what_root_leaves_is_roots() {
    let test = "a_name_is_taken_whoever_has_it_and_what_root_leaves_is_roots";
    let Some(folder) = common_folder(test) else { return };
    let listener = Listener::bind(folder.socket()).unwrap();
    let mut rival = other(&folder, "binds");
    assert_eq!(rival.answer().await, "taken");
    rival.end().await;
    drop(listener);
    let mut next = other(&folder, "binds");
    assert_eq!(next.answer().await, "bound");
    next.end().await;
    // Root takes over what another user's server has left behind, also in a folder like /tmp.
    let mut server = other(&folder, "serves");
    assert_eq!(server.answer().await, "serving");
    assert!(matches!(Listener::bind(folder.socket()), Err(Error::NameTaken { .. })));
    server.kill().await;
    drop(Listener::bind(folder.socket()).unwrap());
}

#[tokio::test]
async fn the_ends_of_two_users_exchange_messages_where_all_may_connect() {
    let test = "the_ends_of_two_users_exchange_messages_where_all_may_connect";
    let Some(folder) = common_folder(test) else { return };
    let path = folder.socket();
    let mut peer = other(&folder, "exchanges");
    let mut ipc = for_all(&path);
    for round in 0..ROUNDS {
        let text = format!("round {round}");
        assert_eq!(within(ipc.send_text(&text)).await.unwrap(), Delivery::Read);
        assert_eq!(within(ipc.receive_text()).await.unwrap(), text);
    }
    assert_eq!(peer.answer().await, "done");
    peer.end().await;
    // Nothing is left but the program.
    fs::remove_file(folder.program()).unwrap();
    assert!(fs::read_dir(&folder.0).unwrap().next().is_none());
}
