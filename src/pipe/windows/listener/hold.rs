//! The first instance of a pipe, which takes the name, and the instance that keeps the name.

use std::{
    io,
    os::windows::io::{AsHandle, OwnedHandle},
};

use crate::{
    error::{Error, Operation},
    name::PipeName,
    pipe::windows::{
        security::SecurityDescriptor,
        sys::{self, Code, InstanceFlags},
    },
};

/// Creates the first instance of a name that nobody owns.
///
/// `CreateNamedPipeW` documents `ERROR_ACCESS_DENIED` for a first instance that is not the first.
/// It also gives this error when an existing pipe differs in its directions. A pipe at its own
/// limit of instances gives `ERROR_PIPE_BUSY`. The number of instances is checked as well, because
/// Wine does not know `FILE_FLAG_FIRST_PIPE_INSTANCE`. An outbound pipe's server may not ask for
/// the number (`GetNamedPipeHandleStateW` needs `GENERIC_READ`).
pub(super) fn claim(
    name: &PipeName,
    flags: InstanceFlags,
    security: &SecurityDescriptor,
) -> Result<OwnedHandle, Error> {
    let first = match sys::create_instance(name, flags.first(), security.as_descriptor()) {
        Ok(first) => first,
        Err(e) if matches!(Code::of(&e), Code::AccessDenied | Code::Busy) => {
            return Err(Error::NameTaken { pipe: name.clone() });
        }
        Err(e) => return Err(Error::io(Operation::Listen, Some(name), e)),
    };
    match sys::instances(first.as_handle()) {
        Ok(0 | 1) => Ok(first),
        Ok(_) => Err(Error::NameTaken { pipe: name.clone() }),
        Err(e) if Code::of(&e) == Code::AccessDenied => Ok(first),
        Err(e) => Err(Error::io(Operation::Listen, Some(name), e)),
    }
}

/// The instance that holds a listener's name. No client can connect to it: if no other instance
/// waits, the pipe is busy.
pub(in crate::pipe) struct Hold {
    _instance: OwnedHandle,
}

impl Hold {
    /// Takes possession of a name that nobody owns.
    pub(super) fn take(
        name: &PipeName,
        flags: InstanceFlags,
        security: &SecurityDescriptor,
    ) -> Result<Self, Error> {
        if let Ok(first) = sys::create_shut(name, flags, security.as_descriptor()) {
            let state = sys::disconnect(first.as_handle());
            if state.is_err_and(|e| Code::of(&e) == Code::Disconnected) {
                return Ok(Self { _instance: first });
            }
        }
        let first = claim(name, flags, security)?;
        Self::shut(name, &first).map_err(|e| Error::io(Operation::Listen, Some(name), e))?;
        Ok(Self { _instance: first })
    }

    /// Closes to clients an instance that they can open. `DisconnectNamedPipe` fails for an
    /// instance without a client, so this process becomes its client first. A client that was
    /// faster is disconnected: it came before there was a listener.
    fn shut(name: &PipeName, first: &OwnedHandle) -> io::Result<()> {
        let place = match sys::take_place(name) {
            Err(e) if Code::of(&e) != Code::Busy => return Err(e),
            place => place,
        };
        sys::disconnect(first.as_handle())?;
        drop(place);
        Ok(())
    }
}
