//! The end that answers: each request as soon as its answer is there.

use std::{collections::HashMap, future::Future};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream::FuturesUnordered};
use npipes::{Connection, PipeStream};
use tokio_util::sync::CancellationToken;

use crate::message::{ASK, CANCEL, GONE, MOST, REPLY, decode, encode};

/// Serves one client until it leaves. `handler` gets each request, and a token that is cancelled when
/// nobody waits for the answer any more. It looks at the token where it can stop, and then returns `None`.
pub(crate) async fn serve<F>(
    mut connection: Connection<PipeStream>,
    handler: impl Fn(BytesMut, CancellationToken) -> F,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
where
    F: Future<Output = Option<Bytes>>,
{
    let mut cancels = HashMap::new();
    let mut at_work = FuturesUnordered::new();
    loop {
        tokio::select! {
            message = connection.receive() => {
                // Whoever has left waits for nothing: what is at work is dropped.
                let Some(message) = message? else { return Ok(()) };
                match decode(message) {
                    // What no client of this protocol does is not answered.
                    Some((ASK, id, _)) if cancels.contains_key(&id) => {
                        return Err("the client uses an id twice at once".into());
                    }
                    Some((ASK, ..)) if cancels.len() == MOST => {
                        return Err(format!("the client has more than {MOST} requests").into());
                    }
                    Some((ASK, id, request)) => {
                        let cancelled = CancellationToken::new();
                        cancels.insert(id, cancelled.clone());
                        let answer = handler(request, cancelled);
                        at_work.push(async move { (id, answer.await) });
                    }
                    // If it is unknown, its answer is on the way to the client.
                    Some((CANCEL, id, _)) => cancels.get(&id).map_or((), CancellationToken::cancel),
                    _ => return Err("the client speaks another protocol".into()),
                }
            }
            Some((id, answer)) = at_work.next() => {
                cancels.remove(&id);
                let message = match answer {
                    Some(answer) => encode(REPLY, id, &answer),
                    None => encode(GONE, id, &[]),
                };
                connection.send(message).await?;
            }
        }
    }
}
