//! Threads that wait in `FlushFileBuffers`, which has no asynchronous form.
//!
//! They are not Tokio's threads: Tokio has few blocking threads, and they are for the user. There
//! are at most [`MAX_THREADS`] of these threads, for any number of pipes. If more pipes wait, they
//! take turns: a wait is interrupted after one [`TURN`], and goes on after the others had their
//! turns. So no wait is delayed until another wait's deadline. Nothing is lost by an interruption,
//! because a wait changes nothing.
//!
//! `CancelSynchronousIo` releases a thread. It finds nothing to cancel if the thread is just about
//! to enter the call. So one thread, the keeper, repeats it until the thread is back. The pool's
//! lock protects the fact whether a thread is in the call, and a call is cancelled only under this
//! lock. So a thread that went on to other work is never cancelled.

use std::{
    collections::VecDeque,
    io,
    os::windows::io::{AsHandle, OwnedHandle},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread::{self, JoinHandle, ThreadId},
    time::{Duration, Instant},
};

use crate::pipe::windows::sys::{self, PipeState};

/// The most threads. More waits than that take turns: with a thousand pipes that nobody reads, the
/// next turn of each comes after 0.16 s. Each thread costs the kernel some 20 KiB.
const MAX_THREADS: usize = 64;

/// How long a wait lasts while others have no thread.
const TURN: Duration = Duration::from_millis(10);

/// How soon to release a thread again that should be released and is not back.
const AGAIN: Duration = Duration::from_millis(1);

/// How long a thread stays for more work: a burst of closes uses the same ones.
const IDLE: Duration = Duration::from_millis(500);

/// Stack of a thread in bytes. A system call and a waker use little of it.
const STACK: usize = 128 * 1024;

static POOL: Pool = Pool {
    state: Mutex::new(State {
        queue: VecDeque::new(),
        workers: Vec::new(),
        idle: 0,
        has_keeper: false,
    }),
    work: Condvar::new(),
    watch: Condvar::new(),
};

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flushed {
    /// The peer had read everything, or had left before the wait began. The pipe's state directly
    /// afterwards tells which.
    Done(PipeState),
    /// The thread was released before that.
    Released,
}

/// A wait until a pipe's peer has read everything. Dropping it releases its thread.
#[derive(Debug)]
pub(super) struct Flush {
    wait: Arc<Wait>,
}

impl Flush {
    /// Starts to wait. `pipe` is closed before the outcome is delivered. If the wait is dropped,
    /// `pipe` is closed once the thread is back.
    ///
    /// # Errors
    ///
    /// There is no thread at all and none can be started.
    pub(super) fn start(pipe: OwnedHandle) -> io::Result<Self> {
        let wait = Arc::new(Wait { progress: Mutex::default() });
        let mut state = POOL.lock();
        state.queue.push_back(Turn { pipe, wait: Arc::clone(&wait) });
        if state.idle >= state.queue.len() {
            POOL.work.notify_one();
        } else if state.workers.len() == MAX_THREADS {
            state.keep();
        } else if let Err(e) = state.add_worker() {
            if state.workers.is_empty() {
                state.queue.pop_back();
                return Err(e);
            }
            state.keep();
        }
        Ok(Self { wait })
    }

    /// Ends the wait. The outcome follows: [`Flushed::Released`] unless the peer has read
    /// everything after all.
    pub(super) fn release(&self) {
        self.stop(Stop::Released);
    }

    /// Polls for the outcome, which is delivered once.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Flushed>> {
        let mut progress = self.wait.lock();
        match progress.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                progress.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn stop(&self, stop: Stop) {
        let mut state = POOL.lock();
        let mut progress = self.wait.lock();
        if progress.is_over {
            return;
        }
        progress.stop = Some(stop);
        drop(progress);
        let waits_for_a_thread = |turn: &Turn| Arc::ptr_eq(&turn.wait, &self.wait);
        match state.queue.iter().position(waits_for_a_thread) {
            // A released wait gets a last turn: the peer may have read everything since its last
            // turn.
            Some(index) if stop == Stop::Dropped => {
                let turn = state.queue.remove(index);
                drop(state);
                drop(turn);
            }
            _ => state.keep(),
        }
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.stop(Stop::Dropped);
    }
}

#[derive(Debug)]
struct Wait {
    progress: Mutex<Progress>,
}

