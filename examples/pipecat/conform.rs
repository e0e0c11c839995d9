//! Puts a peer that echoes through the test vectors of the wire, and says where it goes wrong.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use npipes::{ConnectionOptions, FrameCodec};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_util::codec::Encoder;

use crate::{
    failure::Failure,
    open::{Door, Stream},
    plan::Place,
    values::unhex,
};

const VECTORS: &str = include_str!("../../docs/wire-vectors.tsv");

/// For the peer to answer, or to end what it refuses.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a peer must do with a stream.
struct Expected {
    /// Frames that it sends back.
    echoes: BytesMut,
    /// How much of them comes before the first corrupt frame, where it may end the stream.
    before_corrupt: Option<usize>,
    /// Whether it must end the stream by itself.
    ends: bool,
}

impl Expected {
    fn of(outcome: &str) -> Result<Self, Failure> {
        let mut expected = Self { echoes: BytesMut::new(), before_corrupt: None, ends: false };
        for event in outcome.split_whitespace() {
            match event.strip_prefix("payload:") {
                Some(payload) => {
                    let payload = Bytes::from(bytes_of(payload)?);
                    FrameCodec::default().encode(payload, &mut expected.echoes)?;
                }
                None if event == "corrupt" => {
                    expected.before_corrupt.get_or_insert(expected.echoes.len());
                }
                None => expected.ends |= event == "refused",
            }
        }
        Ok(expected)
    }
}

pub(crate) async fn run(place: &Place) -> Result<(), Failure> {
    let mut door = Door::at(place, ConnectionOptions::new())?;
    let (mut passed, mut failed) = (0, 0);
    for line in VECTORS.lines() {
        let &[name, "documented", stream, outcome] = &line.split('\t').collect::<Vec<_>>()[..]
        else {
            continue;
        };
        let stream = bytes_of(stream)?;
        let peer = door.open().await?.into_inner();
        match put_through(peer, &stream, &Expected::of(outcome)?).await {
            Ok(()) => passed += 1,
            Err(complaint) => {
                failed += 1;
                println!("FAIL {name}: {complaint}");
            }
        }
    }
    println!("{passed} of {} vectors passed", passed + failed);
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Failed(format!("{failed} vectors failed"))),
    }
}

async fn put_through(mut peer: Stream, stream: &[u8], expected: &Expected) -> Result<(), String> {
    // A peer that refuses the beginning may be gone before the rest is written.
    let written = peer.write_all(stream).await;
    let mut answer = Vec::new();
    let mut ended = written.is_err();
    while !ended && (answer.len() < expected.echoes.len() || expected.ends) {
        match timeout(PATIENCE, peer.read_buf(&mut answer)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) => ended = true,
            Err(_) if expected.ends => return Err("it does not end the stream".to_owned()),
            Err(_) => break,
        }
    }
    let may_be_shorter = ended && expected.before_corrupt == Some(answer.len());
    if answer != expected.echoes && !may_be_shorter {
        return Err(format!("it answers {}, and not {}", hex(&answer), hex(&expected.echoes)));
    }
    Ok(())
}

fn bytes_of(hex: &str) -> Result<Vec<u8>, Failure> {
    unhex(hex).map_err(|e| Failure::Failed(format!("docs/wire-vectors.tsv: {e}")))
}

fn hex(bytes: &[u8]) -> String {
    match bytes {
        [] => "nothing".to_owned(),
        bytes => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
