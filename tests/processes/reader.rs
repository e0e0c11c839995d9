//! Starts the senders and reads what they send, without a runtime that would read ahead.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use npipes::PipeName;
use tokio::runtime::Runtime;

use crate::{
    scenario::{Ending, Reader, Role, SENDER, Scenario},
    start::started,
    support::{pattern, unique_name},
};

/// How many scenarios run at once: mostly they wait.
const AT_ONCE: usize = 4;

#[cfg(windows)]
type Pipe = std::fs::File;
#[cfg(unix)]
type Pipe = std::os::unix::net::UnixStream;

/// Longer than a scenario takes on a busy machine: one that comes here hangs.
const HANG: Duration = Duration::from_secs(120);

pub(crate) fn run_all() -> ExitCode {
    let filter = env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let mut scenarios = Scenario::all();
    scenarios.retain(|scenario| scenario.to_string().contains(&filter));
    println!("\nrunning {} scenarios", scenarios.len());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let failed = AtomicUsize::new(0);
    let next = Mutex::new(scenarios.iter());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let scenario = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(scenario) = scenario else { break };
                    let run = AssertUnwindSafe(|| watched(scenario, || run(scenario, &runtime)));
                    if catch_unwind(run).is_ok() {
                        println!("{scenario} ... ok");
                    } else {
                        println!("{scenario} ... FAILED");
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    println!("\nscenario result: {} passed; {failed} failed\n", scenarios.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends the whole program if `run` hangs: a blocking read cannot be given up.
fn watched(scenario: &Scenario, run: impl FnOnce()) {
    let (done, watch) = mpsc::channel::<()>();
    let name = scenario.to_string();
    thread::spawn(move || {
        if watch.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name}: still running after {HANG:?}");
            std::process::abort();
        }
    });
    run();
    drop(done);
}

fn run(scenario: &Scenario, runtime: &Runtime) {
    let name = unique_name();
    let path = PipeName::new(&name).unwrap().to_string();
    let server = (scenario.role == Role::Client).then(|| Server::at(&path, runtime));
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(SENDER, scenario.words(&name)).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut sender = started(|| command.spawn());
    let mut says = BufReader::new(sender.stdout.take().unwrap());
    assert_eq!(line(&mut says), "ready");
    let mut pipe = match server {
        Some(server) => server.pipe(),
        None => open(&path),
    };

    let mut frame = Vec::new();
    match scenario.reader {
        Reader::Early => {}
        Reader::Late => thread::sleep(Duration::from_millis(300)),
        Reader::Never => {
            let (outcome, millis) = outcome(&mut says);
            assert_eq!(outcome, "timed out");
            let deadline = scenario.deadline().as_millis();
            assert!((deadline..deadline * 20).contains(&millis), "after {millis} ms");
            finish(scenario, sender);
            let end = pipe.read_to_end(&mut frame);
            if cfg!(windows) && scenario.role == Role::Server {
                // A server that gives up disconnects the pipe, and what was unread is gone.
                const ERROR_PIPE_NOT_CONNECTED: i32 = 233;
                let code = end.unwrap_err().raw_os_error();
                assert_eq!((code, frame.len()), (Some(ERROR_PIPE_NOT_CONNECTED), 0));
                return;
            }
            // How much of it there is, is up to the system; there is an end.
            end.unwrap();
            let payload = pattern(scenario.payload, 1);
            let got = frame.len().saturating_sub(8).min(payload.len());
            assert!(frame.len() < 8 || frame[8..8 + got] == payload[..got]);
            return;
        }
    }
    pipe.read_to_end(&mut frame).unwrap();
    assert_eq!(frame.len(), scenario.payload + 12);
    assert!(frame[8..8 + scenario.payload] == pattern(scenario.payload, 1)[..]);
    assert_eq!(outcome(&mut says).0, "drained");
    finish(scenario, sender);
}

/// A server whose pipe nobody reads ahead.
#[cfg(windows)]
struct Server(tokio::net::windows::named_pipe::NamedPipeServer);

#[cfg(windows)]
impl Server {
    /// Nobody drives this runtime, and `connect` is never called: so nothing reads ahead, and a client
    /// can connect all the same.
    fn at(path: &str, runtime: &Runtime) -> Self {
        let _context = runtime.enter();
        Self(tokio::net::windows::named_pipe::ServerOptions::new().create(path).unwrap())
    }

    fn pipe(self) -> Pipe {
        use std::os::windows::io::AsHandle;
        Pipe::from(self.0.as_handle().try_clone_to_owned().unwrap())
    }
}

#[cfg(windows)]
fn open(path: &str) -> Pipe {
    Pipe::options().read(true).write(true).open(path).unwrap()
}

/// A server whose socket nobody reads ahead.
#[cfg(unix)]
struct Server(std::os::unix::net::UnixListener, String);

#[cfg(unix)]
impl Server {
    fn at(path: &str, _: &Runtime) -> Self {
        Self(std::os::unix::net::UnixListener::bind(path).unwrap(), path.to_owned())
    }

    fn pipe(self) -> Pipe {
        let (pipe, _) = self.0.accept().unwrap();
        std::fs::remove_file(&self.1).unwrap();
        pipe
    }
}

#[cfg(unix)]
fn open(path: &str) -> Pipe {
    Pipe::connect(path).unwrap()
}

fn line(says: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    says.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn outcome(says: &mut BufReader<ChildStdout>) -> (String, u128) {
    let line = line(says);
    let (outcome, millis) = line.split_once(" after ").unwrap_or_else(|| panic!("{line:?}"));
    (outcome.to_owned(), millis.parse().unwrap())
}

fn finish(scenario: &Scenario, mut sender: Child) {
    if scenario.ending == Ending::DropsTheRuntime {
        assert!(sender.try_wait().unwrap().is_none(), "it was to live on");
    }
    drop(sender.stdin.take());
    assert!(sender.wait().unwrap().success());
}