impl Wait {
    /// Locks the progress. If you take the pool's lock too, take that one first.
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Progress {
    stop: Option<Stop>,
    outcome: Option<io::Result<Flushed>>,
    is_over: bool,
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Released; the outcome is still wanted.
    Released,
    /// Dropped; nobody wants the outcome.
    Dropped,
}

/// A pipe that has its turn now or waits for it.
struct Turn {
    pipe: OwnedHandle,
    wait: Arc<Wait>,
}

struct Pool {
    state: Mutex<State>,
    /// Signals that there is something in the queue.
    work: Condvar,
    /// Signals that there is something for the keeper.
    watch: Condvar,
}

struct State {
    queue: VecDeque<Turn>,
    workers: Vec<Worker>,
    /// How many workers wait for work. This includes workers that were notified and have not run
    /// yet.
    idle: usize,
    has_keeper: bool,
}

struct Worker {
    thread: JoinHandle<()>,
    /// Set while the thread is about to enter the call, is in it, or is coming back from it.
    flushing: Option<(Arc<Wait>, Instant)>,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop of a worker.
    fn work(&self) {
        let me = thread::current().id();
        while let Some(turn) = self.take_turn(me) {
            let flushed = sys::flush(turn.pipe.as_handle());
            if let Some(worker) = self.lock().worker(me) {
                worker.flushing = None;
            }
            let Turn { pipe, wait } = turn;
            let outcome = match flushed {
                Ok(()) => Ok(Flushed::Done(sys::pipe_state(pipe.as_handle()))),
                Err(e) if sys::is_released(&e) => {
                    let mut state = self.lock();
                    let stop = wait.lock().stop;
                    if stop.is_none() {
                        state.queue.push_back(Turn { pipe, wait });
                        continue;
                    }
                    Ok(Flushed::Released)
                }
                Err(e) => Err(e),
            };
            // The connection may be dropped as soon as the outcome is known. The peer should see
            // that at once.
            drop(pipe);
            let mut progress = wait.lock();
            progress.is_over = true;
            progress.outcome = Some(outcome);
            let waker = progress.waker.take();
            drop(progress);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Waits for a pipe that needs a worker; `None` tells the worker to end.
    fn take_turn(&self, me: ThreadId) -> Option<Turn> {
        let mut state = self.lock();
        loop {
            if let Some(turn) = state.queue.pop_front() {
                let wait = Arc::clone(&turn.wait);
                if let Some(worker) = state.worker(me) {
                    worker.flushing = Some((wait, Instant::now()));
                }
                return Some(turn);
            }
            state.idle += 1;
            let (back, waited) =
                self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = back;
            state.idle -= 1;
            if waited.timed_out() && state.queue.is_empty() {
                state.workers.retain(|worker| worker.thread.thread().id() != me);
                return None;
            }
        }
    }

    /// The loop of the keeper.
    fn keep(&self) {
        let mut state = self.lock();
        loop {
            let next = state.release_threads();
            let waited = self.watch.wait_timeout(state, next.unwrap_or(IDLE));
            let (back, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = back;
            if next.is_none() && waited.timed_out() {
                state.has_keeper = false;
                // A request may have come while the keeper was about to leave. The keeper must
                // serve it.
                if state.release_threads().is_none() {
                    return;
                }
                state.has_keeper = true;
            }
        }
    }
}

impl State {
    fn worker(&mut self, thread: ThreadId) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|worker| worker.thread.thread().id() == thread)
    }

    fn add_worker(&mut self) -> io::Result<()> {
        let builder = thread::Builder::new().name("npipes-flush".to_owned()).stack_size(STACK);
        let thread = builder.spawn(|| POOL.work())?;
        self.workers.push(Worker { thread, flushing: None });
        Ok(())
    }

    /// Tells the keeper that there is something to release. If the keeper cannot be started now,
    /// the next call tries again.
    fn keep(&mut self) {
        if self.has_keeper {
            POOL.watch.notify_one();
            return;
        }
        let builder = thread::Builder::new().name("npipes-keeper".to_owned()).stack_size(STACK);
        self.has_keeper = builder.spawn(|| POOL.keep()).is_ok();
    }

    /// Releases the threads that should stop waiting, and returns when to look again; `None` if
    /// there is no need.
    fn release_threads(&self) -> Option<Duration> {
        let others_wait = !self.queue.is_empty();
        let mut next = others_wait.then_some(TURN);
        for worker in &self.workers {
            let Some((wait, since)) = &worker.flushing else {
                continue;
            };
            let left = TURN.saturating_sub(since.elapsed());
            if wait.lock().stop.is_some() || (others_wait && left.is_zero()) {
                sys::cancel_synchronous_io(worker.thread.as_handle());
                next = Some(AGAIN);
            } else if others_wait {
                next = next.map(|next| next.min(left));
            }
        }
        next
    }
}
