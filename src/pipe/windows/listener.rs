//! A listener's instances: some wait for clients, and one holds the name.

mod backlog;
mod hold;
mod options;

pub(in crate::pipe) use self::{backlog::Backlog, hold::Hold, options::ListenSettings};
use super::{Server, sys};
use crate::{
    error::{Error, Operation},
    name::{InvalidName, NameError, PipeName},
    pipe::places::Places,
};

/// Takes possession of a name of this machine, and lets `size` clients connect.
pub(in crate::pipe) fn listen(
    name: &PipeName,
    settings: &ListenSettings,
    max_instances: Option<u8>,
    size: u8,
    places: Places,
) -> Result<(Backlog, Hold), Error> {
    let security = settings.rules_for(name)?;
    let flags = settings.flags(match max_instances {
        // One more instance holds the name.
        Some(max) => u32::from(max) + 1,
        None => ListenSettings::UNLIMITED,
    });
    let hold = Hold::take(name, flags, &security)?;
    let backlog = Backlog::new(name.clone(), flags, security, size.into(), places)?;
    Ok((backlog, hold))
}

/// Takes possession of a name of this machine with one instance, which a client can open.
pub(super) fn claim(
    name: &PipeName,
    settings: &ListenSettings,
    max_instances: u8,
) -> Result<Server, Error> {
    if !name.is_local() {
        return Err(InvalidName::new(name.as_str(), NameError::Remote).into());
    }
    let security = settings.rules_for(name)?;
    let flags = settings.flags(max_instances.into());
    let first = hold::claim(name, flags, &security)?;
    sys::register_server(first).map_err(|e| Error::io(Operation::Listen, Some(name), e))
}
