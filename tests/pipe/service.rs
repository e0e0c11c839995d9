//! Windows services as servers: this binary is set up as one.
#![allow(unsafe_code)]

use std::{
    env, io, ptr,
    sync::{Mutex, OnceLock, mpsc},
    time::Duration,
};

use npipes::{
    ConnectOptions, Connection, Error, Listener, ListenerOptions, PipeStream,
    security::{Access, ServerTrust},
};
use windows_sys::Win32::{
    Foundation::ERROR_SERVICE_DATABASE_LOCKED,
    System::Services::{
        CloseServiceHandle, ControlService, CreateServiceW, DeleteService, OpenSCManagerW,
        RegisterServiceCtrlHandlerW, SC_HANDLE, SC_MANAGER_CREATE_SERVICE, SERVICE_ACCEPT_STOP,
        SERVICE_ALL_ACCESS, SERVICE_CONTROL_STOP, SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL,
        SERVICE_RUNNING, SERVICE_STATUS, SERVICE_STATUS_HANDLE, SERVICE_STOPPED,
        SERVICE_TABLE_ENTRYW, SERVICE_WIN32_OWN_PROCESS, SetServiceStatus,
        StartServiceCtrlDispatcherW, StartServiceW,
    },
};

use crate::{
    rules,
    support::{unique_name, within},
};

/// Goes before the pipe's name in the command line of [`the_service`], which has this environment's
/// variables no more than any service.
const PIPE: &str = "npipes-service-pipe=";

/// Stops the service when something is sent.
static STOP: OnceLock<Mutex<mpsc::Sender<()>>> = OnceLock::new();

fn pipe_to_serve() -> Option<String> {
    env::args().find_map(|word| word.strip_prefix(PIPE).map(str::to_owned))
}

/// The program of the service. By itself it does nothing.
#[test]
fn the_service() {
    if pipe_to_serve().is_none() {
        return;
    }
    let mut name = wide("");
    let table = [
        SERVICE_TABLE_ENTRYW { lpServiceName: name.as_mut_ptr(), lpServiceProc: Some(run) },
        SERVICE_TABLE_ENTRYW::default(),
    ];
    // SAFETY: the table ends with an empty entry, and it and the name outlive the call.
    let ok = unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) };
    assert_ne!(ok, 0, "{}", io::Error::last_os_error());
}

