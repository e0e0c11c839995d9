//! A client of a daemon that is there already: HTTP over the pipe of Docker, with hyper.
//!
//! `cargo run --example docker_client` asks the daemon of this machine which version it is, and lists its
//! containers. `cargo run --example docker_client -- PIPE` asks another one, for example Podman's.
//!
//! `cargo run --example docker_client -- serve orders` is a small daemon to try it with, if there is no
//! Docker: `cargo run --example docker_client -- orders` asks that.

use std::process::ExitCode;

/// Where Docker listens unless it is told otherwise.
#[cfg(windows)]
const DOCKER: &str = r"\\.\pipe\docker_engine";
#[cfg(unix)]
const DOCKER: &str = "/var/run/docker.sock";

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(|argument| &**argument).collect::<Vec<_>>()[..] {
        [] => client::ask(DOCKER).await,
        ["serve", pipe] => daemon::serve(pipe).await,
        [pipe] => client::ask(pipe).await,
        _ => Err("usage: docker_client [PIPE], or docker_client serve PIPE".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

mod client {
    use std::time::Duration;

    use bytes::{Buf, Bytes};
    use http_body_util::{BodyExt, Empty, Limited};
    use hyper::{Request, client::conn::http1, header::HOST};
    use hyper_util::rt::TokioIo;
    use npipes::{ConnectOptions, Error, PipeStream};
    use serde::Deserialize;
    use tokio::time::timeout;

    use super::Failure;

    /// A daemon that does not answer is given up after this time.
    const PATIENCE: Duration = Duration::from_secs(30);
    /// The longest answer in bytes. A list of ten thousand containers is shorter.
    const LONGEST: usize = 16 * 1024 * 1024;

    // The fields that are used here, of all that Docker's API documents.
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Version {
        version: String,
        api_version: String,
        os: String,
        arch: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Container {
        id: String,
        image: String,
        names: Vec<String>,
        status: String,
    }

    pub(crate) async fn ask(pipe: &str) -> Result<(), Failure> {
        let stream = connect(pipe).await?;
        // One connection for all requests. It is driven beside them, and ends when `daemon` is dropped.
        let (mut daemon, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);

        let version: Version = get(&mut daemon, "/version").await?;
        let Version { version, api_version, os, arch } = version;
        println!("Docker {version}, API {api_version}, {os}/{arch}");

        let containers: Vec<Container> = get(&mut daemon, "/containers/json?all=true").await?;
        println!("{} containers", containers.len());
        for Container { id, image, names, status } in containers {
            let id: String = id.chars().take(12).collect();
            println!("{id}  {image}  {}  {status}", names.join(" "));
        }
        drop(daemon);
        Ok(driver.await??)
    }

    /// The daemon must be the user's own, root's or an administrator's: nothing is sent to another server.
    /// That is the default of `ConnectOptions`.
    async fn connect(pipe: &str) -> Result<PipeStream, Failure> {
        ConnectOptions::new().connect_stream(pipe).await.map_err(|e| match &e {
            Error::Connect(why) if why.attempts.not_found > 0 => {
                format!("there is no daemon at {}: is Docker started? ({e})", why.pipe).into()
            }
            Error::Connect(why) if why.attempts.access_denied > 0 => {
                let group = if cfg!(windows) { "docker-users" } else { "docker" };
                format!("this user may not use the daemon: is it in the group {group}? ({e})")
                    .into()
            }
            _ => e.into(),
        })
    }

    async fn get<T: for<'de> Deserialize<'de>>(
        daemon: &mut http1::SendRequest<Empty<Bytes>>,
        path: &str,
    ) -> Result<T, Failure> {
        // HTTP/1.1 wants a host. A pipe has none, and the daemon does not look at it.
        let request = Request::get(path).header(HOST, "docker").body(Empty::new())?;
        let exchange = async {
            let response = daemon.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LONGEST).collect().await?.aggregate();
            if !status.is_success() {
                // Docker says why: {"message": "..."}.
                let mut why = vec![0; body.remaining().min(1000)];
                body.take(why.len()).copy_to_slice(&mut why);
                return Err(
                    format!("GET {path}: {status}: {}", String::from_utf8_lossy(&why)).into()
                );
            }
            Ok(serde_json::from_reader(body.reader())?)
        };
        timeout(PATIENCE, exchange)
            .await
            .map_err(|_| format!("GET {path}: no answer in {PATIENCE:?}"))?
    }
}

/// As much of Docker's API as the client uses.
mod daemon {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::{
        Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
    };
    use hyper_util::rt::TokioIo;
    use npipes::Listener;

    use super::Failure;

    pub(crate) async fn serve(pipe: &str) -> Result<(), Failure> {
        let mut listener = Listener::bind(pipe)?;
        println!("listening on {}", listener.name());
        loop {
            let stream = TokioIo::new(listener.accept_stream().await?);
            tokio::spawn(async move {
                let served =
                    http1::Builder::new().serve_connection(stream, service_fn(answer)).await;
                println!("a client has left: {served:?}");
            });
        }
    }

    async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (status, body) = match request.uri().path() {
            "/version" => (
                StatusCode::OK,
                serde_json::json!({
                    "Version": "0.0.0-example",
                    "ApiVersion": "1.45",
                    "Os": std::env::consts::OS,
                    "Arch": std::env::consts::ARCH,
                }),
            ),
            "/containers/json" => (
                StatusCode::OK,
                serde_json::json!([{
                    "Id": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                    "Image": "orders:latest",
                    "Names": ["/orders"],
                    "Status": "Up 2 hours",
                }]),
            ),
            _ => (StatusCode::NOT_FOUND, serde_json::json!({ "message": "page not found" })),
        };
        let mut response = Response::new(Full::from(body.to_string()));
        *response.status_mut() = status;
        Ok(response)
    }
}
