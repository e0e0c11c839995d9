//! What of the adapters can cross threads.

use std::fmt::Debug;

use npipes::adapters::{hyper_util_0_1, tonic_0_14};

#[test]
fn public_types_can_be_sent_and_shown() {
    fn is_sendable<T: Send + Unpin + Debug + 'static>() {}
    fn is_shared<T: Send + Sync + Clone + Debug + 'static>() {}
    is_shared::<npipes::pipe::Connector>();
    is_sendable::<hyper_util_0_1::Connecting>();
    is_sendable::<tonic_0_14::Connecting>();
    is_sendable::<tonic_0_14::PipeIncoming>();
}