extern "system" fn run(_count: u32, _words: *mut *mut u16) {
    let (stop, stopped) = mpsc::channel();
    STOP.set(Mutex::new(stop)).unwrap();
    // SAFETY: a service with a process of its own may have any name here.
    let status = unsafe { RegisterServiceCtrlHandlerW(wide("").as_ptr(), Some(control)) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let entered = runtime.enter();
    // It runs as SYSTEM, and its client does not.
    let options = ListenerOptions::new().access(Access::authenticated_users());
    let listener = options.bind(pipe_to_serve().unwrap()).unwrap();
    tell(status, SERVICE_RUNNING);
    stopped.recv().unwrap();
    drop((listener, entered));
    tell(status, SERVICE_STOPPED);
}

extern "system" fn control(control: u32) {
    if control == SERVICE_CONTROL_STOP {
        STOP.get().unwrap().lock().unwrap().send(()).unwrap();
    }
}

fn tell(handle: SERVICE_STATUS_HANDLE, state: u32) {
    let status = SERVICE_STATUS {
        dwServiceType: SERVICE_WIN32_OWN_PROCESS,
        dwCurrentState: state,
        dwControlsAccepted: SERVICE_ACCEPT_STOP,
        ..SERVICE_STATUS::default()
    };
    // SAFETY: the handle is the service's, and the status outlives the call.
    unsafe { SetServiceStatus(handle, &status) };
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// A service, which is removed with this value.
struct Service {
    manager: SC_HANDLE,
    handle: SC_HANDLE,
    name: String,
}

impl Service {
    /// Sets this binary up to serve the pipe.
    fn set_up(pipe: &str) -> Self {
        let name = unique_name();
        let program = env::current_exe().unwrap();
        let line = format!(r#""{}" --exact service::the_service {PIPE}{pipe}"#, program.display());
        // SAFETY: null means this machine and its one database.
        let manager =
            unsafe { OpenSCManagerW(ptr::null(), ptr::null(), SC_MANAGER_CREATE_SERVICE) };
        assert!(!manager.is_null(), "{}", io::Error::last_os_error());
        let (wide_name, line) = (wide(&name), wide(&line));
        // SAFETY: the manager is open, the texts end with a NUL and outlive the call, and the rest is
        // optional.
        let handle = unsafe {
            CreateServiceW(
                manager,
                wide_name.as_ptr(),
                wide_name.as_ptr(),
                SERVICE_ALL_ACCESS,
                SERVICE_WIN32_OWN_PROCESS,
                SERVICE_DEMAND_START,
                SERVICE_ERROR_NORMAL,
                line.as_ptr(),
                ptr::null(),
                ptr::null_mut(),
                ptr::null(),
                ptr::null(),
                ptr::null(),
            )
        };
        assert!(!handle.is_null(), "{}", io::Error::last_os_error());
        Self { manager, handle, name }
    }

    /// Starts it, once the system has started its own: until then it starts no other.
    async fn start(&self) {
        // SAFETY: the service is open, and there are no words.
        while unsafe { StartServiceW(self.handle, 0, ptr::null()) } == 0 {
            let error = io::Error::last_os_error();
            assert_eq!(error.raw_os_error(), Some(ERROR_SERVICE_DATABASE_LOCKED as i32), "{error}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn trust(&self) -> ServerTrust {
        ServerTrust::service(&self.name)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let mut status = SERVICE_STATUS::default();
        // SAFETY: the service is open, and the status outlives the call.
        unsafe { ControlService(self.handle, SERVICE_CONTROL_STOP, &mut status) };
        // SAFETY: the service is open.
        unsafe { DeleteService(self.handle) };
        for handle in [self.handle, self.manager] {
            // SAFETY: it is open, and nobody else's.
            unsafe { CloseServiceHandle(handle) };
        }
    }
}

async fn connect_to(name: &str, trust: ServerTrust) -> Result<Connection<PipeStream>, Error> {
    let options = ConnectOptions::new().server_trust(trust);
    within(options.not_found(ConnectOptions::WAIT_FOR_SERVER).connect(name)).await
}

async fn refused(name: &str, trust: ServerTrust) -> String {
    match connect_to(name, trust).await {
        Err(Error::UntrustedServer(server)) => server.reason.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_service_is_trusted_by_its_name_and_no_other_server_is() {
    if rules::SERVICES.skips("a_service_is_trusted_by_its_name_and_no_other_server_is") {
        return;
    }
    let (pipe, own) = (unique_name(), unique_name());
    let service = Service::set_up(&pipe);
    let _listener = Listener::bind(&own).unwrap();
    let does_not_run = format!("the service {} does not run", service.name);
    assert_eq!(refused(&own, service.trust()).await, does_not_run);
    within(service.start()).await;
    let connection = connect_to(&pipe, service.trust()).await.unwrap();
    connect_to(&pipe, service.trust().and_same_image()).await.unwrap();
    drop(connection);
    let reason = refused(&own, service.trust()).await;
    assert!(reason.starts_with(&format!("the service {} is process ", service.name)), "{reason}");
    // Nor is it another service.
    let reason = refused(&pipe, ServerTrust::service("PlugPlay")).await;
    assert!(reason.starts_with("the service PlugPlay is process "), "{reason}");
}

#[tokio::test]
async fn the_server_is_not_a_service_that_does_not_exist() {
    let name = unique_name();
    let _listener = Listener::bind(&name).unwrap();
    let reason = refused(&name, ServerTrust::service("npipes no such service")).await;
    assert_eq!(reason, "there is no service npipes no such service");
}

#[tokio::test]
async fn a_service_that_runs_is_not_the_server_of_somebody_elses_pipe() {
    let name = unique_name();
    let mut listener = Listener::bind(&name).unwrap();
    // Windows starts it with the system, Wine with its services.
    let options = ConnectOptions::new().server_trust(ServerTrust::service("PlugPlay"));
    let error = within(options.connect(&name)).await.unwrap_err();
    let Error::UntrustedServer(server) = &error else { panic!("{error:?}") };
    assert_eq!(server.process_id, Some(std::process::id()));
    let text = error.to_string();
    assert!(text.contains("is not trusted: the service PlugPlay is process "), "{text}");
    let mut connection = within(listener.accept()).await.unwrap();
    assert_eq!(within(connection.receive()).await.unwrap(), None);
}

#[tokio::test]
async fn a_service_name_that_no_service_can_have_is_an_error() {
    let name = unique_name();
    let _listener = Listener::bind(&name).unwrap();
    let error = connect_to(&name, ServerTrust::service("PlugPlay\0")).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
}
