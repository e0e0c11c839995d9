//! `FSCTL_PIPE_WAIT` without a blocked thread. `WaitNamedPipe` blocks a thread in this call. Here a
//! completion in the process's thread pool wakes a future.

use std::{
    ffi::c_void,
    future::Future,
    io,
    os::windows::io::{AsRawHandle, OwnedHandle},
    pin::Pin,
    ptr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::oneshot;
use windows_sys::{
    Wdk::Storage::FileSystem::{FSCTL_PIPE_WAIT, NtFsControlFile},
    Win32::{
        Storage::FileSystem::{
            CreateFileW, FILE_FLAG_OVERLAPPED, FILE_READ_ATTRIBUTES, FILE_SHARE_READ,
            FILE_SHARE_WRITE, OPEN_EXISTING, SYNCHRONIZE,
        },
        System::{
            IO::{CancelIoEx, IO_STATUS_BLOCK},
            Threading::{
                CancelThreadpoolIo, CloseThreadpoolIo, CreateThreadpoolIo, PTP_CALLBACK_INSTANCE,
                PTP_IO, StartThreadpoolIo,
            },
        },
    },
};

use super::owned;
use crate::name::{LOCAL_PREFIX, PipeName};

/// The longest time that the system is asked to wait. It adds the given time to its clock, so a
/// time near the end of the range could be over at once. The lowest value means for ever. A longer
/// wait tries once a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The device of all pipes of this machine, which knows when an instance of one becomes free.
///
/// It stays open until the last wait on it has completed.
pub(in crate::pipe) struct PipeDevice {
    /// Closed before the pool's object, as `CloseThreadpoolIo` requires.
    handle: OwnedHandle,
    pool: PoolIo,
}

impl PipeDevice {
    pub(in crate::pipe) fn open() -> io::Result<Arc<Self>> {
        Self::open_path(LOCAL_PREFIX).and_then(Self::over)
    }

    pub(super) fn open_path(path: &str) -> io::Result<OwnedHandle> {
        let path: Vec<u16> = path.encode_utf16().chain([0]).collect();
        // SAFETY: `path` ends with a NUL and outlives the call; no security attributes and no
        // template are given.
        let handle = unsafe {
            CreateFileW(
                path.as_ptr(),
                FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                FILE_SHARE_READ | FILE_SHARE_WRITE,
                ptr::null(),
                OPEN_EXISTING,
                FILE_FLAG_OVERLAPPED,
                ptr::null_mut(),
            )
        };
        owned(handle)
    }

    /// Binds the device's handle to the thread pool. Fails for a handle that already has a
    /// completion port.
    pub(super) fn over(handle: OwnedHandle) -> io::Result<Arc<Self>> {
        // SAFETY: the handle is open, and `wait_done` gets only operations of `wait`, since nothing
        // else has the handle.
        let pool = unsafe {
            CreateThreadpoolIo(
                handle.as_raw_handle(),
                Some(wait_done),
                ptr::null_mut(),
                ptr::null(),
            )
        };
        if pool == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Arc::new(Self { handle, pool: PoolIo(pool) }))
    }

    /// Starts to wait for a free instance of the local pipe `name`, for `at_most` or a day. Returns
    /// `None` if there is nothing to wait for, or if waiting is not possible here.
    pub(in crate::pipe) fn wait(
        self: &Arc<Self>,
        name: &PipeName,
        at_most: Duration,
    ) -> Option<FreeInstance> {
        let (woken, done) = oneshot::channel();
        let request = request(name, at_most).into_boxed_slice();
        let (buffer, len) = (request.as_ptr(), u32::try_from(request.len()).ok()?);
        let operation = Box::into_raw(Box::new(Operation {
            status: IO_STATUS_BLOCK::default(),
            _request: request,
            device: Arc::clone(self),
            woken,
        }));
        // SAFETY: the pool's object lives as long as `self`.
        unsafe { StartThreadpoolIo(self.pool.0) };
        // SAFETY: the handle is open. The status block is the first field of `operation`, the buffer
        // is what its `_request` owns, and both stay where they are until `wait_done` gets the
        // operation as the context, or until it is taken back below.
        let status = unsafe {
            NtFsControlFile(
                self.handle.as_raw_handle(),
                ptr::null_mut(),
                None,
                operation.cast(),
                operation.cast(),
                FSCTL_PIPE_WAIT,
                buffer.cast(),
                len,
                ptr::null_mut(),
                0,
            )
        };
        // NT_ERROR: if such a status is returned at once, no completion follows. After any other
        // status one follows.
        if (-0x4000_0000..0).contains(&status) {
            // SAFETY: the pool was told of an operation that will not complete.
            unsafe { CancelThreadpoolIo(self.pool.0) };
            // SAFETY: the system did not take the operation, so it is still this function's.
            drop(unsafe { Box::from_raw(operation) });
            return None;
        }
        Some(FreeInstance { device: Arc::clone(self), done: Some(done) })
    }
}

