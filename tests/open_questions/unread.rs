//! What is unread, and waiting for it to be read.

use std::{
    io,
    os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle},
    ptr, thread,
    time::{Duration, Instant},
};

use windows_sys::{
    Wdk::Storage::FileSystem::{
        FILE_PIPE_LOCAL_INFORMATION, FilePipeLocalInformation, NtQueryInformationFile,
    },
    Win32::{
        Storage::FileSystem::FlushFileBuffers,
        System::IO::{CancelSynchronousIo, IO_STATUS_BLOCK},
    },
};

use crate::windows::{QUOTA, Server, answer, client, done, outcome, unique_path};

pub(crate) fn ask() {
    answer("does CancelSynchronousIo release a flush of an overlapped handle", released_flush());

    let path = unique_path();
    let server = Server::create(&path, 1, true).unwrap();
    let peer = client(&path).unwrap();
    server.begin_write(vec![1; 100]).unwrap();
    drop(peer);
    let flushed = flush(server.0.as_handle());
    answer("does a flush succeed when the peer has left without reading", outcome(&flushed));

    let path = unique_path();
    let server = Server::create(&path, 1, true).unwrap();
    let peer = client(&path).unwrap();
    server.begin_write(vec![1; 100]).unwrap();
    answer(
        "what is free of a quota of 4096 with 100 bytes unread",
        free_quota(server.0.as_handle()),
    );
    drop((server, peer));

    let path = unique_path();
    let server = Server::create(&path, 1, true).unwrap();
    let peer = client(&path).unwrap();
    let reads = server.begin_read(1000);
    answer("what is free of a quota of 4096 while the peer waits for 1000 bytes", {
        format!("{} (the read: {})", free_quota(peer.as_handle()), outcome(&reads))
    });
    server.cancel();

    for mebibytes in [4, 16, 64] {
        let path = unique_path();
        let server = Server::create(&path, 1, true).unwrap();
        let _peer = client(&path).unwrap();
        let written = server.begin_write(vec![1; mebibytes << 20]);
        // 997, ERROR_IO_PENDING, says that it was taken and waits.
        let question =
            format!("is a message of {mebibytes} MiB written to a peer that does not read");
        answer(&question, outcome(&written));
        server.cancel();
    }
}

fn released_flush() -> String {
    let path = unique_path();
    let server = Server::create(&path, 1, true).unwrap();
    let peer = client(&path).unwrap();
    server.begin_write(vec![1; 100]).unwrap();
    let pipe = server.0.try_clone().unwrap();
    let thread = thread::spawn(move || flush(pipe.as_handle()));
    let begun = Instant::now();
    let (mut cancelled, mut calls) = (0, 0);
    while !thread.is_finished() && begun.elapsed() < Duration::from_secs(5) {
        calls += 1;
        // SAFETY: the thread was not joined, so its handle is open.
        cancelled += unsafe { CancelSynchronousIo(thread.as_raw_handle()) };
        thread::sleep(Duration::from_millis(1));
    }
    let was_released = thread.is_finished();
    let elapsed = begun.elapsed();
    // If nothing else did, this ends it.
    drop(peer);
    let flushed = thread.join().unwrap();
    let told = format!("the flush: {}; {cancelled} of {calls} calls found it", outcome(&flushed));
    match was_released {
        true => format!("yes, within {elapsed:?} ({told})"),
        false => format!("no, not within {elapsed:?} ({told})"),
    }
}

fn flush(pipe: BorrowedHandle<'_>) -> io::Result<()> {
    // SAFETY: the handle is open while it is borrowed.
    done(unsafe { FlushFileBuffers(pipe.as_raw_handle()) })
}

fn free_quota(pipe: BorrowedHandle<'_>) -> String {
    let mut info = FILE_PIPE_LOCAL_INFORMATION::default();
    let mut status_block = IO_STATUS_BLOCK::default();
    let size = u32::try_from(size_of_val(&info)).unwrap();
    // SAFETY: the handle is open while it is borrowed; both results have the sizes that are said.
    let status = unsafe {
        NtQueryInformationFile(
            pipe.as_raw_handle(),
            &mut status_block,
            ptr::from_mut(&mut info).cast(),
            size,
            FilePipeLocalInformation,
        )
    };
    assert_eq!((status, info.InboundQuota, info.OutboundQuota), (0, QUOTA, QUOTA));
    info.WriteQuotaAvailable.to_string()
}
