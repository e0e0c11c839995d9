//! Names on real pipes: what the system makes of them, and that none of them is anything but a pipe.

use std::path::{self, Path};
#[cfg(windows)]
use std::{env, fs};

use npipes::{Error, Listener, PipeName, connect};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    plain,
    support::{unique_name, within},
};

/// Texts that are made of what normalization looks at, and any others.
fn texts() -> impl Strategy<Value = String> {
    let piece = select(vec![
        ".", "..", " ", "/", r"\", "pipe", "a", "b", "C:", "CON", "nul", "?", r"\\.\", "ü",
        "\u{2028}", "*", "|",
    ]);
    prop_oneof![vec(piece, 0..9).prop_map(|pieces| pieces.concat()), any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// So two different names are two pipes, and none leads out of the folder: on Windows `absolute` asks
    /// `GetFullPathNameW`, which does what the opening of a path does first.
    #[test]
    fn the_system_takes_an_accepted_name_as_it_is(text in texts()) {
        let Ok(name) = PipeName::new(&text) else { return Ok(()) };
        let path = Path::new(name.as_str());
        if cfg!(windows) {
            prop_assert_eq!(path::absolute(path).unwrap(), path);
        } else if !text.starts_with('/') || text.starts_with("//") {
            let other = plain::path("x");
            prop_assert_eq!(path.parent(), Path::new(&other).parent());
        }
    }
}

/// Returns whether a client that opens `name` gets to `listener`.
async fn leads_to(listener: &mut Listener, name: &str) -> bool {
    let mut client = within(connect(name)).await.unwrap();
    within(client.send("here")).await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    within(server.receive()).await.unwrap().is_some()
}

#[tokio::test]
async fn spellings_of_other_tools_lead_to_the_pipe() {
    let name = unique_name();
    let mut listener = Listener::bind(format!("npipe:////./pipe/{name}")).unwrap();
    assert_eq!(listener.name().as_str(), plain::path(&name));
    for prefix in
        ["", r"\\.\pipe\", r"\\?\PIPE\", "//./pipe/", "npipe:////./pipe/", "npipe://./PIPE/"]
    {
        assert!(leads_to(&mut listener, &format!("{prefix}{name}")).await, "{prefix}");
    }
    if cfg!(windows) {
        assert!(leads_to(&mut listener, &name.to_uppercase()).await);
    }
}

#[tokio::test]
async fn names_that_look_alike_are_different_pipes() {
    let base = unique_name();
    let alike = [
        format!(r"{base}\x"),
        format!(r"{base} \x"),
        format!(r"{base}\ x"),
        format!(r"{base}\.x"),
        format!(r"{base}\..x"),
        format!(r"{base}\x:"),
        format!("{base}.\u{a0}"),
        format!("{base}x"),
        format!("{base}\u{fc}"),
        format!("{base}u\u{308}"),
        format!(r"\\.\pipe\pipe\{base}"),
        format!("\u{a0}{base}"),
        format!(" {base}"),
        format!(".{base}"),
        base,
    ];
    let mut listeners: Vec<_> = alike.iter().map(|name| Listener::bind(name).unwrap()).collect();
    for (listener, name) in listeners.iter_mut().zip(&alike) {
        assert!(leads_to(listener, name).await, "{name}");
    }
}

#[cfg(windows)]
#[tokio::test]
async fn no_name_leads_to_a_file() {
    let before = b"what was there before, and stays";
    let victim = env::temp_dir().join(unique_name());
    let victim = victim.to_str().unwrap();
    let with_slashes = victim.replace('\\', "/");
    fs::write(victim, before).unwrap();
    for name in [
        format!(r"..\{victim}"),
        format!(r"\\.\pipe\..\{victim}"),
        format!(r"\\?\pipe\..\{victim}"),
        format!("//./pipe/../{with_slashes}"),
        format!("npipe:////./pipe/../{with_slashes}"),
        format!("../{with_slashes}"),
        format!(r"x\..\..\{victim}"),
        format!(r"..\GLOBALROOT\??\{victim}"),
        format!(r"\\.\{victim}"),
    ] {
        let error = within(connect(&name)).await.unwrap_err();
        assert!(matches!(error, Error::InvalidName(_)), "{name}: {error:?}");
        let error = Listener::bind(&name).unwrap_err();
        assert!(matches!(error, Error::InvalidName(_)), "{name}: {error:?}");
    }
    assert_eq!(fs::read(victim).unwrap(), before);
    fs::remove_file(victim).unwrap();
}

#[tokio::test]
async fn a_users_and_a_sessions_names_are_theirs_and_can_be_connected_to() {
    let name = unique_name();
    let names = [
        PipeName::per_user(&name).unwrap(),
        #[cfg(windows)]
        PipeName::per_session(&name).unwrap(),
    ];
    let listener = Listener::bind(&name).unwrap();
    let (client, mut listener) = (within(connect(&name)).await.unwrap(), listener);
    let peer = within(listener.accept()).await.unwrap().peer().unwrap();
    drop(client);
    #[cfg(windows)]
    let parts = [peer.user.to_string(), peer.session.to_string()];
    #[cfg(unix)]
    let parts = [peer.uid.to_string()];
    for (has, part) in names.iter().zip(parts) {
        assert_eq!(has.as_str(), plain::path(&format!("{name}-{part}")));
    }
    for name in &names {
        let mut listener = Listener::bind(name).unwrap();
        let (client, server) =
            within(async { tokio::join!(connect(name), listener.accept()) }).await;
        drop((client.unwrap(), server.unwrap()));
    }
}

#[test]
fn a_random_name_is_another_one_each_time() {
    // Short: the folder of temporary files may have a long path.
    let name = "x";
    let names: std::collections::HashSet<_> = (0..1000)
        .map(|_| PipeName::random(name).unwrap().as_str().to_owned())
        .inspect(|random| {
            let digits = random.strip_prefix(&plain::path(&format!("{name}-"))).unwrap();
            assert!(
                digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()),
                "{random}"
            );
        })
        .collect();
    assert_eq!(names.len(), 1000);
}

#[test]
fn a_name_that_has_no_room_for_an_addition_is_refused() {
    let long = "x".repeat(PipeName::MAX_LEN + 1 - plain::path("x").len());
    PipeName::new(&long).unwrap();
    for error in [
        PipeName::per_user(&long),
        #[cfg(windows)]
        PipeName::per_session(&long),
        PipeName::random(&long),
    ] {
        assert!(matches!(error, Err(Error::InvalidName(_))), "{error:?}");
    }
    assert!(PipeName::random("a/b").is_err());
}

#[tokio::test]
async fn the_list_of_pipes_has_a_listeners_name_as_long_as_it_listens() {
    #[cfg(windows)]
    if crate::rules::LIST.skips("the_list_of_pipes_has_a_listeners_name_as_long_as_it_listens") {
        return;
    }
    let name = unique_name();
    let listener = Listener::bind(&name).unwrap();
    let names = PipeName::list().unwrap();
    assert!(names.contains(listener.name()), "{names:?}");
    within(listener.close()).await;
    assert!(!PipeName::list().unwrap().contains(&name.parse().unwrap()));
}
