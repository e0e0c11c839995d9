//! Writes that do not go through mio.
//!
//! mio copies every write into a buffer that it keeps, and takes part in every completion: a packet
//! is posted, and the runtime's driver fetches it. A write of this file posts no packet, because the
//! low bit of its event is set (`GetQueuedCompletionStatus`, about `lpOverlapped`). If the system
//! takes the write at once, the call was everything. If the write waits for room, the process's
//! thread pool waits for its event.

#[cfg(test)]
mod tests;

use std::{
    cell::Cell,
    ffi::c_void,
    io::{self, IoSlice},
    mem,
    os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle},
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicPtr, Ordering},
    },
    task::{Context, Poll, Waker},
};

use windows_sys::Win32::{
    Foundation::{ERROR_IO_PENDING, NTSTATUS},
    Storage::FileSystem::WriteFile,
    System::{
        IO::OVERLAPPED,
        Threading::{
            CloseThreadpoolWait, CreateEventW, CreateThreadpoolWait, PTP_CALLBACK_INSTANCE,
            PTP_WAIT, SetThreadpoolWait,
        },
    },
};

use super::check;

thread_local! {
    /// The operation of this thread's next write. So a pipe keeps no memory and no handle for its
    /// writes.
    static SPARE: Cell<Option<Box<Operation>>> = const { Cell::new(None) };
}

/// How a write began.
pub(in crate::pipe) enum Begun {
    /// The system has taken so many bytes.
    Done(usize),
    /// The system takes all bytes as soon as there is room. The buffer is the write's own.
    Waiting(WaitingWrite),
}

/// Writes the bytes of all slices with one `WriteFile`.
///
/// The pipe is opened for overlapped I/O. No write that was begun otherwise is under way: the system
/// keeps the order of writes, and the callers' errors would be mixed up.
pub(in crate::pipe) fn write(pipe: BorrowedHandle<'_>, bufs: &[IoSlice<'_>]) -> io::Result<Begun> {
    let mut operation = match SPARE.try_with(Cell::take).ok().flatten() {
        Some(operation) => operation,
        None => Operation::new()?,
    };
    let len = operation.prepare(bufs)?;
    let buffer = operation.buffer.as_ptr();
    let operation = Box::into_raw(operation);
    // SAFETY: the handle is open while it is borrowed. The buffer and the `OVERLAPPED`, the first
    // field, belong to `operation`, which stays where it is until the write is over.
    let ok =
        unsafe { WriteFile(pipe.as_raw_handle(), buffer, len, ptr::null_mut(), operation.cast()) };
    if ok != 0 {
        // SAFETY: the write is over, so nothing else uses the operation.
        let operation = unsafe { Box::from_raw(operation) };
        let count = operation.overlapped.InternalHigh;
        operation.spare();
        return Ok(Begun::Done(count));
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() != Some(ERROR_IO_PENDING as i32) {
        // SAFETY: the system did not take the write, so nothing else uses the operation.
        unsafe { Box::from_raw(operation) }.spare();
        return Err(error);
    }
    // SAFETY: the write is under way.
    Ok(Begun::Waiting(unsafe { Waiting::start(operation) }))
}

/// The memory that the system owns while a write is under way, and what waits for its end.
#[repr(C)]
struct Operation {
    overlapped: OVERLAPPED,
    buffer: Vec<u8>,
    pool: PoolWait,
}

impl Operation {
    fn new() -> io::Result<Box<Self>> {
        let pool = PoolWait::new()?;
        Ok(Box::new(Self { overlapped: OVERLAPPED::default(), buffer: Vec::new(), pool }))
    }

    /// Copies the bytes, and returns their number.
    fn prepare(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<u32> {
        self.buffer.clear();
        for buf in bufs {
            self.buffer.extend_from_slice(buf);
        }
        let event = self.pool.event.as_raw_handle().map_addr(|event| event | 1);
        self.overlapped = OVERLAPPED { hEvent: event, ..OVERLAPPED::default() };
        u32::try_from(self.buffer.len()).map_err(|_| io::ErrorKind::InvalidInput.into())
    }

    /// Keeps the operation for the next write of this thread.
    fn spare(self: Box<Self>) {
        // A thread that ends has no next write.
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
    }

    /// Returns how a write that is over has ended.
    fn outcome(&self) -> io::Result<()> {
        #[expect(clippy::cast_possible_truncation, reason = "it is a status")]
        let status = self.overlapped.Internal as NTSTATUS;
        check(status)?;
        match self.overlapped.InternalHigh == self.buffer.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::WriteZero.into()),
        }
    }
}

/// A write that waits for room. It goes on when this is dropped.
pub(in crate::pipe) struct WaitingWrite(Arc<Waiting>);

