"""The programs that the tests of the examples start."""

import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Wine, which scripts/on-wine sets with the target; without it the programs are this machine's own.
RUNNER = os.environ.get("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER")
WINDOWS = RUNNER is not None
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), os.environ.get("CARGO_BUILD_TARGET", ""))
EXAMPLES = TARGET / "debug/examples"
# Where the sockets are: programs that are killed leave theirs behind.
SOCKETS = tempfile.TemporaryDirectory(prefix="npipes-examples-")
ENVIRONMENT = os.environ if WINDOWS else {**os.environ, "TMPDIR": SOCKETS.name}
# How a program writes who runs it: by a security identifier, or by a number.
USER = "S-1-5-" if WINDOWS else str(os.getuid())
# For whatever a program is to print or to do. Nothing waits this long unless something is wrong.
LIMIT = 300


class Failed(Exception):
    pass


class Program:
    """An example that runs, and the lines that it has printed on either output."""

    started = []

    def __init__(self, example, *arguments, title=None, cwd=None):
        self.title = title or " ".join([example, *arguments])[:70]
        self.lines = []
        self.looked_at = 0
        self.over = False
        self.more = threading.Condition()
        self.process = subprocess.Popen(
            [*([RUNNER, EXAMPLES / f"{example}.exe"] if WINDOWS else [EXAMPLES / example]), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd, env=ENVIRONMENT,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        Program.started.append(self)

    def _read(self):
        for line in self.process.stdout:
            with self.more:
                self.lines.append(line.decode(errors="replace").rstrip("\r\n"))
                self.more.notify()
        with self.more:
            self.over = True
            self.more.notify()

    def expect(self, part):
        """Waits for a line with this part, after the last one that was waited for; returns it."""
        deadline = time.monotonic() + LIMIT
        with self.more:
            while True:
                while self.looked_at < len(self.lines):
                    self.looked_at += 1
                    if part in self.lines[self.looked_at - 1]:
                        return self.lines[self.looked_at - 1]
                left = deadline - time.monotonic()
                if self.over or left <= 0:
                    raise self.failure(f"no line with {part!r}")
                self.more.wait(left)

    def say(self, *lines):
        try:
            for line in lines:
                self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except OSError as e:
            raise self.failure(f"it does not take input any more: {e}") from e

    def ctrl_c(self):
        # Wine makes CTRL_C_EVENT of it.
        self.process.send_signal(signal.SIGINT)

    def ends(self, code=0, *parts):
        """Ends its input, waits for its end, and looks for these lines, in this order."""
        try:
            self.process.stdin.close()
        except OSError:
            pass
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise self.failure(f"it has not ended in {LIMIT} s") from None
        self.reader.join(LIMIT)
        if self.process.returncode != code:
            raise self.failure(f"exit code {self.process.returncode}, not {code}")
        for part in parts:
            self.expect(part)
        return self

    def has(self, part, count):
        found = sum(part in line for line in self.lines)
        if found != count:
            raise self.failure(f"{found} lines with {part!r}, not {count}")

    def failure(self, text):
        shown = "".join(f"\n         {line[:200]}" for line in self.lines[-30:]) or " nothing"
        return Failed(f"{self.title}: {text}\n     it printed:{shown}")

    def kill(self):
        self.process.kill()
        self.process.wait()


def start(*arguments, **options):
    return Program(*arguments, **options)


def run(code, *arguments, lines=(), **options):
    return Program(*arguments, **options).ends(code, *lines)


names = 0


def pipe():
    global names
    names += 1
    return f"npipes-example-{os.getpid()}-{names}"
