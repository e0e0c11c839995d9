//! What is in a message is told to nobody but its receiver.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use npipes::{
    Client, Connection, ConnectionOptions, Error, FrameCodec,
    frame::{FrameError, FrameFormat, ReceiveChecksum},
    server::ServeOptions,
    simulated::{Cut, Faults, Pipe, Refusal, Stream},
    text::TextEncoding,
};
use tokio::io::{AsyncWriteExt, duplex};
use tokio_util::{codec::Decoder, sync::CancellationToken};

use crate::{
    record::{Recorder, assert_documented, with_message},
    support::within,
};

/// Its last character is in neither ASCII nor Latin-1.
const SECRET: &str = "Zq9-KAFFEE-7w!x\u{2603}";
const SHORT: &str = "Zq9-";

/// Everything that would give the secret away: its text, pieces of it, its bytes as the numbers that
/// headers and checksums are read as, and its checksums.
fn traces() -> Vec<String> {
    let mut traces = vec!["Zq9".to_owned(), "KAFFEE".to_owned(), "\u{2603}".to_owned()];
    traces.push("\\u{2603}".to_owned());
    let bytes = SECRET.as_bytes();
    traces.push(bytes[..4].iter().map(|b| b.to_string()).collect::<Vec<_>>().join(", "));
    traces.push(bytes[..4].iter().map(|b| format!("{b:02x}")).collect());
    let words = bytes.windows(4).map(|word| <[u8; 4]>::try_from(word).unwrap());
    let mut numbers: Vec<u32> =
        words.flat_map(|w| [u32::from_le_bytes(w), u32::from_be_bytes(w)]).collect();
    numbers.extend([SECRET, SHORT].map(|text| crc32fast::hash(text.as_bytes())));
    for number in numbers {
        traces.push(number.to_string());
        traces.push(format!("{number:x}"));
    }
    traces
}

#[tokio::test(start_paused = true)]
async fn no_event_and_no_span_tells_what_was_in_a_message() {
    let (recorder, _guard) = Recorder::install();

    an_ordinary_exchange().await;
    streams_that_are_wrong().await;
    texts_that_are_wrong().await;
    a_client_that_loses_messages().await;
    handlers_that_fail().await;

    let text = recorder.text();
    let told = recorder.take();
    assert_documented(&told);
    // It has been through everything.
    for message in [
        "sending",
        "received",
        "corrupt frame",
        "lengths do not fit",
        "frame too large",
        "ended inside a frame",
        "frame timed out",
        "reading failed",
        "writing failed",
        "session lost",
        "attempt failed",
        "a handler failed",
        "a handler panicked",
        "close",
    ] {
        assert!(!with_message(&told, message).is_empty(), "{message:?} was not told");
    }
    for trace in traces() {
        assert!(!text.contains(&trace), "{trace:?} is told");
    }
}

async fn an_ordinary_exchange() {
    let (mut near, mut far) = Connection::pair();
    for message in [Bytes::from_static(SECRET.as_bytes()), SECRET.repeat(5000).into()] {
        within(near.feed(message.clone())).await.unwrap();
        let (sent, received) = within(async { tokio::join!(near.flush(), far.receive()) }).await;
        sent.unwrap();
        assert_eq!(received.unwrap().unwrap(), message);
    }
    let _ = within(near.close()).await.unwrap();
}

async fn streams_that_are_wrong() {
    let strict = FrameFormat::new().receive_checksum(ReceiveChecksum::Require).max_payload(1000);
    let options = ConnectionOptions::new().format(strict).frame_timeout(Duration::from_secs(1));
    let frame = |payload: &str, trailer: [u8; 4]| {
        let len = payload.len() as u32;
        let header = [(len + 12).to_le_bytes(), len.to_le_bytes()].concat();
        [header, payload.into(), trailer.into()].concat()
    };
    let streams: [(Vec<u8>, bool); 6] = [
        ([frame(SECRET, [1; 4]), frame(SHORT, [1; 4]), frame(SHORT, [0; 4])].concat(), true),
        (SECRET.into(), false),
        (SECRET.as_bytes()[..6].into(), true),
        (frame(SECRET, [1; 4])[..20].into(), true),
        (frame(SECRET, [1; 4])[..20].into(), false),
        (frame(&SECRET.repeat(100), [1; 4]), false),
    ];
    for (bytes, ends) in streams {
        let (near, mut wire) = duplex(4096);
        let mut near = Connection::with_options(near, &options);
        wire.write_all(&bytes).await.unwrap();
        let mut wire = Some(wire);
        if ends {
            wire = None;
        }
        loop {
            match within(near.receive()).await {
                Ok(None) => break,
                Ok(Some(_)) | Err(Error::Frame(FrameError::Checksum { .. })) => {}
                Err(Error::Frame(error)) if error.is_skippable() => {}
                Err(_) => break,
            }
        }
        drop(wire);
    }
    let pipe = Pipe::new("orders").unwrap();
    let mut listener = pipe.listener().unwrap();
    for cut in [Cut::End, Cut::Reset] {
        pipe.fault_next(Faults::new().cut_to_client(10, cut));
        let mut client = within(pipe.connector().connect()).await.unwrap();
        let mut server = within(listener.accept()).await.unwrap();
        within(server.send(SECRET)).await.unwrap();
        within(client.receive()).await.unwrap_err();
        within(server.send(SECRET)).await.unwrap_err();
    }
}

