//! What becomes of instances and of the name.

use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::{
    Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType},
    System::Pipes::PIPE_ACCEPT_REMOTE_CLIENTS,
};

use crate::windows::{Server, answer, client, outcome, unique_path};

pub(crate) fn ask() {
    for listens in [false, true] {
        let path = unique_path();
        let server = Server::create(&path, 1, true).unwrap();
        let how =
            if listens { "with a wait for a client under way" } else { "that is not listened on" };
        if listens {
            let _ = server.listen();
        }
        let question = format!("is an instance {how} disconnected");
        answer(&question, outcome(&server.disconnect()));
        let question = format!("does a client get in after that, {how}");
        answer(&question, outcome(&client(&path)));
    }

    let path = unique_path();
    let server = Server::create(&path, 1, true).unwrap();
    let waits = server.listen();
    server.cancel();
    answer("is the instance open to clients when the wait for one was cancelled", {
        format!("{} (the wait: {})", outcome(&client(&path)), outcome(&waits))
    });

    ask_of_one_created_shut();

    let path = unique_path();
    let _server = Server::create(&path, 1, true).unwrap();
    let again = Server::create(&path, 1, true);
    answer("does a first instance at the limit of instances succeed", outcome(&again.map(|_| ())));

    let path = unique_path();
    let server = Server::create(&path, 1, true).unwrap();
    let client_left = client(&path).unwrap();
    drop(server);
    let again = Server::create(&path, 1, true).map(|_| ());
    answer("is a name free while a client of its closed server is there", outcome(&again));
    drop(client_left);

    answer("is another machine's pipe a pipe to GetFileType", remote_type());
}

fn ask_of_one_created_shut() {
    let path = unique_path();
    let server = Server::create_shut(&path);
    let question = "is an instance created by a handle that can neither read nor write";
    answer(question, outcome(&server));
    let Ok(server) = server else { return };
    // 231, ERROR_PIPE_BUSY, says that it is there and shut.
    answer("does a client get into that", outcome(&client(&path)));
    // 233, ERROR_PIPE_NOT_CONNECTED, says that it is disconnected.
    answer("can its server disconnect that", outcome(&server.disconnect()));
}

/// Asks by way of this machine's own server for other machines.
fn remote_type() -> String {
    let path = unique_path();
    let _server = Server::with_modes(&path, 1, true, PIPE_ACCEPT_REMOTE_CLIENTS).unwrap();
    match client(&path.replacen(r"\\.\", r"\\localhost\", 1)) {
        Ok(client) => {
            // SAFETY: the handle is open.
            let kind = unsafe { GetFileType(client.as_raw_handle()) };
            format!("{} (type {kind})", if kind == FILE_TYPE_PIPE { "yes" } else { "no" })
        }
        Err(e) => format!("cannot be asked here: {e}"),
    }
}
