//! Blocking handles of the system at both ends, without any runtime.
#![cfg_attr(windows, allow(unsafe_code))]

use std::{
    io::{Read, Write},
    thread,
    time::Duration,
};
#[cfg(windows)]
use std::{
    os::windows::io::{AsRawHandle, FromRawHandle},
    ptr,
};

#[cfg(windows)]
use windows_sys::Win32::{
    Foundation::INVALID_HANDLE_VALUE,
    Storage::FileSystem::PIPE_ACCESS_DUPLEX,
    System::Pipes::{ConnectNamedPipe, CreateNamedPipeW, PIPE_TYPE_BYTE, PIPE_TYPE_MESSAGE},
};

use crate::{
    bare::path,
    workload::{Messages, PIECE, Traffic, Work},
};

#[cfg(windows)]
type End = std::fs::File;
#[cfg(unix)]
type End = std::os::unix::net::UnixStream;

/// The quota of each direction in bytes, as Tokio and this crate have it.
#[cfg(windows)]
const BUFFER: u32 = 64 * 1024;

pub(crate) struct Listener {
    #[cfg(windows)]
    waiting: End,
    #[cfg(unix)]
    listener: std::os::unix::net::UnixListener,
    #[cfg(unix)]
    path: std::path::PathBuf,
}

#[cfg(windows)]
impl Listener {
    pub(crate) fn bind(name: &str) -> Self {
        Self::bind_as(name, PIPE_TYPE_BYTE)
    }

    /// Listens on a pipe of message type. Its client writes each message in one piece.
    pub(crate) fn bind_messages(name: &str) -> Self {
        Self::bind_as(name, PIPE_TYPE_MESSAGE)
    }

    fn bind_as(name: &str, pipe_type: u32) -> Self {
        let path: Vec<u16> = path(name).encode_utf16().chain([0]).collect();
        // SAFETY: `path` ends with a NUL and outlives the call; no security attributes are given.
        let handle = unsafe {
            CreateNamedPipeW(
                path.as_ptr(),
                PIPE_ACCESS_DUPLEX,
                pipe_type,
                1,
                BUFFER,
                BUFFER,
                0,
                ptr::null(),
            )
        };
        assert_ne!(handle, INVALID_HANDLE_VALUE);
        // SAFETY: the call succeeded and gave the handle to nobody else.
        Self { waiting: unsafe { End::from_raw_handle(handle) } }
    }

    fn accept(self) -> End {
        // SAFETY: the handle is open. It fails if the client is there already.
        unsafe { ConnectNamedPipe(self.waiting.as_raw_handle(), ptr::null_mut()) };
        self.waiting
    }
}

#[cfg(unix)]
impl Listener {
    pub(crate) fn bind(name: &str) -> Self {
        let path = path(name);
        Self { listener: std::os::unix::net::UnixListener::bind(&path).unwrap(), path }
    }

    fn accept(self) -> End {
        let end = self.listener.accept().unwrap().0;
        std::fs::remove_file(&self.path).unwrap();
        end
    }
}

impl Listener {
    /// Serves one connection.
    pub(crate) fn serve(self, work: Work) {
        let mut end = self.accept();
        let messages = Messages::new(work.len);
        match work.traffic {
            Traffic::Echo => {
                let mut message = vec![0; work.len];
                for index in 0..work.count {
                    end.read_exact(&mut message).unwrap();
                    messages.check(index, &message);
                    end.write_all(&message).unwrap();
                }
            }
            Traffic::OneWay { .. } => {
                let expected = messages.get(0).repeat(PIECE.div_ceil(work.len) + 1);
                let mut piece = vec![0; PIECE];
                let (mut left, mut at) = (work.len * work.count, 0);
                while left > 0 {
                    let read = end.read(&mut piece[..PIECE.min(left)]).unwrap();
                    assert!(piece[..read] == expected[at..at + read]);
                    at = (at + read) % work.len;
                    left -= read;
                }
                end.write_all(b"done").unwrap();
            }
        }
        assert_eq!(end.read(&mut [0]).unwrap_or(0), 0);
    }
}

pub(crate) struct Client {
    end: End,
    /// The longest write, in bytes.
    piece: usize,
}

impl Client {
    pub(crate) fn connect(name: &str) -> Self {
        loop {
            #[cfg(windows)]
            let opened = End::options().read(true).write(true).open(path(name));
            #[cfg(unix)]
            let opened = End::connect(path(name));
            if let Ok(end) = opened {
                return Self { end, piece: PIECE };
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Writes messages in one piece however long they are.
    #[cfg(windows)]
    pub(crate) fn whole(self) -> Self {
        Self { piece: usize::MAX, ..self }
    }

    pub(crate) fn drive(mut self, work: Work, messages: &Messages) {
        match work.traffic {
            Traffic::Echo => {
                let mut back = vec![0; work.len];
                for index in 0..work.count {
                    self.end.write_all(messages.borrow(index)).unwrap();
                    self.end.read_exact(&mut back).unwrap();
                    messages.check(index, &back);
                }
            }
            Traffic::OneWay { batch } => {
                let longest = self.piece.min(work.len * batch);
                let stock = messages.get(0).repeat(longest.div_ceil(work.len) + 1);
                let (mut left, mut at) = (work.len * work.count, 0);
                while left > 0 {
                    let piece = longest.min(left);
                    self.end.write_all(&stock[at..at + piece]).unwrap();
                    at = (at + piece) % work.len;
                    left -= piece;
                }
                let mut done = [0; 4];
                self.end.read_exact(&mut done).unwrap();
                assert_eq!(&done, b"done");
            }
        }
    }
}
