//! The path of a socket: as .NET's named pipes have it, so that both can meet.

use std::env;

use super::{
    NameError,
    spelling::{self, Spelled},
};

/// What .NET's `PipeStream.Unix.cs` puts before a name.
pub(crate) const PREFIX: &str = "CoreFxPipe_";

/// In bytes, without the NUL at the end: the size of `sun_path` is 108 on Linux (unix(7)), and 104 on
/// macOS and the BSDs (unix(4)).
pub(super) const MAX_LEN: usize =
    if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };

/// Returns the path that `text` means, which is one of this machine.
pub(super) fn path(text: &str) -> Result<(String, bool), NameError> {
    let path = match text.starts_with('/') && !text.starts_with("//") {
        true => text.to_owned(),
        false => {
            let Spelled { host, name } = spelling::read(text)?;
            if host != "." {
                return Err(NameError::OtherMachine);
            }
            format!("{}{PREFIX}{name}", folder())
        }
    };
    if path.ends_with('/') {
        return Err(NameError::Empty);
    }
    match path.len() > MAX_LEN {
        true => Err(NameError::TooLong { len: path.len(), max: MAX_LEN }),
        false => Ok((path, true)),
    }
}

/// Returns the folder of the sockets with its slash, as .NET's `Path.GetTempPath` has it.
pub(crate) fn folder() -> String {
    folder_by(env::var("TMPDIR").ok())
}

fn folder_by(tmpdir: Option<String>) -> String {
    let tmpdir = tmpdir.filter(|folder| !folder.is_empty());
    let mut folder = tmpdir.unwrap_or_else(|| "/tmp".to_owned());
    if !folder.ends_with('/') {
        folder.push('/');
    }
    folder
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PipeName;

    #[track_caller]
    fn means(text: &str, path: &str) {
        let name = PipeName::new(text).unwrap();
        assert_eq!((name.as_str(), name.is_local()), (path, true));
    }

    #[test]
    fn a_name_is_a_socket_as_dot_net_names_it() {
        means("orders", &format!("{}CoreFxPipe_orders", folder()));
        means("//./pipe/orders", &format!("{}CoreFxPipe_orders", folder()));
        means(r"LOCAL\orders", &format!(r"{}CoreFxPipe_LOCAL\orders", folder()));
    }

    #[test]
    fn the_folder_is_that_of_temporary_files() {
        for (tmpdir, folder) in [
            (None, "/tmp/"),
            (Some(""), "/tmp/"),
            (Some("/run/user/1000"), "/run/user/1000/"),
            (Some("/run/user/1000/"), "/run/user/1000/"),
        ] {
            assert_eq!(folder_by(tmpdir.map(str::to_owned)), folder, "{tmpdir:?}");
        }
        assert_eq!(folder(), folder_by(env::var("TMPDIR").ok()));
    }

    #[test]
    fn an_absolute_path_is_the_sockets_own() {
        means("/run/orders.sock", "/run/orders.sock");
        assert_eq!(PipeName::new("/run/").unwrap_err().source, NameError::Empty);
    }

    #[test]
    fn another_machines_pipe_is_refused() {
        for text in [r"\\host\pipe\orders", "//host/pipe/orders", r"\\localhost\pipe\orders"] {
            assert_eq!(PipeName::new(text).unwrap_err().source, NameError::OtherMachine);
        }
    }
}
