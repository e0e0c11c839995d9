//! From the pipe to the subjects: the requests of this machine's clients.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Request, client::RequestErrorKind, connection::State};
use bytes::{Bytes, BytesMut};
use npipes::{Connection, Error, Listener, PipeStream, server::ServeOptions};
use tokio_util::sync::CancellationToken;

use crate::{Failure, PATIENCE, USER, WHY_NOT, subject};

pub(crate) async fn serve(
    nats: Client,
    listener: Listener,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let options = ServeOptions::new().shutdown_timeout(PATIENCE + Duration::from_secs(1));
    let handler = move |client, stop| relay(nats.clone(), client, stop);
    let served = options.serve(listener, stop, handler).await;
    served.accept_error.map_or(Ok(()), |e| Err(e.into()))
}

/// One request after the other: a client that waits for each answer has at most one on the network, so
/// whoever reads slowly holds up himself, and nothing is kept here for him.
async fn relay(
    nats: Client,
    mut client: Connection<PipeStream>,
    stop: CancellationToken,
) -> Result<Connection<PipeStream>, Error> {
    let user = client.peer().map_or_else(|_| String::new(), |peer| peer.user_id().to_string());
    while let Some(request) = stop.run_until_cancelled(client.receive()).await {
        let Some(request) = request? else { break };
        let answer = match addressed(request) {
            Some((subject, body)) => ask(&nats, subject, body, &user).await,
            None => Err("write HOST.SERVICE, a space, and the request".to_owned()),
        };
        client.send(answer.map_or_else(|why| format!("error {why}").into(), marked_ok)).await?;
    }
    Ok(client)
}

/// Takes `b.orders two coffees` apart. A client cannot name other subjects than those of gateways.
fn addressed(mut request: BytesMut) -> Option<(String, Bytes)> {
    let space = request.iter().position(|&byte| byte == b' ')?;
    let address = request.split_to(space);
    let (host, service) = std::str::from_utf8(&address).ok()?.split_once('.')?;
    let is_name = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let subject = (is_name(host) && is_name(service)).then(|| subject(host, service))?;
    Some((subject, request.split_off(1).freeze()))
}

async fn ask(nats: &Client, subject: String, body: Bytes, user: &str) -> Result<Bytes, String> {
    // It would be kept and sent when NATS is back, long after its client was told that there is no answer.
    if nats.connection_state() != State::Connected {
        return Err("NATS is away; nothing was sent".to_owned());
    }
    let len = body.len();
    let mut headers = HeaderMap::new();
    headers.insert(USER, user);
    let request = Request::new().payload(body).headers(headers);
    let answer = nats.send_request(subject, request).await.map_err(|e| match e.kind() {
        RequestErrorKind::NoResponders => "no gateway serves it".to_owned(),
        RequestErrorKind::TimedOut => "no answer in time; it may have been carried out".to_owned(),
        RequestErrorKind::MaxPayloadExceeded => {
            format!("it has {len} bytes, and NATS takes {} with its headers", nats.max_payload())
        }
        _ => e.to_string(),
    })?;
    match answer.headers.as_ref().and_then(|headers| headers.get(WHY_NOT)) {
        Some(why) => Err(why.to_string()),
        None => Ok(answer.payload),
    }
}

fn marked_ok(answer: Bytes) -> Bytes {
    [b"ok ", &answer[..]].concat().into()
}
