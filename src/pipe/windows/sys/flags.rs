//! The flags with which a pipe is made and opened.

use windows_sys::Win32::{
    Storage::FileSystem::{
        FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_GENERIC_READ,
        FILE_READ_ATTRIBUTES, FILE_WRITE_DATA, PIPE_ACCESS_DUPLEX, PIPE_ACCESS_INBOUND,
        PIPE_ACCESS_OUTBOUND, READ_CONTROL, SECURITY_ANONYMOUS, SECURITY_DELEGATION,
        SECURITY_IDENTIFICATION, SECURITY_IMPERSONATION, SECURITY_SQOS_PRESENT, SYNCHRONIZE,
    },
    System::Pipes::{
        PIPE_ACCEPT_REMOTE_CLIENTS, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE,
        PIPE_TYPE_MESSAGE,
    },
};

/// In which directions a pipe carries data, seen from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Direction {
    /// Both ways.
    #[default]
    Duplex,
    /// From the client to the server.
    Inbound,
    /// From the server to the client.
    Outbound,
}

/// Whether the operating system keeps write boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PipeType {
    /// It keeps none: the pipe is a stream of bytes.
    #[default]
    Byte,
    /// Each write is a message, for peers that read one message at a time. This crate reads both
    /// types as bytes, because a frame contains its own length. Over a message-type pipe it sends
    /// only frames with a payload of at most 4 MiB, unless it is set otherwise:
    /// [`FrameFormat::DEFAULT_MAX_PER_WRITE`](crate::frame::FrameFormat::DEFAULT_MAX_PER_WRITE).
    Message,
}

/// The flags that `CreateNamedPipeW` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipe) struct InstanceFlags {
    pub(in crate::pipe) open_mode: u32,
    pub(in crate::pipe) pipe_mode: u32,
    pub(in crate::pipe) max_instances: u32,
    pub(in crate::pipe) out_buffer: u32,
    pub(in crate::pipe) in_buffer: u32,
}

impl InstanceFlags {
    pub(in crate::pipe) fn new(direction: Direction, pipe_type: PipeType) -> Self {
        let access = match direction {
            Direction::Duplex => PIPE_ACCESS_DUPLEX,
            Direction::Inbound => PIPE_ACCESS_INBOUND,
            Direction::Outbound => PIPE_ACCESS_OUTBOUND,
        };
        let kind = match pipe_type {
            PipeType::Byte => PIPE_TYPE_BYTE,
            PipeType::Message => PIPE_TYPE_MESSAGE,
        };
        Self {
            open_mode: access | FILE_FLAG_OVERLAPPED,
            pipe_mode: kind | PIPE_READMODE_BYTE | PIPE_REJECT_REMOTE_CLIENTS,
            max_instances: 255,
            out_buffer: 0,
            in_buffer: 0,
        }
    }

    /// Asks for a name that nobody owns yet.
    pub(in crate::pipe) fn first(mut self) -> Self {
        self.open_mode |= FILE_FLAG_FIRST_PIPE_INSTANCE;
        self
    }

    pub(in crate::pipe) fn accept_remote_clients(mut self) -> Self {
        self.pipe_mode &= !PIPE_REJECT_REMOTE_CLIENTS;
        self.pipe_mode |= PIPE_ACCEPT_REMOTE_CLIENTS;
        self
    }
}

/// How far a server may act as the client that has connected to it. A false server can do the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ImpersonationLevel {
    /// The server does not learn who the client is. A server that asks refuses such a client.
    Anonymous,
    /// The server learns who the client is, and can do nothing in its name.
    #[default]
    Identification,
    /// The server can do on this machine whatever the client can.
    FullImpersonation,
    /// The server can do on every machine whatever the client can.
    FullDelegation,
}

/// The flags that `CreateFileW` takes to open a pipe's client end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipe) struct OpenFlags {
    pub(in crate::pipe) access: u32,
    pub(in crate::pipe) flags: u32,
}

