//! Waiting until a busy pipe has a free instance, or until a delay is over.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use crate::{
    name::PipeName,
    pipe::windows::sys::{FreeInstance, PipeDevice},
};

/// Waits for free instances of one pipe on behalf of one client.
pub(in crate::pipe) struct Waiter<'a> {
    name: &'a PipeName,
    device: Device,
}

enum Device {
    /// The device was not needed yet.
    Unopened,
    Open(Arc<PipeDevice>),
    /// There is no device, as for another machine's pipe and in some containers. Then only the
    /// delay ends the wait.
    Missing,
}

impl<'a> Waiter<'a> {
    pub(in crate::pipe) fn new(name: &'a PipeName) -> Self {
        let device = if name.is_local() { Device::Unopened } else { Device::Missing };
        Self { name, device }
    }

    /// Waits until an instance may be free, for `delay` at most.
    ///
    /// An instance that is free already ends the wait at once. This cannot become a busy loop: the
    /// instance became free after an attempt had found none, so some client makes progress each
    /// time.
    pub(in crate::pipe) async fn free_instance(&mut self, delay: Duration) {
        match self.start(delay) {
            // The system's own timeout would be enough if it were punctual everywhere.
            Some(free) => drop(timeout(delay, free).await),
            None => sleep(delay).await,
        }
    }

    fn start(&mut self, at_most: Duration) -> Option<FreeInstance> {
        if let Device::Unopened = self.device {
            self.device = PipeDevice::open().map_or(Device::Missing, Device::Open);
        }
        match &self.device {
            Device::Open(device) => device.wait(self.name, at_most),
            Device::Unopened | Device::Missing => None,
        }
    }
}
