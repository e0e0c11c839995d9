//! Windows' rules for pipes, each asked of this system by an experiment on a pipe of its own.
//!
//! A stock Wine lacks all of them. What a system is called says nothing about what it does, and an
//! experiment does: it uses the operating system alone, so that it cannot share a fault with the crate
//! that is tested.
#![allow(unsafe_code)]

use std::{
    env,
    fs::{self, File},
    io::{self, Read, Write},
    os::windows::{
        fs::OpenOptionsExt,
        io::{AsRawHandle, FromRawHandle, OwnedHandle},
    },
    ptr,
    sync::OnceLock,
    thread,
};

use windows_sys::{
    Wdk::Storage::FileSystem::{
        FILE_PIPE_LOCAL_INFORMATION, FilePipeLocalInformation, NtQueryInformationFile,
    },
    Win32::{
        Foundation::{
            ERROR_ACCESS_DENIED, ERROR_CANT_OPEN_ANONYMOUS, INVALID_HANDLE_VALUE, LocalFree,
            STATUS_SUCCESS,
        },
        Security::{
            Authorization::{
                ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
            },
            RevertToSelf, SECURITY_ATTRIBUTES, TOKEN_QUERY,
        },
        Storage::FileSystem::{
            FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_READ_DATA, FILE_WRITE_DATA, PIPE_ACCESS_DUPLEX,
            PIPE_ACCESS_OUTBOUND, SECURITY_ANONYMOUS,
        },
        System::{
            IO::IO_STATUS_BLOCK,
            LibraryLoader::{GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW},
            Pipes::{CreateNamedPipeW, ImpersonateNamedPipeClient},
            Services::{CloseServiceHandle, OpenSCManagerW, SC_MANAGER_CREATE_SERVICE},
            Threading::{GetCurrentThread, OpenThreadToken},
        },
    },
};

use crate::{low_integrity::open_at_low_integrity, support::unique_name};

/// A rule, and what this process has found out about it.
pub(crate) struct Rule {
    /// Goes on after "this system does not".
    says: &'static str,
    experiment: fn() -> bool,
    holds: OnceLock<bool>,
    /// Whether a Wine that was rebuilt with Windows' pipes has it.
    of_pipes: bool,
}

impl Rule {
    const fn new(says: &'static str, experiment: fn() -> bool) -> Self {
        Self { says, experiment, holds: OnceLock::new(), of_pipes: true }
    }

    /// A rule that has nothing to do with pipes, and that no Wine has.
    const fn of_windows_alone(says: &'static str, experiment: fn() -> bool) -> Self {
        Self { says, experiment, holds: OnceLock::new(), of_pipes: false }
    }

    /// Returns whether `test` is to be skipped because this system lacks the rule, and says so.
    ///
    /// # Panics
    ///
    /// Where `NPIPES_NO_SKIPS` says that the system has every rule, or `pipes` that it has those of pipes.
    #[track_caller]
    pub(crate) fn skips(&self, test: &str) -> bool {
        if *self.holds.get_or_init(self.experiment) {
            return false;
        }
        let says = self.says;
        let no_skips = env::var_os("NPIPES_NO_SKIPS");
        assert!(
            no_skips.is_none_or(|which| which == "pipes" && !self.of_pipes),
            "{test} is not to be skipped, and yet this system does not {says}"
        );
        // Not eprintln!, whose output the test harness keeps to itself when a test passes.
        let _ = writeln!(io::stderr(), "skipped: {test}: this system does not {says}");
        true
    }
}

pub(crate) static FIRST_INSTANCE: Rule =
    Rule::new("refuse to make a first instance of a pipe that exists", first_instance_is_exclusive);

pub(crate) static ACCESS: Rule =
    Rule::new("enforce a pipe's access rules on clients", access_rules_are_enforced);

pub(crate) static FURTHER_INSTANCES: Rule = Rule::new(
    "ask a pipe's access rules who may make further instances",
    further_instances_take_a_right,
);

