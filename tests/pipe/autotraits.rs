//! What of the pipes can cross threads, and be moved once pinned.

use npipes::{
    ConnectOptions, Connection, Listener, ListenerOptions, Peer, PipeStream,
    pipe::{Connector, Incoming, IncomingStreams, OwnedReadHalf, OwnedWriteHalf, PeerHandle},
    retry::Retry,
    security::{Access, ServerIdentity, ServerTrust},
};
#[cfg(windows)]
use npipes::{
    ipc::{Delivery, Ipc, IpcOptions, IpcRole},
    pipe::{Direction, PipeType},
    security::{ImpersonationLevel, IntegrityLevel, PeerProcess, SecurityDescriptor},
};

fn is_sendable<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}

#[test]
fn public_types_are_send_sync_unpin_and_debug() {
    is_sendable::<Access>();
    is_sendable::<ConnectOptions>();
    is_sendable::<Connection<PipeStream>>();
    is_sendable::<Connector>();
    is_sendable::<Incoming>();
    is_sendable::<IncomingStreams>();
    is_sendable::<Listener>();
    is_sendable::<ListenerOptions>();
    is_sendable::<OwnedReadHalf>();
    is_sendable::<OwnedWriteHalf>();
    is_sendable::<Peer>();
    is_sendable::<PeerHandle>();
    is_sendable::<ServerIdentity>();
    is_sendable::<PipeStream>();
    is_sendable::<Retry>();
    is_sendable::<ServerTrust>();
}

#[cfg(windows)]
#[test]
fn so_are_those_that_only_windows_has() {
    is_sendable::<Delivery>();
    is_sendable::<Direction>();
    is_sendable::<ImpersonationLevel>();
    is_sendable::<IntegrityLevel>();
    is_sendable::<Ipc>();
    is_sendable::<IpcOptions>();
    is_sendable::<IpcRole>();
    is_sendable::<PeerProcess>();
    is_sendable::<PipeType>();
    is_sendable::<SecurityDescriptor>();
}

#[test]
fn the_futures_of_pipes_can_be_sent_to_another_thread() {
    fn is_sent<T: Send>(_: &T) {}
    #[cfg(windows)]
    fn check_ipc(mut ipc: Ipc) {
        is_sent(&ipc.send_message("Hello"));
        is_sent(&ipc.receive_message());
    }
    #[cfg(windows)]
    let _ = check_ipc as fn(_);
    fn check(mut listener: Listener, mut connection: Connection<PipeStream>) {
        is_sent(&npipes::connect("orders"));
        is_sent(&ConnectOptions::new().connect("orders"));
        is_sent(&npipes::connect_stream("orders"));
        is_sent(&listener.accept());
        is_sent(&listener.accept_stream());
        is_sent(&listener.close());
        is_sent(&connection.drained());
        is_sent(&connection.close_write());
        is_sent(&connection.close());
    }
    let _ = check as fn(_, _);
}
