//! The spellings of a pipe's name: which ones are accepted, and which ones Windows would take for
//! another name than they look like.
//!
//! `CreateNamedPipeW` and `CreateFileW` normalize a path that begins with `\\.\` ("File path
//! formats on Windows systems"): `/` becomes `\`, `.` and `..` are followed, also out of the folder
//! of pipes, backslashes in a row become one, a dot at the end of a part is removed, and so are all
//! dots and spaces at the end of the path. A name is accepted here only if this does not change it.
//! So two names that differ in more than case are two pipes, and every name is a pipe.

use super::{NameError, NameFault};

/// The meaning of a text: the host, or `.` for this machine, and the name of the pipe there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spelled {
    pub(super) host: String,
    pub(super) name: String,
}

/// Returns the meaning of `text`.
pub(super) fn read(text: &str) -> Result<Spelled, NameError> {
    let path = without_scheme(text);
    let Some(rest) = path.strip_prefix(r"\\").or_else(|| path.strip_prefix("//")) else {
        return bare(path);
    };
    let slashes = path.starts_with('/');
    let rest = if slashes { rest.replace('/', r"\") } else { rest.to_owned() };
    let mut parts = rest.splitn(3, '\\');
    let (host, device, name) = (parts.next(), parts.next(), parts.next());
    let host = host.filter(|host| is_host(host));
    let is_pipe = device.is_some_and(|device| device.eq_ignore_ascii_case("pipe"));
    match (host, name) {
        (Some(host), Some(name)) if is_pipe => checked(here_or(host), name),
        // After a scheme, this part is not a host.
        _ if path.len() < text.len() => Err(misspelled(NameFault::NotAPipePath, suggestion(path))),
        _ => Err(misspelled(NameFault::NotAPipePath, suggestion(&rest))),
    }
}

/// Removes a scheme. Docker's clients and similar programs put one before the path:
/// `npipe:////./pipe/x`, and by mistake `npipe://./pipe/x`.
fn without_scheme(text: &str) -> &str {
    const SCHEME: &str = "npipe:";
    let path = match text.get(..SCHEME.len()) {
        Some(start) if start.eq_ignore_ascii_case(SCHEME) => &text[SCHEME.len()..],
        _ => return text,
    };
    let separators = path.len() - path.trim_start_matches(['/', '\\']).len();
    match separators {
        0 | 1 => text,
        // Remove all separators but the last two, which begin the path.
        _ => &path[separators - 2..],
    }
}

fn bare(name: &str) -> Result<Spelled, NameError> {
    if name.starts_with(['\\', '/']) {
        return Err(misspelled(NameFault::NotAPipePath, suggestion(name)));
    }
    let begins_with_pipe =
        name.split_once(['\\', '/']).is_some_and(|(first, _)| first.eq_ignore_ascii_case("pipe"));
    match begins_with_pipe {
        true => Err(misspelled(NameFault::HalfAPath, suggestion(name))),
        false => checked(".", name),
    }
}

/// `\\?\` names the same device, but `CreateFileW` takes the rest of such a path unchanged. One
/// form is enough.
fn here_or(host: &str) -> &str {
    if host == "?" { "." } else { host }
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host != ".." && !host.contains('/')
}

fn checked(host: &str, name: &str) -> Result<Spelled, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    match fault(name) {
        None => Ok(Spelled { host: host.to_owned(), name: name.to_owned() }),
        Some(fault) => Err(misspelled(fault, path(host, &cleaned(name)))),
    }
}

/// Returns why Windows would take `name` for another name.
fn fault(name: &str) -> Option<NameFault> {
    if name.contains('/') {
        return Some(NameFault::Slash);
    }
    let of_part = |part: &str| match part {
        "" => Some(NameFault::EmptyPart),
        "." | ".." => Some(NameFault::DotPart),
        _ if part.ends_with('.') => Some(NameFault::DotOrSpaceAtEnd),
        _ => None,
    };
    // Windows keeps a space at the end of a part that is not the last one.
    let at_end = name.ends_with(' ').then_some(NameFault::DotOrSpaceAtEnd);
    name.split('\\').find_map(of_part).or(at_end)
}

fn misspelled(fault: NameFault, write: String) -> NameError {
    NameError::Misspelled { fault, write: write.into() }
}

/// Returns the path that the caller may have meant by a path that is not to a pipe.
fn suggestion(text: &str) -> String {
    let parts: Vec<&str> = text.split(['\\', '/']).filter(|part| !part.is_empty()).collect();
    let is = |part: &str, word: &str| part.eq_ignore_ascii_case(word);
    match parts.as_slice() {
        ["." | ".." | "?" | "??", pipe, rest @ ..] if is(pipe, "pipe") => in_folder(".", rest),
        ["." | ".." | "?" | "??", rest @ ..] => in_folder(".", rest),
        [device, pipes, rest @ ..] if is(device, "device") && is(pipes, "namedpipe") => {
            in_folder(".", rest)
        }
        [pipe, rest @ ..] if is(pipe, "pipe") => in_folder(".", rest),
        // It is another machine's path only if the text looked like one.
        [host, rest @ ..] if !text.starts_with(['\\', '/']) => in_folder(host, rest),
        rest => in_folder(".", rest),
    }
}

fn in_folder(host: &str, parts: &[&str]) -> String {
    path(host, &cleaned(&parts.join(r"\")))
}

fn path(host: &str, name: &str) -> String {
    format!(r"\\{host}\pipe\{name}")
}

/// Returns the name without its faults, or `name` if nothing is left.
fn cleaned(name: &str) -> String {
    let name = name.trim_end_matches(['.', ' ', '\\', '/']);
    let parts = name.split(['\\', '/']).map(|part| part.trim_end_matches('.'));
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "name".to_owned() } else { parts.join(r"\") }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// Returns what Windows makes of the path of a pipe, according to "File path formats on Windows
    /// systems" and Wine's `RtlGetFullPathName_U`.
    fn normalized(path: &str) -> String {
        let path = path.replace('/', r"\");
        let (root, rest) = path.split_at(4);
        let mut parts: Vec<String> = Vec::new();
        let given: Vec<&str> = rest.split('\\').collect();
        for (index, &part) in given.iter().enumerate() {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                _ if index + 1 < given.len() => {
                    parts.push(part.strip_suffix('.').unwrap_or(part).to_owned());
                }
                _ => parts.push(part.to_owned()),
            }
        }
        let joined = parts.join(r"\");
        format!("{root}{}", joined.trim_end_matches(['.', ' ']))
    }

    fn accepted(text: &str) -> Option<String> {
        read(text).ok().map(|spelled| path(&spelled.host, &spelled.name))
    }

    fn texts() -> impl Strategy<Value = String> {
        let piece = select(vec![
            ".",
            "..",
            "...",
            " ",
            "/",
            r"\",
            r"\\",
            "//",
            "pipe",
            "PIPE",
            "a",
            "b",
            "C:",
            "?",
            "npipe:",
            r"\\.\",
            "ü",
            "\u{1F600}",
            "*",
            ":",
        ]);
        prop_oneof![vec(piece, 0..9).prop_map(|pieces| pieces.concat()), any::<String>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn no_accepted_name_means_another_path_to_windows(text in texts()) {
            if let Some(path) = accepted(&text).filter(|path| path.starts_with(r"\\.\")) {
                prop_assert_eq!(normalized(&path), path);
            }
        }

        #[test]
        fn what_windows_would_not_change_is_accepted(name in r"[^\\/\x00]{1,40}") {
            let path = path(".", &name);
            if normalized(&path) == path && name != "." && name != ".." {
                prop_assert_eq!(accepted(&name), Some(path.clone()));
                prop_assert_eq!(accepted(&path), Some(path));
            }
        }

        #[test]
        fn what_an_error_says_to_write_is_accepted_as_it_is(text in texts()) {
            if let Err(NameError::Misspelled { write, .. }) = read(&text) {
                prop_assert_eq!(accepted(&write), Some(write.to_string()), "{}", text);
            }
        }
    }

    #[track_caller]
    fn means(text: &str, path: &str) {
        assert_eq!(accepted(text).as_deref(), Some(path), "{text}");
    }

    #[track_caller]
    fn is_corrected(text: &str, fault: NameFault, write: &str) {
        assert_eq!(read(text), Err(misspelled(fault, write.to_owned())), "{text}");
    }

    #[test]
    fn spellings_of_other_tools_are_understood() {
        for text in [
            "x",
            r"\\.\pipe\x",
            r"\\.\PIPE\x",
            r"\\?\pipe\x",
            "//./pipe/x",
            "//?/PIPE/x",
            r"//.\pipe\x",
            "npipe:////./pipe/x",
            "NPIPE:////./pipe/x",
            "npipe://./pipe/x",
            r"npipe:\\.\pipe\x",
        ] {
            means(text, r"\\.\pipe\x");
        }
        means("//./pipe/docker/x", r"\\.\pipe\docker\x");
        means("//host/pipe/x", r"\\host\pipe\x");
        means("npipe:////host/pipe/x", r"\\host\pipe\x");
        // No path follows the scheme.
        means("npipe:x", r"\\.\pipe\npipe:x");
    }

    #[test]
    fn half_a_path_is_corrected() {
        for text in ["pipe/x", r"pipe\x", r"PIPE\x"] {
            is_corrected(text, NameFault::HalfAPath, r"\\.\pipe\x");
        }
        for text in
            [r"\pipe\x", "/pipe/x", r"\\.\x", r"\\pipe\x", r"\Device\NamedPipe\x", "npipe://x"]
        {
            is_corrected(text, NameFault::NotAPipePath, r"\\.\pipe\x");
        }
        is_corrected(r"\Device\x", NameFault::NotAPipePath, r"\\.\pipe\Device\x");
        is_corrected("/tmp/x", NameFault::NotAPipePath, r"\\.\pipe\tmp\x");
        is_corrected(r"\\host\x", NameFault::NotAPipePath, r"\\host\pipe\x");
        is_corrected(r"\\.\mailslot\x", NameFault::NotAPipePath, r"\\.\pipe\mailslot\x");
        is_corrected(r"\\host", NameFault::NotAPipePath, r"\\host\pipe\name");
        is_corrected(r"\\", NameFault::NotAPipePath, r"\\.\pipe\name");
        is_corrected(r"orders\\.\pipe\x", NameFault::EmptyPart, r"\\.\pipe\orders\pipe\x");
        // The full path means such a pipe.
        means(r"\\.\pipe\pipe\x", r"\\.\pipe\pipe\x");
    }

    #[test]
    fn a_way_out_of_the_folder_is_refused() {
        let victim = r"\\.\pipe\C:\x";
        is_corrected(r"..\C:\x", NameFault::DotPart, victim);
        is_corrected(r"\\.\pipe\..\C:\x", NameFault::DotPart, victim);
        is_corrected("//./pipe/../C:/x", NameFault::DotPart, victim);
        is_corrected(r"a\..\..\C:\x", NameFault::DotPart, r"\\.\pipe\a\C:\x");
        is_corrected("../C:/x", NameFault::Slash, victim);
        is_corrected(r"\\host\pipe\..\x", NameFault::DotPart, r"\\host\pipe\x");
        is_corrected("..", NameFault::DotPart, r"\\.\pipe\name");
        is_corrected(r"\\..\pipe\x", NameFault::NotAPipePath, r"\\.\pipe\x");
        is_corrected(r"\\a/b\pipe\x", NameFault::NotAPipePath, r"\\a\pipe\b\pipe\x");
    }

    #[test]
    fn a_name_that_windows_would_take_for_another_is_refused() {
        is_corrected("a/b", NameFault::Slash, r"\\.\pipe\a\b");
        is_corrected(r"\\.\pipe/x", NameFault::NotAPipePath, r"\\.\pipe\x");
        is_corrected(r"\\.\pipe\a/b", NameFault::Slash, r"\\.\pipe\a\b");
        is_corrected("x.", NameFault::DotOrSpaceAtEnd, r"\\.\pipe\x");
        is_corrected("x . .", NameFault::DotOrSpaceAtEnd, r"\\.\pipe\x");
        is_corrected(r"a.\x", NameFault::DotOrSpaceAtEnd, r"\\.\pipe\a\x");
        is_corrected(r"...\x", NameFault::DotOrSpaceAtEnd, r"\\.\pipe\x");
        is_corrected(r".\x", NameFault::DotPart, r"\\.\pipe\x");
        is_corrected(r"a\\x", NameFault::EmptyPart, r"\\.\pipe\a\x");
        is_corrected(r"x\", NameFault::EmptyPart, r"\\.\pipe\x");
    }

    #[test]
    fn what_windows_leaves_as_it_is_stays_allowed() {
        for name in
            [" x", "a b", r"a \b", ".x", "..x", "a.b", "x:y", "x*?", "C:", r"LOCAL\x", "ünï-☃"]
        {
            means(name, &path(".", name));
        }
    }
}
