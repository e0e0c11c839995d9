//! A test of this binary as the program of another process, which speaks in lines.

use std::{env, fmt, path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{start::started, support::within};

/// Marks the lines that are not the test harness's own.
const MARK: &str = "child: ";

/// Says a line, in the other process.
pub(crate) fn tell(line: impl fmt::Display) {
    println!("{MARK}{line}");
}

/// Another process, which ends with this value.
pub(crate) struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Runs `test` with the environment variable `key` set to `value`, by which it knows that it is
    /// meant.
    pub(crate) fn start(test: &str, key: &str, value: &str) -> Self {
        Self::start_program(&env::current_exe().unwrap(), test, key, value)
    }

    /// Does so with another file, a copy of this binary.
    pub(crate) fn start_program(program: &Path, test: &str, key: &str, value: &str) -> Self {
        Self::run(Command::new(program), test, key, value)
    }

    /// Does so as another user, which only root can.
    #[cfg(unix)]
    pub(crate) fn start_as(uid: u32, program: &Path, test: &str, key: &str, value: &str) -> Self {
        let mut command = Command::new(program);
        command.uid(uid).gid(uid);
        Self::run(command, test, key, value)
    }

    /// Does so in a new user namespace, in which no user has a number (user_namespaces(7)).
    #[cfg(target_os = "linux")]
    pub(crate) fn start_without_users(test: &str, key: &str, value: &str) -> Self {
        let mut command = Command::new("unshare");
        command.arg("--user").arg(env::current_exe().unwrap());
        Self::run(command, test, key, value)
    }

    fn run(mut command: Command, test: &str, key: &str, value: &str) -> Self {
        command
            .args(["--exact", test, "--nocapture"])
            .env(key, value)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = started(|| command.spawn());
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdin, stdout }
    }

    /// Ends it without warning, as `kill -9` does.
    pub(crate) async fn kill(mut self) {
        within(self.child.kill()).await.unwrap();
    }

    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    pub(crate) async fn order(&mut self, line: &str) {
        use tokio::io::AsyncWriteExt;
        within(self.stdin.write_all(format!("{line}\n").as_bytes())).await.unwrap();
        within(self.stdin.flush()).await.unwrap();
    }

    pub(crate) async fn answer(&mut self) -> String {
        loop {
            let line = within(self.stdout.next_line()).await.unwrap().expect("it has ended");
            // The harness has begun a line of its own, which this one goes on with.
            if let Some((_, answer)) = line.split_once(MARK) {
                return answer.to_owned();
            }
        }
    }

    /// Ends its standard input, and checks that it ends well.
    pub(crate) async fn end(mut self) {
        drop(self.stdin);
        assert!(within(self.child.wait()).await.unwrap().success());
    }
}
