//! What this crate would like to know of Windows and nobody here could ask: each question is put to the
//! system, and the answer printed. An answer that is not the expected one fails nothing; docs/windows.md
//! says what rests on each. It fails only if a question cannot be put.
//!
//! `open_questions server NAME` and `open_questions client NAME`, run by two users, ask what takes two.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a question that cannot be put is to panic")]

#[cfg(windows)]
mod identity;
#[cfg(windows)]
mod instances;
#[cfg(windows)]
mod unread;
#[cfg(windows)]
mod users;
#[cfg(windows)]
mod windows;

#[cfg(windows)]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", name] => users::serve(name),
        ["client", name] => users::ask(name),
        _ => {
            identity::ask();
            instances::ask();
            unread::ask();
        }
    }
}

#[cfg(not(windows))]
fn main() {}