pub(crate) static DIRECTION: Rule = Rule::new(
    "keep clients from asking to write to a pipe that they can only read",
    directions_are_enforced,
);

pub(crate) static IMPERSONATION_LEVEL: Rule =
    Rule::new("keep a server from acting as an anonymous client", impersonation_levels_are_kept);

pub(crate) static WRITE_QUOTA: Rule =
    Rule::new("tell how much of a pipe's write quota is free", write_quota_is_told);

pub(crate) static INTEGRITY: Rule = Rule::new("enforce integrity levels", integrity_is_enforced);

pub(crate) static LIST: Rule = Rule::of_windows_alone("list its pipes", pipes_are_listed);

pub(crate) static SERVICES: Rule =
    Rule::new("let this user set up services", services_can_be_set_up);

pub(crate) static APP_CONTAINERS: Rule =
    Rule::of_windows_alone("have app containers", there_are_app_containers);

const EVERYONE: &str = "D:P(A;;FA;;;WD)";

fn first_instance_is_exclusive() -> bool {
    let name = unique_name();
    let mode = PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE;
    let _first = create(&name, mode, EVERYONE).unwrap();
    is_denied(create(&name, mode, EVERYONE))
}

fn access_rules_are_enforced() -> bool {
    let name = unique_name();
    let _server = create(&name, PIPE_ACCESS_DUPLEX, "D:P(A;;FR;;;WD)").unwrap();
    is_denied(open(&name))
}

fn further_instances_take_a_right() -> bool {
    let name = unique_name();
    // All that reading and writing take, without FILE_CREATE_PIPE_INSTANCE.
    let descriptor = "D:P(A;;0x12019b;;;WD)";
    let _first = create(&name, PIPE_ACCESS_DUPLEX, descriptor).unwrap();
    is_denied(create(&name, PIPE_ACCESS_DUPLEX, descriptor))
}

fn directions_are_enforced() -> bool {
    let name = unique_name();
    let _server = create(&name, PIPE_ACCESS_OUTBOUND, EVERYONE).unwrap();
    let access = FILE_READ_DATA | FILE_WRITE_DATA;
    is_denied(File::options().access_mode(access).open(path(&name)))
}

fn impersonation_levels_are_kept() -> bool {
    let name = unique_name();
    let mut server = File::from(create(&name, PIPE_ACCESS_DUPLEX, EVERYONE).unwrap());
    let mut options = File::options();
    options.read(true).write(true).security_qos_flags(SECURITY_ANONYMOUS);
    let mut client = options.open(path(&name)).unwrap();
    client.write_all(b"x").unwrap();
    server.read_exact(&mut [0]).unwrap();
    // A thread of its own, which is never anybody else's while it acts as the client.
    let asked = thread::spawn(move || {
        // SAFETY: the handle is an open server's end.
        let ok = unsafe { ImpersonateNamedPipeClient(server.as_raw_handle()) };
        assert_ne!(ok, 0, "{}", io::Error::last_os_error());
        let opened = open_thread_token();
        // SAFETY: it takes nothing.
        assert_ne!(unsafe { RevertToSelf() }, 0);
        opened
    });
    fails_with(asked.join().unwrap(), ERROR_CANT_OPEN_ANONYMOUS)
}

fn write_quota_is_told() -> bool {
    let name = unique_name();
    let server = create(&name, PIPE_ACCESS_DUPLEX, EVERYONE).unwrap();
    let _client = open(&name).unwrap();
    let mut info = FILE_PIPE_LOCAL_INFORMATION::default();
    let mut status_block = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is open, and both results outlive the call, which no file system answers
    // later; `info` has the size given.
    let status = unsafe {
        NtQueryInformationFile(
            server.as_raw_handle(),
            &mut status_block,
            ptr::from_mut(&mut info).cast(),
            size_of::<FILE_PIPE_LOCAL_INFORMATION>() as u32,
            FilePipeLocalInformation,
        )
    };
    assert_eq!(status, STATUS_SUCCESS);
    info.WriteQuotaAvailable > 0
}

