"""A peer for the interop tests: echoes frames, or sends them and compares what comes back.

    python3 npipes_peer.py server|client byte|message <pipe name> [connections]
    python3 npipes_peer.py vectors <docs/wire-vectors.tsv>

The server prints "listening" when a client can connect, serves that many connections (default 1),
one after another, prints "served N connections, M messages" and ends. The client waits for the
pipe, sends every size in turn and prints "ok N messages". "vectors" takes the streams of the
documented dialect apart and prints "ok N vectors". Exit codes: 0, 1 after a failure, 64 for a wrong
command line, 69 for what Python has no pipes for: "server byte" on Windows, "message" elsewhere.
Elsewhere a pipe is a Unix socket, and the name may also be its path.
"""

import io
import os
import pathlib
import socket
import sys
import time
from multiprocessing.connection import Client, Listener

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "docs" / "peers"))
import npipes_frames  # noqa: E402

# None, few, and around 4 KiB and 64 KiB, which a payload or a whole frame (12 more) can meet.
SIZES = (0, 1, 63, 64, 4083, 4084, 4085, 4096, 4097, 65523, 65524, 65525, 65536, 65537, 65548, 1 << 20)
WINDOWS = os.name == "nt"


class BytePipe:
    """Frames over an unbuffered file."""

    def __init__(self, file):
        self.file = file

    def send(self, payload):
        npipes_frames.write(self.file, payload)

    def receive(self):
        return npipes_frames.read(self.file)

    def close(self):
        self.file.close()


class MessagePipe:
    """Frames as the messages of a multiprocessing.connection.Connection."""

    def __init__(self, connection):
        self.connection = connection

    def send(self, payload):
        self.connection.send_bytes(npipes_frames.encode(payload))

    def receive(self):
        try:
            return npipes_frames.decode(self.connection.recv_bytes())
        except EOFError:
            return None

    def close(self):
        self.connection.close()


def accepted(name, connections):
    """Yields the pipes of that many clients, as they come."""
    if WINDOWS:
        with Listener(rf"\\.\pipe\{name}", "AF_PIPE") as listener:
            print("listening", flush=True)
            for _ in range(connections):
                yield MessagePipe(listener.accept())
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(socket_path(name))
            try:
                listener.listen()
                print("listening", flush=True)
                for _ in range(connections):
                    with listener.accept()[0] as client:
                        yield BytePipe(client.makefile("rwb", buffering=0))
            finally:
                os.unlink(socket_path(name))


def socket_path(name):
    """Where .NET and npipes have the pipe of that name."""
    if name.startswith("/"):
        return name
    return os.path.join(os.environ.get("TMPDIR") or "/tmp", f"CoreFxPipe_{name}")


def connect(mode, name):
    """Waits for the pipe to appear and to have a free instance."""
    deadline = time.monotonic() + 20
    while True:
        try:
            if not WINDOWS:
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(socket_path(name))
                    return BytePipe(client.makefile("rwb", buffering=0))
            path = rf"\\.\pipe\{name}"
            if mode == "byte":
                return BytePipe(open(path, "r+b", buffering=0))
            return MessagePipe(Client(path, "AF_PIPE"))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def serve(name, connections):
    messages = 0
    for pipe in accepted(name, connections):
        while (payload := pipe.receive()) is not None:
            pipe.send(payload)
            messages += 1
        pipe.close()
    print(f"served {connections} connections, {messages} messages")


def call(mode, name):
    pipe = connect(mode, name)
    for size in SIZES:
        pipe.send(message(size))
        echo = pipe.receive()
        if echo != message(size):
            sys.exit(f"{size} bytes came back different, as {'none' if echo is None else len(echo)}")
    pipe.close()
    print(f"ok {len(SIZES)} messages")


def take_apart(file):
    lines = pathlib.Path(file).read_text().splitlines()
    vectors = [line.split("\t") for line in lines if not line.startswith("#")]
    vectors = [(name, stream, outcome) for name, dialect, stream, outcome in vectors if dialect == "documented"]
    for name, stream, outcome in vectors:
        pipe, events = io.BytesIO(bytes.fromhex(stream)), []
        try:
            while (payload := npipes_frames.read(pipe)) is not None:
                events.append(f"payload:{payload.hex()}")
            events.append("end")
        except npipes_frames.FrameError:
            events.append("error")
        if events != up_to_the_first_error(outcome):
            sys.exit(f"{name}: {' '.join(events)}, not {outcome}")
    print(f"ok {len(vectors)} vectors")


def up_to_the_first_error(outcome):
    """What a receiver makes of a stream that ends it at the first wrong frame, of whatever kind."""
    events = []
    for event in outcome.split():
        if event in ("corrupt", "refused", "truncated"):
            return [*events, "error"]
        events.append(event)
    return events


def message(n):
    """Byte i of the message of n bytes is the top byte of (i + n) * 2654435761 modulo 2^32."""
    return bytes((i + n) * 2654435761 >> 24 & 0xFF for i in range(n))


def main():
    match sys.argv[1:]:
        case ["server", "byte", _, *_] if WINDOWS:
            unavailable("multiprocessing.connection makes message-type pipes only")
        case ["server" | "client", "message", _, *_] if not WINDOWS:
            unavailable("message-type pipes exist on Windows only")
        case ["server", "byte" | "message", name]:
            serve(name, 1)
        case ["server", "byte" | "message", name, connections]:
            serve(name, int(connections))
        case ["client", "byte" | "message" as mode, name]:
            call(mode, name)
        case ["vectors", file]:
            take_apart(file)
        case _:
            usage = "usage: npipes_peer.py server|client byte|message <pipe name> [connections], or vectors <file>"
            print(usage, file=sys.stderr)
            sys.exit(64)


def unavailable(reason):
    print(reason, file=sys.stderr)
    sys.exit(69)


if __name__ == "__main__":
    main()
