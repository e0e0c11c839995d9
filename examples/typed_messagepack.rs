//! Values instead of bytes: MessagePack with tokio-serde, over `FrameCodec` in tokio-util's
//! `Framed`.
//!
//! `cargo run --example typed_messagepack`

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), npipes::Error> {
    use futures::{SinkExt, TryStreamExt};
    use npipes::{Error, FrameCodec, Listener, connect};
    use serde::{Deserialize, Serialize};
    use tokio_serde::{Framed as Typed, formats::MessagePack};
    use tokio_util::codec::Framed;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Reading {
        sensor: String,
        celsius: f64,
        raw: Vec<u8>,
    }

    let name = format!("npipes-typed-messagepack-{}", std::process::id());
    let mut listener = Listener::bind(&name)?;
    let server = tokio::spawn(async move {
        let frames = Framed::new(listener.accept().await?.into_inner(), FrameCodec::default());
        let mut readings = Typed::new(frames, MessagePack::<Reading, f64>::default());
        let (mut count, mut sum) = (0.0, 0.0);
        while let Some(reading) = readings.try_next().await? {
            println!("{}: {} degrees", reading.sensor, reading.celsius);
            count += 1.0;
            sum += reading.celsius;
            readings.send(sum / count).await?;
        }
        Ok::<(), Error>(())
    });

    let frames = Framed::new(connect(&name).await?.into_inner(), FrameCodec::default());
    let mut means = Typed::new(frames, MessagePack::<f64, Reading>::default());
    for celsius in [20.0, 21.0, 25.0] {
        let sensor = "kitchen".to_owned();
        means.send(Reading { sensor, celsius, raw: celsius.to_le_bytes().to_vec() }).await?;
        let mean = means.try_next().await?.ok_or(Error::Closed)?;
        println!("mean: {mean} degrees");
    }
    means.close().await?;
    drop(means);
    server.await.map_err(std::io::Error::other)?
}
