//! Tests that make every call of the Windows API fail: the function returns the error, and closes
//! the handles that it had opened by then. The tests for calls about tokens and descriptors are
//! beside those calls.

use std::{
    fs::File,
    io,
    os::windows::io::{AsHandle, BorrowedHandle},
    process, thread,
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    net::windows::named_pipe::{ClientOptions, NamedPipeServer, PipeMode, ServerOptions},
};
use windows_sys::Win32::Foundation::{
    ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, ERROR_PATH_NOT_FOUND,
};

use super::{
    Code, Direction, InstanceFlags, OpenFlags, PipeDevice, PipeState, PipeType, create_instance,
    create_shut, disconnect, flush, instances, open, open_path, pipe_state, register_client,
    register_server,
    security::{self, Descriptor},
    take_place,
};
use crate::name::PipeName;

/// A name that nobody else has.
fn name(of: &str) -> PipeName {
    PipeName::new(&format!("npipes-failures-{}-{of}", process::id())).unwrap()
}

fn everyone() -> Descriptor {
    Descriptor::from_sddl("D:(A;;FA;;;WD)").unwrap()
}

fn code(error: &io::Error) -> u32 {
    u32::try_from(error.raw_os_error().unwrap()).unwrap()
}

/// An object that is no file, no pipe, no process and no token.
fn with_a_thread<R>(look: impl FnOnce(BorrowedHandle<'_>) -> R) -> R {
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let thread = thread::spawn(move || ended.recv());
    let result = look(thread.as_handle());
    drop(end);
    assert!(thread.join().unwrap().is_err());
    result
}

/// A file that can be read and is no pipe.
fn file() -> File {
    File::open(std::env::current_exe().unwrap()).unwrap()
}

fn bare_server(name: &PipeName) -> NamedPipeServer {
    ServerOptions::new().create(name.as_str()).unwrap()
}

#[tokio::test]
async fn an_instance_beyond_the_limit_is_not_created() {
    let name = name("limit");
    let flags = InstanceFlags::new(Direction::Duplex, PipeType::Byte);
    let flags = InstanceFlags { max_instances: 1, ..flags };
    let _first = create_instance(&name, flags, &everyone()).unwrap();
    let error = create_instance(&name, flags, &everyone()).unwrap_err();
    assert_eq!(Code::of(&error), Code::Busy, "{error}");
}

#[test]
fn an_instance_is_disconnected_when_a_client_has_opened_it_and_once() {
    let name = name("shut");
    let flags = InstanceFlags::new(Direction::Duplex, PipeType::Byte);
    let server = create_instance(&name, flags, &everyone()).unwrap();
    let error = disconnect(server.as_handle()).unwrap_err();
    assert_eq!(Code::of(&error), Code::Listening, "{error}");
    let client = take_place(&name).unwrap();
    assert_eq!(Code::of(&take_place(&name).unwrap_err()), Code::Busy);
    disconnect(server.as_handle()).unwrap();
    let error = disconnect(server.as_handle()).unwrap_err();
    assert_eq!(Code::of(&error), Code::Disconnected, "{error}");
    drop(client);
    // The name still exists, and nobody can connect.
    assert_eq!(Code::of(&take_place(&name).unwrap_err()), Code::Busy);
    drop(server);
    assert_eq!(Code::of(&take_place(&name).unwrap_err()), Code::NotFound);
}

#[test]
fn a_pipe_whose_rules_let_nobody_in_is_opened_by_its_owner() {
    let name = name("owner");
    let nobody = Descriptor::from_sddl("D:(A;;0x4;;;WD)").unwrap();
    let flags = InstanceFlags::new(Direction::Duplex, PipeType::Byte);
    let server = create_instance(&name, flags, &nobody).unwrap();
    let _client = take_place(&name).unwrap();
    disconnect(server.as_handle()).unwrap();
}

/// Checks which properties a further instance must share, and which the first instance sets for
/// all.
#[tokio::test]
async fn an_instance_that_is_created_shut_is_the_first_of_its_kind() {
    for direction in [Direction::Duplex, Direction::Inbound, Direction::Outbound] {
        let name = name("born");
        let flags = InstanceFlags::new(direction, PipeType::Message);
        let flags = InstanceFlags { max_instances: 2, in_buffer: 1000, out_buffer: 3000, ..flags };
        let first = create_shut(&name, flags, &everyone()).unwrap();
        let error = disconnect(first.as_handle()).unwrap_err();
        assert!(matches!(Code::of(&error), Code::Listening | Code::Disconnected), "{error}");
        let second = create_instance(&name, flags, &everyone()).unwrap();
        let error = create_instance(&name, flags, &everyone()).unwrap_err();
        assert_eq!(Code::of(&error), Code::Busy, "{error}");
        let second = register_server(second).unwrap();
        if direction == Direction::Outbound {
            // The server's end may not ask.
            assert_eq!(Code::of(&second.info().unwrap_err()), Code::AccessDenied);
        } else {
            let info = second.info().unwrap();
            assert_eq!((info.mode, info.max_instances), (PipeMode::Message, 2));
        }
        drop(first);
    }
}

#[test]
fn what_is_no_pipe_has_no_instances() {
    instances(file().as_handle()).unwrap_err();
    with_a_thread(|thread| instances(thread).unwrap_err());
}

#[test]
fn a_pipe_that_is_not_there_is_not_opened() {
    let flags = OpenFlags::new(Direction::Duplex);
    let error = open(&name("absent"), flags).unwrap_err();
    assert_eq!(Code::of(&error), Code::NotFound, "{error}");
}

#[test]
fn what_is_not_a_pipe_is_not_handed_out() {
    let flags = OpenFlags::new(Direction::Duplex);
    let file = std::env::temp_dir().join(format!("npipes-no-pipe-{}", process::id()));
    std::fs::write(&file, b"as it was").unwrap();
    for path in [file.to_str().unwrap(), r"\\.\NUL"] {
        let error = open_path(path, flags).unwrap_err();
        assert_eq!(error.to_string(), "what has this name is not a pipe; nothing was sent to it");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"as it was");
    // The file was closed: a file that is open without sharing cannot be removed.
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn a_handle_that_cannot_be_registered_is_closed() {
    let name = name("register");
    let mut server = bare_server(&name);
    let (handle, _) = open(&name, OpenFlags::new(Direction::Duplex)).unwrap();
    // A second completion port for the same file.
    let copy = handle.try_clone().unwrap();
    let registered = register_client(handle).unwrap();
    assert_eq!(code(&register_client(copy).unwrap_err()), ERROR_INVALID_PARAMETER);
    drop(registered);
    is_left(&mut server).await;
}

/// Checks that the client of `server` has closed every handle of its end.
async fn is_left(server: &mut NamedPipeServer) {
    let ended = async {
        let _ = server.connect().await;
        server.read_u8().await.unwrap_err()
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
}

#[test]
fn what_is_no_pipe_tells_nothing_of_what_was_read() {
    assert_eq!(with_a_thread(pipe_state), PipeState::Unknown);
    assert_eq!(pipe_state(file().as_handle()), PipeState::Unknown);
}

#[tokio::test]
async fn a_disconnected_pipe_has_nobody_at_the_other_end() {
    let name = name("disconnected");
    let server = bare_server(&name);
    let client = ClientOptions::new().open(name.as_str()).unwrap();
    server.connect().await.unwrap();
    server.disconnect().unwrap();
    assert_eq!(pipe_state(client.as_handle()), PipeState::Gone);
    assert_eq!(Code::of(&flush(client.as_handle()).unwrap_err()), Code::Disconnected);
}

#[test]
fn what_cannot_be_written_to_is_not_flushed() {
    with_a_thread(|thread| flush(thread).unwrap_err());
}

#[tokio::test]
async fn a_handle_without_the_right_to_read_it_shows_no_descriptor() {
    let name = name("descriptor");
    let _server = bare_server(&name);
    let client = take_place(&name).unwrap();
    let error = Descriptor::of(client.as_handle()).unwrap_err();
    assert_eq!(Code::of(&error), Code::AccessDenied, "{error}");
    let error = security::owner(client.as_handle()).unwrap_err();
    assert_eq!(Code::of(&error), Code::AccessDenied, "{error}");
}

#[test]
fn a_device_that_is_not_there_is_not_opened() {
    let error = PipeDevice::open_path(r"\\.\npipes-no-such-device\").unwrap_err();
    let code = code(&error);
    assert!(matches!(code, ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND), "{error}");
}

#[test]
fn a_device_that_has_a_completion_port_is_not_given_another() {
    let handle = PipeDevice::open_path(crate::name::LOCAL_PREFIX).unwrap();
    let copy = handle.try_clone().unwrap();
    let _device = PipeDevice::over(handle).unwrap();
    assert_eq!(code(&PipeDevice::over(copy).err().unwrap()), ERROR_INVALID_PARAMETER);
}

#[test]
fn there_is_no_waiting_for_a_pipe_that_is_not_there() {
    let device = PipeDevice::open().unwrap();
    assert!(device.wait(&name("nothing"), Duration::from_secs(60)).is_none());
}
