"""The example nats: two machines on one, each with its gateway, its pipe and its service."""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

from program import LIMIT, ROOT, USER, Failed, pipe, run, start

PACKAGE = "nats-server"


def nats():
    server = installed()
    if server is None:
        print(f"     nats: skipped, there is no {PACKAGE}, and Debian's package cannot be installed")
        return
    command = ["cargo", "build", "--locked", "--manifest-path", "examples/nats/Cargo.toml"]
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    if subprocess.run([*command, "--target-dir", target], cwd=ROOT).returncode:
        raise Failed("the package examples/nats does not build")
    with Nats(server) as network:
        between_two_machines(network)


def installed():
    """Returns the server's path, after installing it if that can be done."""
    if not (found := which()) and os.getuid() == 0 and shutil.which("apt-get"):
        print(f"     nats: installing Debian's package {PACKAGE}", flush=True)
        options = ["-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=600"]
        for arguments in (["update", "-qq"], ["install", *options, PACKAGE]):
            subprocess.run(
                ["apt-get", *arguments], env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        found = which()
    return found


def which():
    return shutil.which(PACKAGE, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Nats:
    """A server that can be killed and started again at the same port."""

    def __init__(self, program):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.program = program

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "--addr", "127.0.0.1", "--port", str(self.port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), LIMIT).close()
                return
            except OSError as e:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise Failed(f"{self.program} does not listen: {e}") from e
                time.sleep(0.05)

    def kill(self):
        self.process.kill()
        self.process.wait()


def between_two_machines(network):
    services = [start("service", pipe()) for _ in "ab"]
    orders = [service.expect("serving").split()[-1] for service in services]
    gates = [pipe() for _ in "ab"]
    gateways = [
        gateway(network, "a", gates[0], f"orders={orders[0]}"),
        gateway(network, "b", gates[1], f"orders={orders[1]}", f"closed={pipe()}"),
    ]
    for program in gateways:
        program.expect("gateway of")

    run(0, "echo_client", gates[0], "b.orders two coffees", "b.orders one tea", lines=[
        "ok order 1: two coffees", "ok order 2: one tea",
    ])
    run(0, "echo_client", gates[1], "a.orders a cake", lines=["ok order 1: a cake"])
    gateways[1].expect(f"a request of {USER}")

    # A client is told why there is no answer.
    run(0, "echo_client", gates[0], "c.orders tea", "b.closed tea", "b.> tea", "tea", lines=[
        "error no gateway serves it", "error connecting to ", "error write HOST.SERVICE", "error write HOST.SERVICE",
    ])
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "much").write_bytes(b"b.orders " + b"x" * 1024 * 1024)
        run(0, "pipecat", "connect", gates[0], "--message", "much", "--replies", "1", cwd=folder, lines=[
            "error it has 1048576 bytes, and NATS takes 1048576",
        ])

    # Nothing waits in a gateway for a network that is away, and it is back when the network is.
    network.kill()
    for program in gateways:
        program.expect("nats: disconnected")
    run(0, "echo_client", gates[0], "b.orders lost", lines=["error NATS is away; nothing was sent"])
    network.start()
    for program in gateways:
        program.expect("nats: connected")
    subscribed_again(gates[0])
    run(0, "echo_client", gates[0], "b.orders another", lines=["ok order 3: another"])

    for program in gateways:
        program.ctrl_c()
        program.ends(0, "closed")
    for service in services:
        service.ctrl_c()
        service.ends(0, "0 failed, 0 panicked, 0 not read to the end, 0 cut")


def subscribed_again(gate):
    """Waits for the gateway of b, which is connected a moment before it has subscribed."""
    deadline = time.monotonic() + LIMIT
    while True:
        asked = run(0, "echo_client", gate, "b.closed tea")
        if not any("no gateway serves it" in line for line in asked.lines):
            return
        if time.monotonic() > deadline:
            raise asked.failure("the gateway of b does not subscribe again")


def gateway(network, host, gate, *services):
    return start("../npipes-nats", network.address, host, gate, *services, title=f"the gateway of {host}")
