//! The same messages over something that is not a pipe, on any system: `cargo run --example framing`

use npipes::{Connection, Error, frame::FrameError};
use tokio::io::AsyncWriteExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (near, far) = tokio::io::duplex(4096);
    let mut far = Connection::new(far);

    let mut near = Connection::new(near);
    near.send("Hello").await?;
    println!("received {:?}", far.receive().await?);

    // A frame with a bit flipped on the way, then a sound one.
    let mut raw = near.into_inner();
    raw.write_all(b"\x11\0\0\0\x05\0\0\0Iello\x82\x89\xd1\xf7").await?;
    raw.write_all(b"\x11\0\0\0\x05\0\0\0Hello\x82\x89\xd1\xf7").await?;
    drop(raw);
    loop {
        match far.receive().await {
            Ok(Some(message)) => println!("received {message:?}"),
            Ok(None) => break,
            Err(Error::Frame(e @ FrameError::Checksum { .. })) => println!("skipped: {e}"),
            Err(e) => return Err(e.into()),
        }
    }
    println!("the end");
    Ok(())
}
