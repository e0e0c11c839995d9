//! Framed, checksummed messages over Windows named pipes on Tokio.

mod backoff;
mod codec;
mod connection;
mod error;
mod frame;
mod name;
mod read_window;

pub use self::{
    backoff::{Backoff, Delays},
    codec::FrameCodec,
    connection::{Closed, Connection, ConnectionOptions, Parts, ReceiveHalf, SendHalf},
    error::{Attempts, ConnectError, Error, FrameError, NameError, Operation},
    frame::{ByteOrder, Dialect, FrameFormat, LengthRule, ReceiveChecksum, SendChecksum},
    name::PipeName,
};

cfg_if::cfg_if! {
    if #[cfg(windows)] {
        mod pipe;

        pub use self::pipe::{
            ConnectOptions, Direction, Incoming, Listener, ListenerOptions, PipeStream, PipeType,
            connect,
        };
    }
}
