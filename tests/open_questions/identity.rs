//! Until when a server learns who its client is.

use std::{
    fs::File,
    io::{self, Write},
    os::windows::{
        fs::OpenOptionsExt,
        io::{AsRawHandle, OwnedHandle},
    },
};

use windows_sys::Win32::{
    Security::RevertToSelf, Storage::FileSystem::SECURITY_IDENTIFICATION,
    System::Pipes::ImpersonateNamedPipeClient,
};

use crate::windows::{Server, answer, client, done, outcome, unique_path};

/// How much a client has done when it leaves.
#[derive(Clone, Copy, PartialEq)]
enum Done {
    Nothing,
    Written,
    WrittenAndRead,
}

pub(crate) fn ask() {
    for (tracking, is_static) in [("static", true), ("dynamic", false)] {
        for (what, how_much) in [
            ("without a word", Done::Nothing),
            ("with what it wrote unread", Done::Written),
            ("with what it wrote read", Done::WrittenAndRead),
        ] {
            let question =
                format!("is a client of {tracking} tracking that left {what} identified");
            answer(&question, outcome(&after_leaving(is_static, how_much)));
        }
    }
}

fn after_leaving(is_static: bool, how_much: Done) -> io::Result<()> {
    let path = unique_path();
    let server = Server::create(&path, 1, true).unwrap();
    let mut client = if is_static { static_client(&path) } else { client(&path).unwrap() };
    if how_much != Done::Nothing {
        client.write_all(b"it's me").unwrap();
    }
    if how_much == Done::WrittenAndRead {
        // It completes at once: there is something to read.
        server.begin_read(64).unwrap();
    }
    drop(client);
    impersonate(&server.0)
}

fn static_client(path: &str) -> File {
    let mut options = File::options();
    options.read(true).write(true).security_qos_flags(SECURITY_IDENTIFICATION);
    options.open(path).unwrap()
}

fn impersonate(server: &OwnedHandle) -> io::Result<()> {
    // SAFETY: the handle is open.
    let outcome = done(unsafe { ImpersonateNamedPipeClient(server.as_raw_handle()) });
    if outcome.is_ok() {
        // SAFETY: it takes nothing.
        done(unsafe { RevertToSelf() }).unwrap();
    }
    outcome
}
