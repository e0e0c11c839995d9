//! Sends one message through a real pipe and shows what happens to it.
//!
//! `cargo run --example hello`

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), npipes::Error> {
    use bytes::{Bytes, BytesMut};
    use npipes::{FrameCodec, Listener, connect};
    use tokio_util::codec::Encoder;

    let name = format!("npipes-hello-{}", std::process::id());
    let mut listener = Listener::bind(&name)?;
    println!("pipe:    {}", listener.name());

    let server = async {
        let mut connection = listener.accept().await?;
        let message = connection.receive().await?.unwrap_or_default();
        println!("arrived: {:?}", String::from_utf8_lossy(&message));
        connection.send(message).await?;
        // The client closes first, and learns that all of its messages were read.
        connection.receive().await
    };
    let client = async {
        let mut connection = connect(&name).await?;
        println!("sent:    {:?}", "Hello");
        let mut frame = BytesMut::new();
        FrameCodec::default().encode(Bytes::from("Hello"), &mut frame)?;
        println!("frame:   {}", hex(&frame));
        connection.send("Hello").await?;
        let echo = connection.receive().await?.unwrap_or_default();
        println!("back:    {:?}", String::from_utf8_lossy(&echo));
        connection.close().await
    };
    let (end, closed) = tokio::try_join!(server, client)?;
    assert!(end.is_none());
    println!("closed:  {closed:?}");
    Ok(())
}

/// The four fields of a frame whose payload has 5 bytes.
fn hex(frame: &[u8]) -> String {
    let fields = [&frame[..4], &frame[4..8], &frame[8..frame.len() - 4], &frame[frame.len() - 4..]];
    fields.map(|field| field.iter().map(|byte| format!("{byte:02x}")).collect::<String>()).join(" ")
}