/// A wait under way. It is over when an instance has become free, when the time is up, or when
/// waiting failed. In each case the only conclusion is to try to open the pipe.
pub(in crate::pipe) struct FreeInstance {
    device: Arc<PipeDevice>,
    done: Option<oneshot::Receiver<()>>,
}

impl Future for FreeInstance {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(done) = &mut self.done else {
            return Poll::Ready(());
        };
        let over = Pin::new(done).poll(cx).map(drop);
        if over.is_ready() {
            self.done = None;
        }
        over
    }
}

impl Drop for FreeInstance {
    fn drop(&mut self) {
        if self.done.is_some() {
            // SAFETY: the handle is open. Without an address every wait on it is cancelled, so none
            // that could be gone already has to be named. Where that fails the wait ends by itself.
            unsafe { CancelIoEx(self.device.handle.as_raw_handle(), ptr::null()) };
        }
    }
}

/// The memory that the system owns while a wait is under way. Its address identifies the operation.
#[repr(C)]
struct Operation {
    status: IO_STATUS_BLOCK,
    _request: Box<[u8]>,
    /// The handle and the pool's object. They must outlive the operation.
    device: Arc<PipeDevice>,
    woken: oneshot::Sender<()>,
}

/// Takes back an operation whose wait is over, and wakes the task that waits for it, if it is still
/// wanted.
unsafe extern "system" fn wait_done(
    _: PTP_CALLBACK_INSTANCE,
    _: *mut c_void,
    operation: *mut c_void,
    _: u32,
    _: usize,
    _: PTP_IO,
) {
    // SAFETY: `wait` passed a box's pointer as the context of the operation, whose one completion
    // this is.
    let operation = unsafe { Box::from_raw(operation.cast::<Operation>()) };
    let Operation { woken, device, .. } = *operation;
    let _ = woken.send(());
    // This may be the last reference. Then the pool's object is freed when this callback has
    // returned, as `CloseThreadpoolIo` documents.
    drop(device);
}

/// The pool's side of a handle.
struct PoolIo(PTP_IO);

impl Drop for PoolIo {
    fn drop(&mut self) {
        // SAFETY: the object is open and this is its only owner. Every operation owns the device, so
        // none is under way; the handle is closed.
        unsafe { CloseThreadpoolIo(self.0) };
    }
}

/// Lays out a `FILE_PIPE_WAIT_FOR_BUFFER`: timeout, length of the name in bytes, whether there is a
/// timeout, a byte of padding, name.
fn request(name: &PipeName, at_most: Duration) -> Vec<u8> {
    let name = name.as_str().strip_prefix(LOCAL_PREFIX).unwrap_or_default();
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    // In units of 100 ns; negative means from now on, and 0 a point in time.
    let units = at_most.min(LONGEST).as_nanos() / 100;
    let timeout = i64::try_from(units).unwrap_or(i64::MAX).max(1);
    let name_len = u32::try_from(name.len()).unwrap_or_default();
    let mut request = Vec::with_capacity(14 + name.len());
    request.extend_from_slice(&(-timeout).to_le_bytes());
    request.extend_from_slice(&name_len.to_le_bytes());
    request.extend_from_slice(&[1, 0]);
    request.extend_from_slice(&name);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_laid_out_as_documented() {
        let name = PipeName::new("a\u{e4}").unwrap();
        let request = request(&name, Duration::from_millis(3));
        assert_eq!(request[..8], (-30_000_i64).to_le_bytes());
        assert_eq!(request[8..], [4, 0, 0, 0, 1, 0, b'a', 0, 0xe4, 0]);
    }

    #[test]
    fn a_time_is_from_now_on_and_at_most_a_day_however_long_it_is() {
        let name = PipeName::new("a").unwrap();
        let timeout = |at_most| request(&name, at_most)[..8].to_vec();
        let day = (-24 * 60 * 60 * 10_000_000_i64).to_le_bytes();
        assert_eq!(timeout(LONGEST), day);
        assert_eq!(timeout(LONGEST + Duration::from_nanos(100)), day);
        assert_eq!(timeout(Duration::MAX), day);
        assert_eq!(timeout(Duration::ZERO), (-1_i64).to_le_bytes());
    }
}
