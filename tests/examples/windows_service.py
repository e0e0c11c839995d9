"""The example windows_service: in a console, and under the service manager."""

import pathlib
import subprocess
import tempfile
import time

from program import EXAMPLES, LIMIT, RUNNER, USER, WINDOWS, Failed, pipe, run, start

SERVICE = "npipes-orders"
# An answer that nobody reads: more than the runtime of its client reads ahead.
LONG = "x" * 9000


def windows_service():
    in_a_console()
    run(1, "windows_service", lines=["usage: windows_service service LOG"])
    if WINDOWS:
        run(1, "windows_service", "service", "log", lines=["only the service manager can start it like this"])
        by_the_manager()
    else:
        print("     windows_service: the rest is skipped, only Windows has a service manager")


def in_a_console():
    name = pipe()
    service = start("windows_service", "run", name)
    service.expect("running")
    run(0, "echo_client", name, "two coffees", "one tea", lines=[f"accepted for {USER}", ": one tea"])
    service.expect(": one tea")
    service.ctrl_c()
    service.ends(0, "stopping, checkpoint 1", "stopped: 1 connections, 0 not read to the end, 0 cut")

    # A client that hangs does not hold it up for longer than the manager waits.
    service = start("windows_service", "run", name)
    service.expect("running")
    hangs = start("pipecat", "connect", name, "--text", LONG, "--stall", title="the client that hangs")
    service.expect("order of")
    service.ctrl_c()
    # A third one comes first where the machine is not too busy for it.
    service.ends(0, "stopping, checkpoint 1", "stopping, checkpoint 2")
    service.has("stopped: 1 connections, 1 not read to the end, 0 cut", 1)
    hangs.kill()


def by_the_manager():
    # Somebody else has the name of its pipe. Nobody orders there.
    other = start("windows_service", "run", SERVICE)
    other.expect("running")
    run(1, "windows_service", "order", "two coffees", lines=["is not trusted"])
    other.ctrl_c()
    other.ends(0, "stopped: 1 connections, 0 not read to the end, 0 cut").has("order of", 0)

    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "log")
        program = on_windows(EXAMPLES / "windows_service.exe")
        # What a run that was killed has left.
        remove()
        manage("create", SERVICE, "binPath=", f'"{program}" service "{on_windows(log)}"')
        try:
            under_the_manager(log)
        finally:
            remove()


def under_the_manager(log):
    manage("start", SERVICE)
    run(0, "windows_service", "order", "two coffees", lines=[f"accepted for {USER}"])
    hangs = start("pipecat", "connect", SERVICE, "--text", LONG, "--stall", title="the client that hangs")
    expect(hangs, log, "xxx")
    manage("stop", SERVICE)
    expect(hangs, log, "stopped: 2 connections, 1 not read to the end, 0 cut")
    for part in ("running", ": two coffees", "stopping, checkpoint 1", "stopping, checkpoint 2"):
        if part not in log.read_text():
            raise hangs.failure(f"the log of the service has no {part!r}: {log.read_text()}")
    expect_state(hangs, "STOPPED")
    hangs.kill()


def remove():
    for verb in ("stop", "delete"):
        control(verb, SERVICE)


def control(*arguments):
    return subprocess.run([RUNNER, "sc", *arguments], capture_output=True, text=True, timeout=LIMIT)


def manage(*arguments):
    told = control(*arguments)
    if told.returncode:
        raise Failed(f"sc {' '.join(arguments)}: exit code {told.returncode}, {told.stdout}{told.stderr}")
    return told.stdout


def expect(program, log, part):
    until(program, lambda: part in log.read_text(), lambda: f"no {part!r} in the log: {log.read_text()}")


def expect_state(program, state):
    until(program, lambda: state in manage("query", SERVICE), lambda: manage("query", SERVICE))


def until(program, done, complaint):
    deadline = time.monotonic() + LIMIT
    while not done():
        if time.monotonic() > deadline:
            raise program.failure(complaint())
        time.sleep(0.05)


def on_windows(path):
    # Wine's drive Z: is the root of this system.
    return "Z:" + str(path).replace("/", "\\")
