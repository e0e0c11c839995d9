//! Who owns the path of a socket, from the first instant to the last, and what stays behind.

use std::{
    env, fs, io,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt, symlink},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use npipes::{Error, Listener, ListenerOptions, connect, security::Access};

use crate::{
    child::{Process, tell},
    folder::Folder,
    support::within,
};

fn is_taken(path: &str) -> bool {
    match Listener::bind(path) {
        Ok(_) => false,
        Err(Error::NameTaken { .. }) => true,
        Err(e) => panic!("{e:?}"),
    }
}

async fn is_absent(path: &str) -> bool {
    match within(connect(path)).await {
        Err(Error::Connect(e)) => e.attempts.not_found == 1,
        other => panic!("{other:?}"),
    }
}

async fn is_served(path: &str, listener: &mut Listener) {
    let (client, server) = within(async { tokio::join!(connect(path), listener.accept()) }).await;
    drop((client.unwrap(), server.unwrap()));
}

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Not a test: what the other process runs.
#[tokio::test]
async fn owner() {
    let Ok(path) = env::var("NPIPES_OWNER") else { return };
    let _listener = Listener::bind(&path).unwrap();
    tell("bound");
    let _ = tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new())).await;
}

#[tokio::test]
async fn a_clean_end_leaves_no_file_behind() {
    let folder = Folder::new();
    for _ in 0..3 {
        let mut listener = Listener::bind(folder.socket()).unwrap();
        assert_eq!(folder.files().len(), 2, "{:?}", folder.files());
        is_served(&folder.socket(), &mut listener).await;
        within(listener.close()).await;
        assert_eq!(folder.files().len(), 0, "{:?}", folder.files());
        drop(Listener::bind(folder.socket()).unwrap());
        assert_eq!(folder.files().len(), 0, "{:?}", folder.files());
    }
}

#[tokio::test]
async fn what_a_killed_server_leaves_behind_is_nobody_and_is_taken_over() {
    let folder = Folder::new();
    for _ in 0..3 {
        let mut owner = Process::start("owning::owner", "NPIPES_OWNER", &folder.socket());
        assert_eq!(owner.answer().await, "bound");
        assert!(is_taken(&folder.socket()));
        owner.kill().await;
        assert_eq!(folder.files().len(), 2, "{:?}", folder.files());
        assert!(is_absent(&folder.socket()).await);
        let mut listener = Listener::bind(folder.socket()).unwrap();
        is_served(&folder.socket(), &mut listener).await;
        drop(listener);
        assert_eq!(folder.files().len(), 0, "{:?}", folder.files());
    }
}

