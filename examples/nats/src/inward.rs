//! From a subject to a pipe: the requests of other machines for a service of this one.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use npipes::{ConnectOptions, PipeName};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{Failure, HEADERS, USER, WHY_NOT};

/// Less than a client's gateway waits, so that the client is told what was wrong.
const PATIENCE: Duration = Duration::from_secs(4);

/// Requests that are with the service at once, each on a connection of its own.
const AT_ONCE: usize = 16;

/// Each request goes to one gateway, if several of them serve the same subject.
pub(crate) async fn subscribe(nats: &Client, subject: String) -> Result<Subscriber, Failure> {
    Ok(nats.queue_subscribe(subject, "gateways".to_owned()).await?)
}

/// Answers until it is stopped. Requests that have arrived by then are still answered.
pub(crate) async fn answer(
    nats: Client,
    mut requests: Subscriber,
    pipe: PipeName,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let mut at_work = FuturesUnordered::new();
    let mut stopping = false;
    loop {
        tokio::select! {
            request = requests.next(), if at_work.len() < AT_ONCE => match request {
                Some(request) => at_work.push(pass_on(&nats, request, &pipe)),
                None => break,
            },
            Some(answered) = at_work.next() => answered?,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                requests.drain().await?;
            }
        }
    }
    while let Some(answered) = at_work.next().await {
        answered?;
    }
    Ok(())
}

async fn pass_on(nats: &Client, request: Message, pipe: &PipeName) -> Result<(), Failure> {
    // Who only publishes waits for no answer, and there is nowhere to send one.
    let Some(reply) = request.reply else { return Ok(()) };
    let user = request.headers.as_ref().and_then(|headers| headers.get(USER));
    println!("a request of {} for {pipe}", user.map_or("nobody known", |user| user.as_str()));

    let asked = timeout(PATIENCE, ask(pipe, request.payload)).await;
    let answer = match asked {
        Ok(Ok(answer)) if answer.len() + HEADERS > nats.max_payload() => {
            Err(format!("its answer has {} bytes, which NATS does not take", answer.len()))
        }
        Ok(answer) => answer.map_err(|e| e.to_string()),
        Err(_) => Err("the service has not answered; it may still do it".to_owned()),
    };
    match answer {
        Ok(answer) => nats.publish(reply, answer).await?,
        Err(why) => {
            let mut headers = HeaderMap::new();
            // No line may end in a header. An error's text can have a user's words in it.
            headers.insert(WHY_NOT, why.replace(['\r', '\n'], " "));
            nats.publish_with_headers(reply, headers, Bytes::new()).await?;
        }
    }
    Ok(())
}

async fn ask(pipe: &PipeName, request: Bytes) -> Result<Bytes, Failure> {
    // The service sees this gateway's user, whoever asks.
    let mut service = ConnectOptions::new().connect(pipe).await?;
    service.send(request).await?;
    let answer = service.receive().await?.ok_or("the service has closed the connection")?;
    Ok(answer.freeze())
}