impl OpenFlags {
    /// Returns flags with the least rights that are enough. They do not include `GENERIC_WRITE`,
    /// which contains `FILE_CREATE_PIPE_INSTANCE`: a server that lets others connect must not grant
    /// it.
    pub(in crate::pipe) const fn new(direction: Direction) -> Self {
        const WRITE: u32 = FILE_WRITE_DATA | FILE_READ_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE;
        let access = match direction {
            Direction::Duplex => FILE_GENERIC_READ | WRITE,
            Direction::Inbound => WRITE,
            Direction::Outbound => FILE_GENERIC_READ,
        };
        Self {
            access,
            flags: FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
        }
    }

    /// Sets the level. Without `SECURITY_SQOS_PRESENT` the level would be full impersonation.
    pub(in crate::pipe) const fn impersonation(self, level: ImpersonationLevel) -> Self {
        // All bits of the highest level. They include the bits of the other levels.
        const LEVELS: u32 = SECURITY_DELEGATION;
        let level = match level {
            ImpersonationLevel::Anonymous => SECURITY_ANONYMOUS,
            ImpersonationLevel::Identification => SECURITY_IDENTIFICATION,
            ImpersonationLevel::FullImpersonation => SECURITY_IMPERSONATION,
            ImpersonationLevel::FullDelegation => SECURITY_DELEGATION,
        };
        Self { flags: self.flags & !LEVELS | SECURITY_SQOS_PRESENT | level, ..self }
    }
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Storage::FileSystem::FILE_CREATE_PIPE_INSTANCE;

    use super::*;

    const DIRECTIONS: [Direction; 3] = [Direction::Duplex, Direction::Inbound, Direction::Outbound];
    const LEVELS: [(ImpersonationLevel, u32); 4] = [
        (ImpersonationLevel::Anonymous, 0x4010_0000),
        (ImpersonationLevel::Identification, 0x4011_0000),
        (ImpersonationLevel::FullImpersonation, 0x4012_0000),
        (ImpersonationLevel::FullDelegation, 0x4013_0000),
    ];

    #[test]
    fn the_first_instance_is_exclusive_and_the_others_are_not() {
        for (direction, access) in DIRECTIONS.into_iter().zip([3, 1, 2]) {
            for kind in [PipeType::Byte, PipeType::Message] {
                let flags = InstanceFlags::new(direction, kind);
                assert_eq!(flags.open_mode, 0x4000_0000 | access);
                assert_eq!(flags.first().open_mode, 0x4008_0000 | access);
            }
        }
    }

    #[test]
    fn remote_clients_are_refused_whatever_the_pipe() {
        for direction in DIRECTIONS {
            for (kind, word) in [(PipeType::Byte, 8), (PipeType::Message, 12)] {
                let flags = InstanceFlags::new(direction, kind);
                assert_eq!((flags.pipe_mode, flags.first().pipe_mode), (word, word));
                assert_eq!(flags.accept_remote_clients().pipe_mode, word & !8);
            }
        }
    }

    #[test]
    fn a_client_asks_for_the_least_and_never_for_creating_instances() {
        let asked = DIRECTIONS.map(|direction| OpenFlags::new(direction).access);
        assert_eq!(asked, [0x12_008B, 0x12_0082, 0x12_0089]);
        assert!(asked.iter().all(|access| access & FILE_CREATE_PIPE_INSTANCE == 0));
    }

    #[test]
    fn a_client_shows_who_it_is_and_lends_nothing_unless_told() {
        for direction in DIRECTIONS {
            assert_eq!(OpenFlags::new(direction).flags, 0x4011_0000);
        }
    }

    #[test]
    fn the_last_impersonation_level_wins_and_is_always_stated() {
        for (before, _) in LEVELS {
            for (level, flags) in LEVELS {
                let open = OpenFlags::new(Direction::Duplex);
                assert_eq!(open.impersonation(before).impersonation(level).flags, flags);
            }
        }
    }
}