#[tokio::test]
async fn a_server_that_knows_no_lock_keeps_its_socket_until_it_ends() {
    let folder = Folder::new();
    let foreign = UnixListener::bind(folder.socket()).unwrap();
    assert!(is_taken(&folder.socket()));
    assert_eq!(folder.files(), ["s"]);
    let _client = UnixStream::connect(folder.socket()).unwrap();
    foreign.accept().unwrap();
    // Nothing came of the attempt: the queue is empty.
    foreign.set_nonblocking(true).unwrap();
    assert_eq!(foreign.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(foreign);
    // A process that another test is starting has a duplicate of it until its program begins.
    within(async {
        while is_taken(&folder.socket()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut listener = Listener::bind(folder.socket()).unwrap();
    is_served(&folder.socket(), &mut listener).await;
}

#[tokio::test]
async fn what_is_not_a_socket_stays_as_it_is() {
    let folder = Folder::new();
    let elsewhere = folder.0.join("elsewhere");
    fs::write(&elsewhere, "kept").unwrap();
    for link in [false, true] {
        match link {
            false => fs::write(folder.socket(), "kept").unwrap(),
            true => symlink(&elsewhere, folder.socket()).unwrap(),
        }
        let error = Listener::bind(folder.socket()).unwrap_err();
        assert!(
            matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists),
            "{error:?}"
        );
        assert_eq!(fs::read_to_string(folder.socket()).unwrap(), "kept");
        fs::remove_file(folder.socket()).unwrap();
    }
    assert_eq!(folder.files(), ["elsewhere"]);
}

#[tokio::test]
async fn the_file_of_one_who_took_the_path_away_is_not_removed() {
    let folder = Folder::new();
    let listener = Listener::bind(folder.socket()).unwrap();
    fs::remove_file(folder.socket()).unwrap();
    let _thief = UnixListener::bind(folder.socket()).unwrap();
    drop(listener);
    assert_eq!(folder.files(), ["s"]);
    UnixStream::connect(folder.socket()).unwrap();
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_an_error() {
    let folder = Folder::new();
    let error = Listener::bind(format!("{}/x", folder.socket())).unwrap_err();
    assert!(
        matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_path_that_just_fits_is_listened_on() {
    let folder = Folder::new();
    let deep = folder.0.join("d".repeat(80_usize.saturating_sub(folder.socket().len()).max(1)));
    fs::create_dir(&deep).unwrap();
    let name = deep.join("x");
    let full = "y".repeat(npipes::PipeName::MAX_LEN - 1 - deep.as_os_str().len());
    for path in [name, deep.join(full)] {
        let path = path.to_str().unwrap();
        let mut listener = Listener::bind(path).unwrap();
        is_served(path, &mut listener).await;
    }
    // So long that not even a socket of the shortest name has a path beside it.
    let deeper = deep.join("z".repeat(npipes::PipeName::MAX_LEN - 3 - deep.as_os_str().len()));
    fs::create_dir(&deeper).unwrap();
    let path = deeper.join("x");
    let mut listener = Listener::bind(path.to_str().unwrap()).unwrap();
    is_served(path.to_str().unwrap(), &mut listener).await;
}

/// Not a test: a process with a umask of its own, which all its threads have.
#[tokio::test]
async fn binder() {
    let Ok(umask) = env::var("NPIPES_UMASK") else { return };
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask.parse().unwrap()));
    let folder = Folder::new();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).unwrap();
    let accesses = [
        (Access::current_user_only(), 0o600),
        (Access::authenticated_users(), 0o666),
        (Access::group(rustix::process::getegid().as_raw()), 0o660),
    ];
    for (access, wanted) in accesses {
        let over = Arc::new(AtomicBool::new(false));
        let watcher = thread::spawn({
            let (over, path) = (Arc::clone(&over), folder.socket());
            move || {
                let mut seen = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    if let Ok(found) = fs::metadata(&path) {
                        seen.push(found.permissions().mode() & 0o7777);
                    }
                }
                seen.dedup();
                seen
            }
        });
        for _ in 0..200 {
            let options = ListenerOptions::new().access(access.clone());
            let listener = options.bind(folder.socket()).unwrap();
            assert_eq!(mode(&folder.socket()), wanted);
            drop(listener);
        }
        over.store(true, Ordering::Relaxed);
        let seen = watcher.join().unwrap();
        assert!(seen.iter().all(|mode| *mode == wanted), "{seen:?} and not {wanted}");
    }
    tell("done");
}

#[tokio::test]
async fn a_socket_has_its_mode_from_the_first_instant_whatever_the_umask() {
    for umask in [0o000, 0o022, 0o777] {
        let mut binder = Process::start("owning::binder", "NPIPES_UMASK", &umask.to_string());
        assert_eq!(binder.answer().await, "done");
        binder.end().await;
    }
}

#[test]
fn of_many_who_bind_a_name_at_once_one_gets_it() {
    const RIVALS: usize = 4;
    let folder = Folder::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let barrier = Arc::new(Barrier::new(RIVALS));
    let rivals: Vec<_> = (0..RIVALS)
        .map(|_| {
            let (barrier, path) = (Arc::clone(&barrier), folder.socket());
            let handle = runtime.handle().clone();
            thread::spawn(move || {
                let _entered = handle.enter();
                let mut won = Vec::new();
                for _ in 0..200 {
                    barrier.wait();
                    let bound = Listener::bind(&path);
                    barrier.wait();
                    won.push(match &bound {
                        Ok(_) => true,
                        Err(Error::NameTaken { .. }) => false,
                        Err(e) => panic!("{e:?}"),
                    });
                }
                won
            })
        })
        .collect();
    let won: Vec<_> = rivals.into_iter().map(|rival| rival.join().unwrap()).collect();
    for round in 0..200 {
        let winners = won.iter().filter(|won| won[round]).count();
        assert_eq!(winners, 1, "round {round}");
    }
    assert_eq!(folder.files().len(), 0, "{:?}", folder.files());
}

/// Whoever comes after one who ends opens a lock that is just being removed, or a socket that nobody
/// listens on any more.
#[test]
fn those_who_take_a_name_over_from_each_other_lose_nothing_of_anothers() {
    let folder = Folder::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let owners = Arc::new(AtomicBool::new(false));
    let rivals: Vec<_> = (0..4)
        .map(|_| {
            let (owners, path) = (Arc::clone(&owners), folder.socket());
            let handle = runtime.handle().clone();
            thread::spawn(move || {
                let _entered = handle.enter();
                let mut times = 0;
                while times < 100 {
                    let Ok(listener) = Listener::bind(&path) else { continue };
                    assert!(!owners.swap(true, Ordering::SeqCst), "two own the name");
                    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
                    UnixStream::connect(&path).unwrap();
                    assert!(owners.swap(false, Ordering::SeqCst));
                    drop(listener);
                    times += 1;
                }
            })
        })
        .collect();
    for rival in rivals {
        rival.join().unwrap();
    }
    assert_eq!(folder.files().len(), 0, "{:?}", folder.files());
    assert!(Path::new(&folder.socket()).parent().unwrap().exists());
}
