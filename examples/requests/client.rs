//! The end that asks.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use npipes::{Connection, Error, PipeStream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::timeout,
};

use crate::message::{ASK, CANCEL, GONE, MOST, REPLY, decode, encode};

/// Asks. Clone it for each task that does.
#[derive(Clone)]
pub(crate) struct Requests {
    commands: mpsc::UnboundedSender<Command>,
    counts: Arc<Counts>,
    /// One permit for each request that the server has not answered. It bounds the commands, too.
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct Counts {
    next_id: AtomicU64,
    dropped: AtomicU64,
}

enum Command {
    Ask { id: u64, request: Bytes, waiter: Waiter },
    Cancel { id: u64 },
}

struct Waiter {
    answer: oneshot::Sender<BytesMut>,
    _room: OwnedSemaphorePermit,
}

/// In either case the request may have been carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("no answer came before the deadline, and the request was cancelled")]
    Late,
    #[error("the connection has ended")]
    Ended,
}

impl Requests {
    /// Takes the connection over. It ends when the last clone is dropped.
    pub(crate) fn over(connection: Connection<PipeStream>) -> Self {
        let (commands, receiver) = mpsc::unbounded_channel();
        let counts = Arc::new(Counts::default());
        let room = Arc::new(Semaphore::new(MOST));
        tokio::spawn(drive(connection, receiver, Arc::clone(&counts)));
        Self { commands, counts, room }
    }

    /// Asks, and waits for the answer until the deadline, which is a time from now. A dropped future
    /// cancels its request.
    pub(crate) async fn ask(
        &self,
        request: impl Into<Bytes>,
        deadline: Duration,
    ) -> Result<BytesMut, AskError> {
        let request = request.into();
        let asked = async {
            let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| AskError::Ended)?;
            let id = self.counts.next_id.fetch_add(1, Relaxed);
            let (answer, answered) = oneshot::channel();
            let command = Command::Ask { id, request, waiter: Waiter { answer, _room: room } };
            self.commands.send(command).map_err(|_| AskError::Ended)?;
            let mut cancel = CancelOnDrop { id: Some(id), commands: &self.commands };
            let answer = answered.await;
            cancel.id = None;
            answer.map_err(|_| AskError::Ended)
        };
        timeout(deadline, asked).await.unwrap_or(Err(AskError::Late))
    }

    /// Waits until the server has had the last word on every request.
    pub(crate) async fn settled(&self) {
        let all = u32::try_from(MOST).unwrap_or(u32::MAX);
        let _ = self.room.acquire_many(all).await;
    }

    /// Answers that nobody waited for any more.
    pub(crate) fn dropped(&self) -> u64 {
        self.counts.dropped.load(Relaxed)
    }
}

struct CancelOnDrop<'a> {
    id: Option<u64>,
    commands: &'a mpsc::UnboundedSender<Command>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let _ = self.commands.send(Command::Cancel { id });
        }
    }
}

/// Owns the connection. Sending and receiving do not wait for each other. What still waits at its end
/// learns of the end, since its sender is dropped with `waiting`.
async fn drive(
    connection: Connection<PipeStream>,
    mut commands: mpsc::UnboundedReceiver<Command>,
    counts: Arc<Counts>,
) -> Result<(), Error> {
    let (mut to_server, mut from_server) = connection.split();
    let waiting = Mutex::new(HashMap::<u64, Waiter>::new());
    let waiters = || waiting.lock().expect("nothing panics while it is locked");

    let sending = async {
        while let Some(command) = commands.recv().await {
            let message = match command {
                Command::Ask { id, request, waiter } => {
                    waiters().insert(id, waiter);
                    encode(ASK, id, &request)
                }
                Command::Cancel { id } => encode(CANCEL, id, &[]),
            };
            to_server.send(message).await?;
        }
        Ok(())
    };
    let receiving = async {
        while let Some(message) = from_server.receive().await? {
            // An answer to nothing is of a server that is broken: there is nobody to give it to.
            let Some((kind @ (REPLY | GONE), id, answer)) = decode(message) else { continue };
            let Some(waiter) = waiters().remove(&id) else { continue };
            if kind == REPLY && waiter.answer.send(answer).is_err() {
                counts.dropped.fetch_add(1, Relaxed);
            }
        }
        Ok(())
    };
    tokio::select! { ended = sending => ended, ended = receiving => ended }
}
