//! Talks to a named pipe by hand, and shows what its other end really does: lengths, CRCs and
//! dialects, especially the wrong ones. Use it when a peer misbehaves.
//!
//! `cargo run --example pipecat -- --help`
//!
//! Everything except the pipes themselves works on any system, including `pipecat decode`.

mod args;
mod conform;
mod dissect;
mod exchange;
mod failure;
mod open;
mod plan;
mod progress;
mod show;
mod transfer;
mod values;

use std::process::ExitCode;

use self::{failure::Failure, plan::Command};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("pipecat: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run() -> Result<(), Failure> {
    match args::parse(std::env::args_os())? {
        Command::Help => {
            print!("{}", args::USAGE);
            Ok(())
        }
        Command::Exchange(place, plan) => exchange::run(&place, &plan).await,
        Command::SendFile(place, file, plan) => transfer::send(&place, &file, &plan).await,
        Command::ReceiveFile(place, file, plan) => transfer::receive(&place, &file, &plan).await,
        Command::Decode(file, view) => exchange::decode(file.as_deref(), &view).await,
        Command::Conform(place) => conform::run(&place).await,
        Command::List => open::list(),
    }
}
