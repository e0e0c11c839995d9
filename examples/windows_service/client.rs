//! The client of the service.

use std::time::Duration;

use npipes::{ConnectOptions, security::ServerTrust};

use crate::{Failure, SERVICE};

pub(crate) async fn order(what: &str) -> Result<(), Failure> {
    // Any program of any user can be the first to create a pipe of this name, for example while the
    // service is stopped. So nothing is sent before the server is known to be the service.
    #[cfg(windows)]
    let trust = ServerTrust::service(SERVICE);
    // Elsewhere a service has no name that the system knows: root, or this user.
    #[cfg(unix)]
    let trust = ServerTrust::same_user_or_privileged();

    let options = ConnectOptions::new()
        .server_trust(trust)
        // The service may be starting.
        .not_found(ConnectOptions::WAIT_FOR_SERVER)
        .timeout(Duration::from_secs(5));
    let mut service = options.connect(SERVICE).await?;
    service.send_text(what).await?;
    let answer = service.receive_text().await?.ok_or("the service is about to stop")?;
    println!("{answer}");
    Ok(())
}
