//! What only a service needs: its states go to the service manager, and the manager's wish to stop goes to
//! the service.

use std::{ffi::OsString, fs::File, io::Write, sync::Arc, time::Duration};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use windows_service::{
    define_windows_service,
    service::{
        ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus,
        ServiceType,
    },
    service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle},
    service_dispatcher,
};

use crate::{
    Failure, SERVICE,
    orders::{self, Event},
};

define_windows_service!(service_main, main_of_service);

/// Lets the service manager call `service_main`, and returns when the service has stopped. It fails in a
/// program that the manager has not started.
pub(crate) fn hand_over() -> Result<(), Failure> {
    service_dispatcher::start(SERVICE, service_main).map_err(|e| match e {
        windows_service::Error::Winapi(e) => {
            format!("only the service manager can start it like this; `run` works without ({e})")
                .into()
        }
        e => e.into(),
    })
}

/// Runs on a thread of its own. Nobody hears what it prints, so it keeps a log. The arguments are those of
/// `sc start`, and not those of the program.
fn main_of_service(_arguments: Vec<OsString>) {
    let Some(mut log) = std::env::args_os().nth(2).and_then(|path| File::create(path).ok()) else {
        return;
    };
    if let Err(e) = serve(&log) {
        let _ = writeln!(log, "failed: {e}");
    }
}

fn serve(mut log: &File) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    // The manager waits for the return of this function, which only passes the wish on.
    let told = stop.clone();
    let status = service_control_handler::register(SERVICE, move |control| match control {
        // A preshutdown comes before the shutdown of Windows, while there is more time.
        ServiceControl::Stop | ServiceControl::Preshutdown => {
            told.cancel();
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    })?;

    let events = log.try_clone()?;
    let tell = move |event: Event| {
        let _ = writeln!(&events, "{event}");
        if let Some(status_of_event) = as_status(&event) {
            // If the manager is not there any more, the service stops as it would have.
            let _ = status.set_service_status(status_of_event);
        }
    };
    let served = Runtime::new()?.block_on(orders::run(SERVICE, stop, Arc::new(tell)));
    let exit_code = match &served {
        Ok(_) => ServiceExitCode::NO_ERROR,
        // For `sc query`, and for the actions that are set for a service that fails.
        Err(_) => ServiceExitCode::ServiceSpecific(1),
    };
    match served {
        Ok(report) => writeln!(log, "{}", orders::summary(&report))?,
        Err(e) => writeln!(log, "failed: {e}")?,
    }
    stopped(status, exit_code)
}

fn as_status(event: &Event) -> Option<ServiceStatus> {
    match *event {
        Event::Running => Some(ServiceStatus {
            current_state: ServiceState::Running,
            controls_accepted: ServiceControlAccept::STOP | ServiceControlAccept::PRESHUTDOWN,
            ..nothing_left()
        }),
        Event::Order { .. } => None,
        Event::Stopping { checkpoint, within } => Some(ServiceStatus {
            current_state: ServiceState::StopPending,
            checkpoint,
            wait_hint: within,
            ..nothing_left()
        }),
    }
}

/// The last report: after it the manager may end the process at any time.
fn stopped(status: ServiceStatusHandle, exit_code: ServiceExitCode) -> Result<(), Failure> {
    Ok(status.set_service_status(ServiceStatus { exit_code, ..nothing_left() })?)
}

fn nothing_left() -> ServiceStatus {
    ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: ServiceState::Stopped,
        controls_accepted: ServiceControlAccept::empty(),
        exit_code: ServiceExitCode::NO_ERROR,
        checkpoint: 0,
        wait_hint: Duration::ZERO,
        process_id: None,
    }
}