impl WaitingWrite {
    /// Is ready when the write is over. Returns its failure once.
    pub(in crate::pipe) fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        match &mut state.outcome {
            Some(outcome) => Poll::Ready(mem::replace(outcome, Ok(()))),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Keeps something until the write is over.
    pub(in crate::pipe) fn keep(&self, kept: impl Send + 'static) {
        let mut state = self.0.lock();
        if state.outcome.is_none() {
            state.kept = Some(Box::new(kept));
        }
    }
}

/// What the thread pool and the [`WaitingWrite`] share. The last of them frees the operation.
struct Waiting {
    operation: *mut Operation,
    state: Mutex<State>,
}

// SAFETY: the thread pool's callback alone reads the operation, and the last owner frees it.
unsafe impl Send for Waiting {}
// SAFETY: as above; the state has a lock.
unsafe impl Sync for Waiting {}

#[derive(Default)]
struct State {
    /// How the write has ended; `None` while it is under way.
    outcome: Option<io::Result<()>>,
    waker: Option<Waker>,
    kept: Option<Box<dyn Send>>,
}

impl Waiting {
    /// Has the thread pool wait for the end of the operation's write.
    ///
    /// # Safety
    ///
    /// The operation comes from `Box::into_raw`, and its write is under way.
    unsafe fn start(operation: *mut Operation) -> WaitingWrite {
        let waiting = Arc::new(Self { operation, state: Mutex::default() });
        // SAFETY: nothing frees the operation before `waiting`, and the system does not use this part.
        let pool = unsafe { &(*operation).pool };
        pool.start(Arc::clone(&waiting));
        WaitingWrite(waiting)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the wait.
    fn set_over(&self) {
        // SAFETY: the write is over, so the system does not use the operation any more.
        let outcome = unsafe { (*self.operation).outcome() };
        let mut state = self.lock();
        state.outcome = Some(outcome);
        let (waker, kept) = (state.waker.take(), state.kept.take());
        drop(state);
        drop(kept);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // SAFETY: it came from `Box::into_raw`. The write is over, because the thread pool owns this
        // until then.
        drop(unsafe { Box::from_raw(self.operation) });
    }
}

/// The event of an operation, and the thread pool's wait for it.
struct PoolWait {
    wait: PTP_WAIT,
    event: OwnedHandle,
    /// The context of the callback.
    waiting: *mut AtomicPtr<Waiting>,
}

impl PoolWait {
    fn new() -> io::Result<Self> {
        // SAFETY: no attributes and no name are given.
        let event = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded and gave the handle to nobody else.
        let event = unsafe { OwnedHandle::from_raw_handle(event) };
        let waiting = Box::into_raw(Box::new(AtomicPtr::new(ptr::null_mut())));
        // SAFETY: the context lives longer than the wait, and the callback takes it for what it is.
        let wait = unsafe { CreateThreadpoolWait(Some(is_over), waiting.cast(), ptr::null()) };
        let this = Self { wait, event, waiting };
        if wait == 0 { Err(io::Error::last_os_error()) } else { Ok(this) }
    }

    /// Calls [`Waiting::set_over`] when the event is set.
    fn start(&self, waiting: Arc<Waiting>) {
        // SAFETY: the context lives as long as `self`.
        unsafe { &*self.waiting }.store(Arc::into_raw(waiting).cast_mut(), Ordering::Release);
        // SAFETY: both objects live as long as the operation, which `waiting` keeps.
        unsafe { SetThreadpoolWait(self.wait, self.event.as_raw_handle(), ptr::null()) };
    }
}

impl Drop for PoolWait {
    fn drop(&mut self) {
        if self.wait != 0 {
            // SAFETY: the wait is open and this is its only owner. No wait is under way. If this
            // runs in the callback, the object is freed after it (`CloseThreadpoolWait`).
            unsafe { CloseThreadpoolWait(self.wait) };
        }
        // SAFETY: it came from `Box::into_raw`, and no callback reads it any more.
        drop(unsafe { Box::from_raw(self.waiting) });
    }
}

/// Is called by the thread pool when the event of a waiting write is set.
unsafe extern "system" fn is_over(
    _: PTP_CALLBACK_INSTANCE,
    context: *mut c_void,
    _: PTP_WAIT,
    _: u32,
) {
    // SAFETY: the context is a `PoolWait`'s, which is not freed before its operation.
    let waiting = unsafe { &*context.cast::<AtomicPtr<Waiting>>() }.load(Ordering::Acquire);
    // SAFETY: `start` has stored a reference for this one call.
    unsafe { Arc::from_raw(waiting) }.set_over();
}
