//! Who may connect to a socket: the mode and the group of its file.

/// Who may connect to a pipe. The user that the server runs as and root may always connect.
///
/// On Unix this is the mode and the group of the socket's file. The file has them before anybody
/// can find it, and the process's umask does not change them. To connect, a process needs the right
/// to write to the file and to search the folders that lead to it.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), npipes::Error> {
/// use npipes::{ListenerOptions, security::Access};
///
/// let listener = ListenerOptions::new()
///     .access(Access::authenticated_users())
///     .bind("npipes-doc-access")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Access {
    mode: u32,
    group: Option<u32>,
}

impl Access {
    /// Lets the user that the server runs as, and root, do everything: the mode 0600. This is the
    /// default.
    pub const fn current_user_and_system() -> Self {
        Self { mode: 0o600, group: None }
    }

    /// Lets the user that the server runs as do everything, and nobody else anything (the mode
    /// 0600). Root cannot be kept out.
    pub const fn current_user_only() -> Self {
        Self::current_user_and_system()
    }

    /// As [`current_user_and_system`](Self::current_user_and_system), and lets everybody connect: the
    /// mode 0666.
    pub fn authenticated_users() -> Self {
        Self { mode: 0o666, group: None }
    }

    /// As [`authenticated_users`](Self::authenticated_users): on Unix every user of this machine
    /// counts as one.
    pub fn users() -> Self {
        Self::authenticated_users()
    }

    /// On Unix: as [`current_user_and_system`](Self::current_user_and_system), and lets the members
    /// of the group with this number connect: the mode 0660.
    ///
    /// Only root can give a socket to a group that it is not a member of (chown(2)).
    pub const fn group(gid: u32) -> Self {
        Self { mode: 0o660, group: Some(gid) }
    }

    pub(super) const fn mode(&self) -> u32 {
        self.mode
    }

    pub(super) const fn group_id(&self) -> Option<u32> {
        self.group
    }
}

impl Default for Access {
    fn default() -> Self {
        Self::current_user_and_system()
    }
}