/// The secret is no text in it.
fn ascii() -> ConnectionOptions {
    ConnectionOptions::new().text_encoding(TextEncoding::Ascii)
}

/// A frame of the documented dialect.
fn frame(payload: &str, crc: u32) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap();
    let head = [len + 12, len].map(u32::to_le_bytes).concat();
    [&head, payload.as_bytes(), &crc.to_le_bytes()].concat()
}

fn refused(bytes: &[u8], format: FrameFormat) -> Error {
    FrameCodec::new(format).decode(&mut BytesMut::from(bytes)).unwrap_err()
}

/// Two checksums of the secret.
fn corrupt() -> Error {
    refused(&frame(SHORT, crc32fast::hash(SECRET.as_bytes())), FrameFormat::new())
}

async fn texts_that_are_wrong() {
    let (mut near, mut far) = Connection::pair_with_options(4096, &ascii());
    within(near.send_text(SECRET)).await.unwrap_err();
    within(near.send(SECRET)).await.unwrap();
    within(far.receive_text()).await.unwrap_err();
}

async fn a_client_that_loses_messages() {
    let pipe = Pipe::new("orders").unwrap();
    let (client, mut inbox) = Client::builder(pipe.connector().connection(ascii()))
        .on_connect(|connection| {
            Box::pin(async move {
                // An error that quotes what it was about.
                connection.send_text(SECRET).await.map_err(|e| match e {
                    Error::TextEncode(_) => corrupt(),
                    other => other,
                })?;
                Ok(())
            })
        })
        .spawn();
    let mut listener = pipe.listener().unwrap();
    within(client.send(SECRET)).await.unwrap();
    within(inbox.receive()).await.unwrap_err();
    let _first = within(listener.accept()).await.unwrap();
    let (client, _inbox) = Client::spawn(pipe.connector());
    let lost = within(client.send(SECRET)).await.unwrap();
    let _second = within(listener.accept()).await.unwrap();
    within(client.flush()).await;
    pipe.refuse_times(Refusal::Busy, 1);
    pipe.cut_all(Cut::End);
    within(lost).await.unwrap_err();
    within(client.send(SECRET)).await.unwrap();
    drop(within(client.close()).await);
}

async fn handlers_that_fail() {
    let pipe = Pipe::new("orders").unwrap();
    let shutdown = CancellationToken::new();
    let handler = |mut connection: Connection<Stream>, _| async move {
        let number = connection.receive().await?.ok_or(Error::Closed)?;
        match &number[..] {
            b"0" => connection.send_text(SECRET).await?,
            b"1" => drop(connection.receive_text().await?),
            b"2" => drop(connection.receive().await?),
            b"3" => return Err(refused(&SECRET.as_bytes()[..8], FrameFormat::new())),
            b"4" => {
                let required = FrameFormat::new().receive_checksum(ReceiveChecksum::Require);
                return Err(refused(&frame(SECRET, 0), required));
            }
            b"5" => return Err(io::Error::from(io::ErrorKind::InvalidData).into()),
            _ => panic!("{SECRET}"),
        }
        Ok(connection)
    };
    let options = ServeOptions::new().shutdown_timeout(Duration::from_secs(10));
    let (listener, told) = (pipe.listener().unwrap().connection(ascii()), shutdown.clone());
    let service = tokio::spawn(async move { options.serve(listener, told, handler).await });
    for number in 0..7 {
        let mut client = within(pipe.connector().connect()).await.unwrap();
        within(client.feed(number.to_string())).await.unwrap();
        within(client.feed(SECRET)).await.unwrap();
        let _ = within(client.drained()).await;
        while let Ok(Some(_)) = within(client.receive()).await {}
    }
    shutdown.cancel();
    let served = within(service).await.unwrap();
    assert_eq!((served.accepted, served.panicked), (7, 1));
}
