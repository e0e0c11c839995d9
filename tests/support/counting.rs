//! An allocator that counts, for each thread and for the whole process. The harness of the tests has a
//! thread of its own, which allocates while they run.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
    /// Begins far from zero: a thread may free what another has allocated.
    static HELD_HERE: Cell<usize> = const { Cell::new(usize::MAX / 2) };
}

static HELD: AtomicUsize = AtomicUsize::new(0);

fn count(size: usize) {
    CALLS.set(CALLS.get() + 1);
    BYTES.set(BYTES.get() + size);
    HELD.fetch_add(size, Relaxed);
    HELD_HERE.set(HELD_HERE.get() + size);
}

fn uncount(size: usize) {
    HELD.fetch_sub(size, Relaxed);
    HELD_HERE.set(HELD_HERE.get() - size);
}

// SAFETY: every call goes to the system's allocator as it came.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        uncount(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        uncount(layout.size());
        count(size);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns the bytes that are allocated now, by all threads.
pub(crate) fn held() -> usize {
    HELD.load(Relaxed)
}

/// Returns the bytes that this thread has allocated, without those that it has freed, from a beginning of
/// any size: only the difference of two of these means something.
pub(crate) fn held_here() -> usize {
    HELD_HERE.get()
}

/// Returns the calls of the allocator by this thread, and the bytes that it gave out, while `work`
/// runs.
pub(crate) fn spent(work: impl FnOnce()) -> (usize, usize) {
    let before = (CALLS.get(), BYTES.get());
    work();
    (CALLS.get() - before.0, BYTES.get() - before.1)
}