fn pipes_are_listed() -> bool {
    fs::read_dir(path("")).is_ok()
}

fn integrity_is_enforced() -> bool {
    let name = unique_name();
    let _server = create(&name, PIPE_ACCESS_DUPLEX, EVERYONE).unwrap();
    is_denied(open_at_low_integrity(&name))
}

fn services_can_be_set_up() -> bool {
    // SAFETY: null means this machine and its one database.
    let manager = unsafe { OpenSCManagerW(ptr::null(), ptr::null(), SC_MANAGER_CREATE_SERVICE) };
    // SAFETY: a manager that is not null is open and nobody else's.
    !manager.is_null() && unsafe { CloseServiceHandle(manager) } != 0
}

fn there_are_app_containers() -> bool {
    let library = wide("userenv.dll");
    // SAFETY: the name ends with a NUL, and the system's own library may be loaded by everybody.
    let library =
        unsafe { LoadLibraryExW(library.as_ptr(), ptr::null_mut(), LOAD_LIBRARY_SEARCH_SYSTEM32) };
    let name = c"DeriveAppContainerSidFromAppContainerName";
    // SAFETY: the name ends with a NUL; a null library has no functions.
    !library.is_null() && unsafe { GetProcAddress(library, name.as_ptr().cast()) }.is_some()
}

fn fails_with<T>(outcome: io::Result<T>, code: u32) -> bool {
    match outcome {
        Ok(_) => false,
        Err(e) if e.raw_os_error() == Some(code as i32) => true,
        Err(e) => panic!("the experiment fails otherwise: {e}"),
    }
}

#[track_caller]
fn is_denied<T>(outcome: io::Result<T>) -> bool {
    fails_with(outcome, ERROR_ACCESS_DENIED)
}

fn path(name: &str) -> String {
    format!(r"\\.\pipe\{name}")
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

fn open(name: &str) -> io::Result<File> {
    File::options().read(true).write(true).open(path(name))
}

/// Creates an instance of a pipe whose calls block.
fn create(name: &str, open_mode: u32, descriptor: &str) -> io::Result<OwnedHandle> {
    const INSTANCES: u32 = 2;
    const QUOTA: u32 = 4096;
    let (path, descriptor) = (wide(&path(name)), wide(descriptor));
    let mut security = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: ptr::null_mut(),
        bInheritHandle: 0,
    };
    // SAFETY: the text ends with a NUL, and the size is optional.
    let ok = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            descriptor.as_ptr(),
            SDDL_REVISION_1,
            &mut security.lpSecurityDescriptor,
            ptr::null_mut(),
        )
    };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
    // SAFETY: the path ends with a NUL, and it and the descriptor outlive the call.
    let handle = unsafe {
        CreateNamedPipeW(path.as_ptr(), open_mode, 0, INSTANCES, QUOTA, QUOTA, 0, &security)
    };
    let outcome = if handle == INVALID_HANDLE_VALUE {
        Err(io::Error::last_os_error())
    } else {
        // SAFETY: the call succeeded and gave the handle to nobody else.
        Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
    };
    // SAFETY: the descriptor comes from a call that says to free it so, and nothing has it any more.
    unsafe { LocalFree(security.lpSecurityDescriptor) };
    outcome
}

/// Opens the token with which this thread acts.
fn open_thread_token() -> io::Result<OwnedHandle> {
    let mut token = ptr::null_mut();
    // SAFETY: it takes nothing and returns a pseudo handle that need not be closed.
    let thread = unsafe { GetCurrentThread() };
    // SAFETY: the pseudo handle is always valid.
    let ok = unsafe { OpenThreadToken(thread, TOKEN_QUERY, 1, &mut token) };
    if ok == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded and gave the handle to nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(token) })
}
