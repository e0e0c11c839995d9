//! How long clients wait that come all at once, or to a server that stalls, and how often they
//! knock.
//!
//! `cargo bench --bench connect`, or on Linux `scripts/on-wine cargo bench --bench connect`

#[cfg(not(windows))]
fn main() {
    eprintln!("named pipes exist on Windows only: try scripts/on-wine cargo bench --bench connect");
}

#[cfg(windows)]
mod attempts;
#[cfg(windows)]
mod compare;
#[cfg(windows)]
mod sample;
#[cfg(windows)]
mod sides;

#[cfg(windows)]
fn main() -> std::process::ExitCode {
    compare::main()
}
