//! Between a stream and the handles of Windows and Tokio.

use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, RawHandle};

use tokio::net::windows::named_pipe::{NamedPipeClient, NamedPipeServer};

use super::{OwnedReadHalf, OwnedWriteHalf, PipeStream};
use crate::pipe::windows::{End, PipeHandle, sys::PipeType};

#[cfg_attr(docsrs, doc(cfg(windows)))]
impl PipeStream {
    /// On Windows: returns the type of the pipe, which its server has chosen.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn pipe_type(&self) -> std::io::Result<PipeType> {
        self.handle().pipe_type()
    }

    /// On Windows: returns Tokio's handle if this is the server's end.
    ///
    /// From then on a listener's [`max_instances`](crate::ListenerOptions::max_instances) does not
    /// count the client. The client's instance still belongs to the pipe: at the limit the next
    /// client can connect only when the handle is closed. No event tells the listener of that, so
    /// it tries again from time to time.
    ///
    /// # Errors
    ///
    /// The stream itself if it is the client's end.
    pub fn into_server(self) -> Result<NamedPipeServer, Self> {
        match self.is_server() {
            true => self.into_end().map(|end| match end {
                End::Server(handle) => handle,
                End::Client(_) => unreachable!("it is the server's"),
            }),
            false => Err(self),
        }
    }

    /// On Windows: returns Tokio's handle if this is the client's end.
    ///
    /// # Errors
    ///
    /// The stream itself if it is the server's end.
    pub fn into_client(self) -> Result<NamedPipeClient, Self> {
        match self.is_server() {
            true => Err(self),
            false => self.into_end().map(|end| match end {
                End::Client(handle) => handle,
                End::Server(_) => unreachable!("it is the client's"),
            }),
        }
    }

    fn into_end(self) -> Result<End, Self> {
        self.into_handle().map(PipeHandle::into_end)
    }
}

#[cfg_attr(docsrs, doc(cfg(windows)))]
impl From<NamedPipeServer> for PipeStream {
    fn from(handle: NamedPipeServer) -> Self {
        Self::of_stranger(PipeHandle::of_server(handle, None))
    }
}

#[cfg_attr(docsrs, doc(cfg(windows)))]
impl From<NamedPipeClient> for PipeStream {
    fn from(handle: NamedPipeClient) -> Self {
        Self::of_stranger(PipeHandle::of_client(handle, None))
    }
}

#[cfg_attr(docsrs, doc(cfg(windows)))]
impl AsHandle for PipeStream {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle().as_handle()
    }
}

#[cfg_attr(docsrs, doc(cfg(windows)))]
impl AsRawHandle for PipeStream {
    fn as_raw_handle(&self) -> RawHandle {
        self.as_handle().as_raw_handle()
    }
}

#[cfg_attr(docsrs, doc(cfg(windows)))]
impl AsHandle for OwnedReadHalf {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.as_ref().as_handle()
    }
}

#[cfg_attr(docsrs, doc(cfg(windows)))]
impl AsHandle for OwnedWriteHalf {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.as_ref().as_handle()
    }
}
