//! A Windows service that serves a pipe. The service manager starts and stops it, and a client trusts it
//! by its name.
//!
//! As an administrator, with the path of your copy:
//!
//! ```text
//! sc create npipes-orders binPath= "C:\orders\windows_service.exe service C:\orders\log.txt" obj= "NT AUTHORITY\LocalService" password= ""
//! sc start npipes-orders
//! sc stop npipes-orders
//! sc delete npipes-orders
//! ```
//!
//! As any user who has logged on: `windows_service order "two coffees"`.
//!
//! `cargo run --example windows_service -- run orders` is the same service without the manager, on any
//! system, until Ctrl-C. `orders.rs` is all that it does; `manager.rs` is what only a service needs.

mod client;
#[cfg(windows)]
mod manager;
mod orders;

use std::{process::ExitCode, sync::Arc};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// The name of the service, as `sc` takes it, and of its pipe.
const SERVICE: &str = "npipes-orders";

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match arguments.iter().map(|argument| &**argument).collect::<Vec<_>>()[..] {
        #[cfg(windows)]
        ["service", _log] => manager::hand_over(),
        ["run", pipe] => Runtime::new().map_err(Failure::from).and_then(|r| r.block_on(run(pipe))),
        ["order", what] => {
            Runtime::new().map_err(Failure::from).and_then(|r| r.block_on(client::order(what)))
        }
        _ => Err("usage: windows_service service LOG | run PIPE | order TEXT".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the service in a console, until Ctrl-C.
async fn run(pipe: &str) -> Result<(), Failure> {
    // Asked for before the first client, so that Ctrl-C never just kills the process from now on.
    #[cfg(windows)]
    let mut ctrl_c = tokio::signal::windows::ctrl_c()?;
    #[cfg(unix)]
    let mut ctrl_c = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::interrupt())?
    };
    let stop = CancellationToken::new();
    let service = orders::run(pipe, stop.clone(), Arc::new(|event| println!("{event}")));
    let mut service = std::pin::pin!(service);
    let report = loop {
        tokio::select! {
            ended = &mut service => break ended?,
            _ = ctrl_c.recv() => stop.cancel(),
        }
    };
    println!("{}", orders::summary(&report));
    Ok(())
}
